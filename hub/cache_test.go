package hub

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestParseName(t *testing.T) {
	tests := []struct {
		text string
		want Name
		ok   bool
	}{
		{"Qwen/Qwen3-VL-2B-Instruct", Name{"Qwen", "Qwen3-VL-2B-Instruct", ""}, true},
		{"a/b@main", Name{"a", "b", "main"}, true},
		{"a/b.c_d@refs/pr/1", Name{"a", "b.c_d", "refs/pr/1"}, true},
		{"a/b@" + testCommit, Name{"a", "b", testCommit}, true},
		{text: "a/b@"}, {text: "gpt2"}, {text: ""}, {text: "a/b/c"}, {text: "./b"}, {text: "../b"}, {text: "a/.."}, {text: "/b"}, {text: "a/"},
		{text: "a--b/c"}, {text: "a/b--c"}, {text: "a/b@../x"}, {text: "a/b@/x"}, {text: "a/b@x/../../y"}, {text: "a/b@x..y"}, {text: "a/b@x@y"},
		{text: "a b/c"}, {text: `a\b/c`}, {text: "a/b\x00"}, {text: "a/" + strings.Repeat("b", 200)}, {text: "a/b@" + strings.Repeat("x", 300)},
	}
	for _, tt := range tests {
		got, err := ParseName(tt.text)
		if (err == nil) != tt.ok || tt.ok && (got != tt.want || got.String() != tt.text) {
			t.Errorf("%q: got %+v, %v", tt.text, got, err)
		}
	}
}

func FuzzParseName(f *testing.F) {
	for _, text := range []string{"a/b", "a/b@main", "../a@..", "a--b/c@refs/pr/1"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, err := ParseName(text)
		if err != nil {
			return
		}
		c := Cache{"cache"}
		for _, path := range []string{c.repo(n), c.ref(n)} {
			if rel, err := filepath.Rel(c.Dir, path); err != nil || !filepath.IsLocal(rel) {
				t.Errorf("%q leads to %s", text, path)
			}
		}
		if again, err := ParseName(n.String()); err != nil || again != n {
			t.Errorf("%q: got %+v, %v", text, again, err)
		}
	})
}

func FuzzParsePage(f *testing.F) {
	f.Add([]byte(`[{"type":"file","path":"config.json","oid":"` + testCommit + `","size":1},{"type":"file","path":"a.safetensors","lfs":{"oid":"x","size":2}}]`))
	f.Fuzz(func(t *testing.T, text []byte) {
		files, err := parsePage(text)
		if err != nil {
			return
		}
		if files, err = wanted(files); err != nil {
			return
		}
		for _, file := range files {
			if !filepath.IsLocal(file.name) || strings.ContainsAny(file.name, `/\:`) || file.size < 0 {
				t.Errorf("accepted %+v", file)
			}
		}
	})
}

// write writes a file and the folders that it is in.
func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

// oldCache returns a cache as the Python tools write it, and as damage may make
// one.
func oldCache(t *testing.T) Cache {
	t.Helper()
	c := Cache{t.TempDir()}
	repo := c.repo(testName)
	write(t, filepath.Join(repo, "refs", "main"), testCommit+"\n")
	write(t, filepath.Join(repo, "refs", "v1"), testCommit)
	write(t, filepath.Join(repo, "refs", "bad"), "../../..")
	write(t, filepath.Join(repo, "refs", "gone"), strings.Repeat("b", 40))
	write(t, filepath.Join(repo, "snapshots", testCommit, "config.json"), "{}")
	write(t, filepath.Join(c.Dir, "datasets--a--b", "refs", "main"), testCommit)
	write(t, filepath.Join(c.Dir, "models--noowner", "refs", "main"), testCommit)
	write(t, filepath.Join(c.Dir, "version.txt"), "1")
	return c
}

