package main

import (
	"os"
	"path/filepath"
	"testing"
)

// TestCommitted checks that the committed files are what the generator writes.
func TestCommitted(t *testing.T) {
	for name, want := range files() {
		got, err := os.ReadFile(filepath.Join("..", name))
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != want {
			t.Errorf("%s is not what the generator writes: run go generate ./internal/kernel", name)
		}
	}
}
