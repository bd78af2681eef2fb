package base

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mole/device/cpu"
	"mole/hub"
	"mole/safetensors"
)

func TestCheck(t *testing.T) {
	cached(t)
	tests := []struct {
		name            string
		files, verified int
	}{{Tiny, 0, 0}, {unpack(t), 7, 0}, {model, 7, 1}} // one file has its hash for a name
	for _, tt := range tests {
		read := int64(0)
		r, err := Check(t.Context(), tt.name, CheckOptions{Values: true, Progress: func(_ string, done, _ int64) { read = done }})
		if err != nil {
			t.Fatal(err)
		}
		if r.Files != tt.files || r.Verified != tt.verified || r.Parameters != 4127232 || r.WeightBytes != 2*4127232 || r.TokenizerBytes != 40595 {
			t.Errorf("%s: got %+v", tt.name, r)
		}
		if read != r.WeightBytes {
			t.Errorf("%s: %d bytes were looked at, want %d", tt.name, read, r.WeightBytes)
		}
	}
}

// change writes one bfloat16 of the weights in a folder anew.
func change(t *testing.T, dir string, value uint16) {
	t.Helper()
	path := filepath.Join(dir, weightsFile)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)-2], data[len(data)-1] = byte(value), byte(value>>8)
	if err := os.WriteFile(path, data, 0o666); err != nil {
		t.Fatal(err)
	}
}

func TestCheckRefuses(t *testing.T) {
	repo := cached(t)
	change(t, filepath.Join(repo, "snapshots", modelCommit), 0x3f80)
	if _, err := Check(t.Context(), model, CheckOptions{}); !errors.Is(err, hub.ErrDamaged) {
		t.Errorf("got %v, want %v", err, hub.ErrDamaged)
	}
	for _, value := range []uint16{0x7f80, 0xff80, 0x7fc1} { // infinite, and not a number
		dir := unpack(t)
		change(t, dir, value)
		_, err := Check(t.Context(), dir, CheckOptions{Values: true})
		if !errors.Is(err, ErrNotFinite) || !strings.Contains(err.Error(), "1 of ") {
			t.Errorf("%#x: got %v, want %v", value, err, ErrNotFinite)
		}
	}
	dir := unpack(t)
	if err := safetensors.WriteFile(filepath.Join(dir, weightsFile), nil, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := Check(t.Context(), dir, CheckOptions{}); err == nil || !strings.Contains(err.Error(), "checkpoint lacks") {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Check(ctx, Tiny, CheckOptions{Values: true}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that it was cancelled", err)
	}
}

func TestUsable(t *testing.T) {
	dir := unpack(t)
	if c, err := Usable(dir); err != nil || c.Text.Hidden != 192 {
		t.Errorf("got %+v, %v", c, err)
	}
	for _, tt := range []struct{ name, text, want string }{
		{"tokenizer.json", "", "directory lacks tokenizer.json"}, // one after another
		{configFile, `{"model_type": "llama"}`, `model_type "llama", want "qwen3_vl"`},
	} {
		path := filepath.Join(dir, tt.name)
		err := os.Remove(path)
		if tt.text != "" {
			err = os.WriteFile(path, []byte(tt.text), 0o666)
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Usable(dir); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got %v, want %q", err, tt.want)
		}
	}
}

// TestNeeds checks that an embedding counts where it is the head.
func TestNeeds(t *testing.T) {
	r, err := Check(t.Context(), Tiny, CheckOptions{})
	if err != nil {
		t.Fatal(err)
	}
	tied, rest := r.Needs(TrialCells, TrialCells+TrialText)
	untied := *r.Config
	untied.Tied = false
	r.Config = &untied
	apart, same := r.Needs(TrialCells, TrialCells+TrialText)
	if tied != r.WeightBytes || tied-apart != 2*768*192 || rest != same || rest < program {
		t.Errorf("got %d and %d bytes of %d, %d and %d besides", tied, apart, r.WeightBytes, rest, same)
	}
}

// TestTry routes a picture, and checks that the plan has it all.
func TestTry(t *testing.T) {
	b := open(t, Tiny)
	dev, err := cpu.Open(cpu.Options{Workers: 2})
	if err != nil {
		t.Fatal(err)
	}
	got, err := b.Try(dev)
	if err != nil || got.Cells != TrialCells || got.Tokens != TrialCells+TrialText+2 || got.First <= 0 || got.Again <= 0 {
		t.Errorf("got %+v, %v", got, err)
	}
	if err := dev.Close(); err != nil {
		t.Error(err)
	}
}