func TestLookup(t *testing.T) {
	c := oldCache(t)
	for _, revision := range []string{"", "v1", testCommit} {
		s, err := c.Lookup(Name{testName.Owner, testName.Model, revision})
		if err != nil || s.Commit != testCommit || s.Bytes != 2 {
			t.Errorf("%q: got %+v, %v", revision, s, err)
		}
	}
	tests := []struct {
		revision string
		absent   bool
		want     string
	}{
		{"v2", true, "not in the cache"}, {"gone", true, "not in the cache"}, {strings.Repeat("c", 40), true, "not in the cache"},
		{"bad", false, `"../../..", want a commit`}, {"../main", false, "want a branch"},
	}
	for _, tt := range tests {
		_, err := c.Lookup(Name{testName.Owner, testName.Model, tt.revision})
		if err == nil || !strings.Contains(err.Error(), tt.want) || errors.Is(err, ErrAbsent) != tt.absent {
			t.Errorf("%q: got %v, want %q", tt.revision, err, tt.want)
		}
	}
}

func TestList(t *testing.T) {
	c := oldCache(t)
	list, err := c.List()
	if err != nil || len(list) != 1 || list[0].Name.String() != "owner/some.model@main" {
		t.Errorf("got %+v, %v", list, err)
	}
	if list, err := (Cache{filepath.Join(c.Dir, "none")}).List(); list != nil || err != nil {
		t.Errorf("no cache: got %+v, %v", list, err)
	}
}

func TestBlobDigest(t *testing.T) {
	dir := t.TempDir()
	sum := strings.Repeat("ab", 32)
	blob := filepath.Join(dir, "models--a--b", "blobs", sum)
	write(t, blob, "x")
	link := filepath.Join(dir, "models--a--b", "snapshots", testCommit, "model.safetensors")
	if err := os.MkdirAll(filepath.Dir(link), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join("..", "..", "blobs", sum), link); err != nil {
		t.Fatal(err)
	}
	elsewhere := filepath.Join(dir, "blobs", sum)
	write(t, elsewhere, "x")
	small := filepath.Join(dir, "models--a--b", "blobs", testCommit)
	write(t, small, "x")
	for path, want := range map[string]bool{link: true, blob: true, elsewhere: false, small: false, filepath.Join(dir, "none"): false} {
		if got, ok := BlobDigest(path); ok != want || ok && got != sum {
			t.Errorf("%s: got %q, %v, want %v", path, got, ok, want)
		}
	}
}

func TestFromEnvironment(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("USERPROFILE", home)
	write(t, filepath.Join(home, ".cache", "huggingface", "token"), " hf_file \n")
	write(t, filepath.Join(home, "other"), "hf_other\nsecond line")
	usual := filepath.Join(home, ".cache", "huggingface", "hub")
	tests := []struct {
		name string
		env  map[string]string
		want Options
	}{
		{"nothing", nil, Options{Cache: Cache{usual}, Token: "hf_file"}},
		{"home", map[string]string{"HF_HOME": "/h"}, Options{Cache: Cache{filepath.Join("/h", "hub")}}},
		{"home in home", map[string]string{"HF_HOME": "~/x"}, Options{Cache: Cache{filepath.Join(home, "x", "hub")}}},
		{"user cache", map[string]string{"XDG_CACHE_HOME": "/c"}, Options{Cache: Cache{filepath.Join("/c", "huggingface", "hub")}}},
		{"cache", map[string]string{"HF_HOME": "/h", "HF_HUB_CACHE": "/x"}, Options{Cache: Cache{"/x"}}},
		{"endpoint, token, offline", map[string]string{"HF_ENDPOINT": "http://m/", "HF_TOKEN": "t\n", "HF_HUB_OFFLINE": "yes"},
			Options{Cache: Cache{usual}, Endpoint: "http://m", Token: "t", Offline: true}},
		{"token file", map[string]string{"HF_TOKEN_PATH": "~/other", "HF_HUB_OFFLINE": "0"}, Options{Cache: Cache{usual}, Token: "hf_other"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := FromEnvironment(func(name string) string { return tt.env[name] })
			if err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %+v, %v, want %+v", got, err, tt.want)
			}
		})
	}
}
