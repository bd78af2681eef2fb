package eval

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares got with a golden file.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func TestText(t *testing.T) {
	var out bytes.Buffer
	if err := sampleReport(t).WriteText(&out, TextOptions{Width: 100}); err != nil {
		t.Fatal(err)
	}
	golden(t, "report.txt", out.Bytes())
}

func TestHTML(t *testing.T) {
	var out bytes.Buffer
	if err := sampleReport(t).WriteHTML(&out, HTMLOptions{Picture: screen, Gallery: 2}); err != nil {
		t.Fatal(err)
	}
	golden(t, "report.html", out.Bytes())
}
