package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mole/base/tiny"
	"mole/hub"
)

// modelCommit is the commit of the model that hubServer has.
const modelCommit = "0123456789abcdef0123456789abcdef01234567"

// hubServer serves the embedded network as some/network, every file by its
// SHA-256.
func hubServer(t *testing.T) *httptest.Server {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "files")
	if err := os.CopyFS(folder, tiny.FS()); err != nil {
		t.Fatal(err)
	}
	names, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var list []map[string]any
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join(folder, name.Name()))
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(data)
		list = append(list, map[string]any{
			"type": "file", "path": name.Name(), "lfs": map[string]any{"oid": hex.EncodeToString(sum[:]), "size": len(data)},
		})
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/api/models/some/network/revision/main", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, `{"sha": %q}`, modelCommit) })
	mux.HandleFunc("/api/models/some/network/tree/"+modelCommit, func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(list) // the client's affair
	})
	mux.Handle("/some/network/resolve/"+modelCommit+"/", http.StripPrefix("/some/network/resolve/"+modelCommit, http.FileServer(http.Dir(folder))))
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

// runModel runs mole with a cache of its own and returns what it prints.
func runModel(t *testing.T, want int, line string, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	if got := run(append(strings.Fields(line), args...), &out, &errs); got != want {
		t.Fatalf("mole %s %q: status %d, want %d\n%s%s", line, args, got, want, &out, &errs)
	}
	return out.String() + errs.String()
}

// mustContain checks what a command printed.
func mustContain(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("got %s\nwant %q in it", text, part)
		}
	}
}

// TestModel downloads a model, and finds, checks and uses it without the hub.
func TestModel(t *testing.T) {
	s := hubServer(t)
	t.Setenv("HF_HUB_CACHE", t.TempDir())
	t.Setenv("HF_TOKEN", "none")
	mustContain(t, runModel(t, statusFailed, "model check some/network"), "mole model pull some/network downloads it")
	mustContain(t, runModel(t, statusOK, "model pull some/network --endpoint", s.URL), "some/network at 0123456789ab: 5 text layers of 192")
	mustContain(t, runModel(t, statusFailed, "model pull other/network --endpoint", s.URL), "there is no such model or revision")
	s.Close()
	t.Setenv("HF_HUB_OFFLINE", "1")
	mustContain(t, runModel(t, statusOK, "model pull some/network --json"), `"commit": "`+modelCommit+`"`)
	mustContain(t, runModel(t, statusFailed, "model pull other/network"), "offline", "hint: without HF_HUB_OFFLINE")
	mustContain(t, runModel(t, statusFailed, "model pull a/b@c --revision d"), "want one revision")
	mustContain(t, runModel(t, statusOK, "model check some/network --values --try --workers 1"),
		"some/network: usable", tiny.Digest()[:12], "of 7 files are as they were downloaded; every weight is a number", "trial     opened in", "peak")
	mustContain(t, runModel(t, statusOK, "model list"), "tiny  ", "some/network  0123456789ab")
	path := filepath.Join(os.Getenv("HF_HUB_CACHE"), "models--some--network", "blobs", tiny.Digest())
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)-1] ^= 1
	if err := os.WriteFile(path, data, 0o666); err != nil {
		t.Fatal(err)
	}
	mustContain(t, runModel(t, statusFailed, "model check some/network"), "model.safetensors: damaged: "+path, "hint: remove that file")
	if err := os.Truncate(path, 1_000_000); err != nil {
		t.Fatal(err)
	}
	mustContain(t, runModel(t, statusFailed, "model check some/network"), "model.safetensors")
	var list struct{ Models []listedModel }
	if err := json.Unmarshal([]byte(runModel(t, statusOK, "model list --json")), &list); err != nil {
		t.Fatal(err)
	}
	if len(list.Models) != 2 || !list.Models[0].Usable || list.Models[1].Usable || list.Models[1].Why == "" {
		t.Errorf("got %+v, want tiny, and the model with a reason why not", list.Models)
	}
}

// TestModelKilled kills a download with kill -9, and continues it.
func TestModelKilled(t *testing.T) {
	s := hubServer(t)
	whole := s.Config.Handler
	asked := make(chan string, 100) // ranges of the weights
	s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/model.safetensors") {
			asked <- r.Header.Get("Range")
			if len(asked) == 1 { // the first, which ends with its process
				w.Header().Set("Content-Length", "8269528")
				data, _ := fs.ReadFile(tiny.FS(), "model.safetensors") // it is there
				_, _ = w.Write(data[:5_000_000])                       // the client's affair
				w.(http.Flusher).Flush()
				<-r.Context().Done()
				return
			}
		}
		whole.ServeHTTP(w, r)
	})
	cache := t.TempDir()
	t.Setenv("HF_HUB_CACHE", cache)
	child := exec.Command(os.Args[0], "model", "pull", "some/network", "--endpoint", s.URL)
	child.Env = append(os.Environ(), asProgram+"=1")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	waitSize(t, filepath.Join(cache, "models--some--network", "blobs", tiny.Digest()+".incomplete"), 5_000_000)
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // it was killed
	mustContain(t, runModel(t, statusOK, "model pull some/network --endpoint", s.URL), "5 text layers")
	if first, second := <-asked, <-asked; first != "" || second != "bytes=5000000-" {
		t.Errorf("got requests for %q and %q, want all, and then the rest", first, second)
	}
	mustContain(t, runModel(t, statusOK, "model check some/network"), "7 of 7 files")
}

// waitSize waits until a file has a size.
func waitSize(t *testing.T, path string, size int64) {
	t.Helper()
	for begin := time.Now(); time.Since(begin) < time.Minute; time.Sleep(5 * time.Millisecond) {
		if info, err := os.Stat(path); err == nil && info.Size() == size {
			return
		}
	}
	t.Fatalf("%s: never had %d bytes", path, size)
}

// TestHintPull checks who is told to try again.
func TestHintPull(t *testing.T) {
	status := &hub.StatusError{Code: http.StatusNotFound}
	for err, want := range map[error]bool{errors.New("connection refused"): true, status: false} {
		if got := hint(hintPull(t.Context(), err)) != ""; got != want {
			t.Errorf("%v: got a hint: %v, want %v", err, got, want)
		}
	}
}

// TestModelMake makes a checkpoint, and damages it.
func TestModelMake(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made")
	mustContain(t, runModel(t, statusOK, "model make --shape tiny --random --layers 2 --vision-layers 1", dir), "random weights in the shape of tiny")
	mustContain(t, runModel(t, statusOK, "model check --values", dir), "2 text layers of 192, 1 vision blocks of 128", "nobody knows the hashes")
	mustContain(t, runModel(t, statusFailed, "model make --shape tiny --random", dir), "want a new or empty folder")
	weights := filepath.Join(dir, "model.safetensors")
	data, err := os.ReadFile(weights)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)-1], data[len(data)-2] = 0x7f, 0xc0 // not a number
	if err := os.WriteFile(weights, data, 0o666); err != nil {
		t.Fatal(err)
	}
	mustContain(t, runModel(t, statusFailed, "model check --values", dir), "1 of ", "are not finite")
	mustContain(t, runModel(t, statusOK, "model check", dir), "usable")
	if err := os.Remove(filepath.Join(dir, "tokenizer.json")); err != nil {
		t.Fatal(err)
	}
	mustContain(t, runModel(t, statusFailed, "model check", dir), "directory lacks tokenizer.json")
}
