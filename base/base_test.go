package base

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mole/base/tiny"
	"mole/device/cpu"
	"mole/model/qwen3vl"
	"mole/safetensors"
)

// TestMain keeps the cache of digests out of the user's folder, and the models
// that the user downloaded out of the tests.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "base")
	if err != nil {
		panic(err)
	}
	for _, name := range []string{"XDG_CACHE_HOME", "HOME", "LocalAppData", "HF_HUB_CACHE"} {
		if err := os.Setenv(name, dir); err != nil {
			panic(err)
		}
	}
	code := m.Run()
	if err := os.RemoveAll(dir); err != nil {
		panic(err)
	}
	os.Exit(code)
}

// unpack writes the embedded network to a new folder.
func unpack(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "base")
	if err := os.CopyFS(dir, tiny.FS()); err != nil {
		t.Fatal(err)
	}
	return dir
}

func open(t *testing.T, name string) *Base {
	t.Helper()
	b, err := Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

func TestOpenEmbedded(t *testing.T) {
	for _, name := range []string{"", "tiny"} {
		b := open(t, name)
		if b.Name != "tiny" || b.Digest != tiny.Digest() || b.Config.Text.Hidden != 192 || b.Vision.PatchSize != 16 || b.Tokenizer.Size() != 768 {
			t.Errorf("%q: got %+v", name, b)
		}
	}
}

// TestNetwork builds the network, which checks every tensor.
func TestNetwork(t *testing.T) {
	b := open(t, "")
	dev, err := cpu.Open(cpu.Options{})
	if err != nil {
		t.Fatal(err)
	}
	m, err := qwen3vl.New(dev, b.Config, b.Weights)
	if err != nil {
		t.Fatal(err)
	}
	m.Close()
	if err := errors.Join(dev.Close(), b.Close(), b.Close()); err != nil {
		t.Error(err)
	}
}

// TestOpenDir checks that a copy of the embedded network has its identity.
func TestOpenDir(t *testing.T) {
	dir := unpack(t)
	b, embedded := open(t, dir), open(t, "")
	if b.Name != dir || b.Digest != embedded.Digest || b.Processor != embedded.Processor || b.Vision != embedded.Vision {
		t.Errorf("got %+v, want as %+v", b, embedded)
	}
}

func TestOpenRefuses(t *testing.T) {
	replace := func(name, old, new string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			path := filepath.Join(dir, name)
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			changed := strings.ReplaceAll(string(text), old, new)
			if changed == string(text) {
				t.Fatalf("%s: no %q", name, old)
			}
			if err := os.WriteFile(path, []byte(changed), 0o666); err != nil {
				t.Fatal(err)
			}
		}
	}
	remove := func(names ...string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			for _, name := range names {
				if err := os.Remove(filepath.Join(dir, name)); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	tests := []struct {
		name   string
		damage func(t *testing.T, dir string)
		want   string
	}{
		{"no files", remove(configFile, weightsFile), "directory lacks config.json, model.safetensors or model.safetensors.index.json; copy all files"},
		{"no tokenizer", remove("tokenizer.json"), "lacks tokenizer.json;"},
		{"no JSON", replace(configFile, "{", "["), "config.json"},
		{"other family", replace(configFile, "qwen3_vl\"", "llava\""), "want \"qwen3_vl\""},
		{"other patches", replace(processorFile, `"patch_size": 16`, `"patch_size": 14`), "preprocessor_config.json: patch_size is 14, want 16 as in config.json"},
		{"vocabulary", replace(configFile, `"vocab_size": 768`, `"vocab_size": 760`), "tokenizer.json: 768 tokens, want at most vocab_size of config.json, 760"},
		{"image token", replace(configFile, `"image_token_id": 754`, `"image_token_id": 753`), "token <|image_pad|> has id 754, want 753"},
		{"weights", replace(weightsFile, "BF16", "BF17"), "BF17"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := unpack(t)
			tt.damage(t, dir)
			_, err := Open(t.Context(), dir)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "base model "+dir) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// TestOpenNested opens a directory as transformers 5 writes it.
func TestOpenNested(t *testing.T) {
	dir := unpack(t)
	want := open(t, dir)
	text, err := os.ReadFile(filepath.Join(dir, processorFile))
	if err != nil {
		t.Fatal(err)
	}
	nested := func(text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, nestedFile), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	nested("{}") // preprocessor_config.json counts before it
	open(t, dir)
	if err := os.Remove(filepath.Join(dir, processorFile)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), dir); err == nil || !strings.Contains(err.Error(), `processor_config.json: "image_processor" is missing`) {
		t.Errorf("got %v", err)
	}
	nested(`{"processor_class": "Qwen3VLProcessor", "image_processor": ` + string(text) + `, "video_processor": {"patch_size": 14}}`)
	if b := open(t, dir); b.Vision != want.Vision || b.Processor == "" {
		t.Errorf("got %+v, want %+v", b.Vision, want.Vision)
	}
}

func TestOpenElsewhere(t *testing.T) {
	dir := unpack(t)
	_, err := Open(t.Context(), filepath.Dir(dir))
	if !errors.Is(err, ErrIncomplete) || !strings.Contains(err.Error(), "or is it "+dir+" that you mean?") {
		t.Errorf("got %v, want ErrIncomplete and a hint at %s", err, dir)
	}
	_, err = Open(t.Context(), filepath.Join(dir, "no", "such"))
	if !errors.Is(err, ErrIncomplete) || !strings.Contains(err.Error(), `there is no such directory; want "tiny"`) {
		t.Errorf("got %v", err)
	}
	_, err = Open(t.Context(), filepath.Join(dir, configFile))
	if !errors.Is(err, ErrIncomplete) || !strings.Contains(err.Error(), "it is a file") {
		t.Errorf("got %v", err)
	}
}

// TestSharded opens weights in two files.
func TestSharded(t *testing.T) {
	dir := unpack(t)
	single := open(t, dir)
	var parts [2][]safetensors.Entry
	index := `{"weight_map":{`
	for i, name := range single.Weights.Names() {
		x, err := single.Weights.Tensor(name)
		if err != nil {
			t.Fatal(err)
		}
		parts[i%2] = append(parts[i%2], safetensors.Entry{Name: name, Tensor: x})
		index += `"` + name + `":"part-` + string(rune('0'+i%2)) + `.safetensors",`
	}
	for i, entries := range parts {
		path := filepath.Join(dir, "part-"+string(rune('0'+i))+".safetensors")
		if err := safetensors.WriteFile(path, entries, nil); err != nil {
			t.Fatal(err)
		}
	}
	index = strings.TrimSuffix(index, ",") + "}}"
	err := errors.Join(os.Remove(filepath.Join(dir, weightsFile)), os.WriteFile(filepath.Join(dir, indexFile), []byte(index), 0o666))
	if err != nil {
		t.Fatal(err)
	}
	a := open(t, dir)
	if err := os.WriteFile(filepath.Join(dir, "other.safetensors"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	b := open(t, dir)
	if a.Digest == single.Digest || len(a.Digest) != 64 || a.Digest != b.Digest {
		t.Errorf("got digests %s and %s with a file that does not count; of one file %s", a.Digest, b.Digest, single.Digest)
	}
}

// TestDigestCache checks when a digest is computed again.
func TestDigestCache(t *testing.T) {
	path := filepath.Join(t.TempDir(), "w")
	write := func(text string, at time.Time) {
		t.Helper()
		if err := errors.Join(os.WriteFile(path, []byte(text), 0o666), os.Chtimes(path, at, at)); err != nil {
			t.Fatal(err)
		}
	}
	hour := time.Now().Add(-time.Hour)
	for _, tt := range []struct {
		name, text string
		at         time.Time
		want       string
	}{
		{"first", "a", hour, "a"},
		{"same size and time: kept", "b", hour, "a"},
		{"other size", "bb", hour, "bb"},
		{"other time", "cc", hour.Add(time.Second), "cc"},
		{"just changed: not kept", "dd", time.Now(), "dd"},
	} {
		write(tt.text, tt.at)
		got, err := digestFile(t.Context(), path)
		if want := hexDigest([]byte(tt.want)); got != want || err != nil {
			t.Errorf("%s: got %s, error %v, want %s", tt.name, got, err, want)
		}
	}
	abs, _ := filepath.Abs(path)
	if k, ok := readKnown(cacheFile(abs)); !ok || k.SHA256 != hexDigest([]byte("cc")) {
		t.Errorf("got %+v in the cache, want the digest of the last settled content", k)
	}
}

func TestDigestStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	path := filepath.Join(t.TempDir(), "w")
	if err := os.WriteFile(path, []byte("x"), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := digestFile(ctx, path); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that it was cancelled", err)
	}
	if _, err := digestFile(t.Context(), path+"x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want that there is no file", err)
	}
}

func BenchmarkOpen(b *testing.B) {
	for b.Loop() {
		n, err := Open(b.Context(), "")
		if err != nil {
			b.Fatal(err)
		}
		if err := n.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
