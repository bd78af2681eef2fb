package tiny

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"testing"
	"testing/fstest"

	"mole/safetensors"
)

func TestFS(t *testing.T) {
	err := fstest.TestFS(FS(), "config.json", "generation_config.json", "preprocessor_config.json",
		"tokenizer.json", "tokenizer_config.json", "chat_template.json", "model.safetensors")
	if err != nil {
		t.Error(err)
	}
	if _, err := fs.ReadFile(FS(), packed); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v for the packed weights, want that there are none", err)
	}
	if _, err := FS().Open(packed); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v for the packed weights, want that there are none", err)
	}
}

func TestDigest(t *testing.T) {
	data, err := fs.ReadFile(FS(), weights)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(data)
	if got := hex.EncodeToString(sum[:]); got != Digest() {
		t.Errorf("got SHA-256 %s of the weights, want %s: put it into tiny.go", got, Digest())
	}
}

func TestWeights(t *testing.T) {
	f, err := FS().Open(weights)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(f)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	again, err := fs.ReadFile(FS(), weights)
	if err != nil || !bytes.Equal(data, again) {
		t.Errorf("opened and read weights differ, error %v", err)
	}
	parsed, err := safetensors.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	parameters := 0
	for _, name := range parsed.Names() {
		x, err := parsed.Tensor(name)
		if err != nil {
			t.Fatal(err)
		}
		parameters += x.Len()
	}
	if parameters != 4127232 {
		t.Errorf("got %d parameters, want 4127232", parameters)
	}
}

func BenchmarkReadFile(b *testing.B) {
	b.SetBytes(weightsSize)
	for b.Loop() {
		if _, err := fs.ReadFile(FS(), weights); err != nil {
			b.Fatal(err)
		}
	}
}
