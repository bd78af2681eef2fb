package hub

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// prank makes a server hostile; the error of a pull must say want.
type prank struct {
	name, want string
	play       func(s *server)
}

// entry changes the entry of a file in the list.
func entry(name string, change func(e map[string]any)) func(*server) {
	return func(s *server) {
		s.list = func(entries []map[string]any) []map[string]any {
			for _, e := range entries {
				if e["path"] == name {
					change(e)
				}
			}
			return entries
		}
	}
}

// lfs is the part of an entry that describes a large file.
func lfs(e map[string]any) map[string]any { return e["lfs"].(map[string]any) }

// rename gives the entries with or without a large file other names.
func rename(large bool, names ...string) func(*server) {
	return func(s *server) {
		s.list = func(entries []map[string]any) []map[string]any {
			for i, e := range entries {
				if (e["lfs"] != nil) == large {
					e["path"] = names[i%len(names)]
				}
			}
			return entries
		}
	}
}

// badLists are lists of files that must be refused.
var badLists = []prank{
	{"less than there is", `answers with the size "700001", the hub lists 1000`, entry(bigShard, func(e map[string]any) { lfs(e)["size"] = 1000 })},
	{"more than there is", "sends 26 bytes, want 1000", entry("config.json", func(e map[string]any) { e["size"] = 1000 })},
	{"no hash", `has the hash "../../../passwd"`, entry(bigShard, func(e map[string]any) { lfs(e)["oid"] = "../../../passwd" })},
	{"negative size", "has -1 bytes", entry(bigShard, func(e map[string]any) { lfs(e)["size"] = -1 })},
	{"huge size", "config.json has 1099511627776 bytes", entry("config.json", func(e map[string]any) { e["size"] = 1 << 40 })},
	{"names that leave the folder", "no config.json", rename(false, "../config.json", "/etc/config.json", `..\config.json`)},
	{"weights that leave the folder", "no safetensors file", rename(true, "../a.safetensors", "/b.safetensors", "c/d.safetensors", `e\f.safetensors`)},
	{"a file twice", "occurs twice", func(s *server) {
		s.list = func(entries []map[string]any) []map[string]any { return slices.Concat(entries, entries) }
	}},
	{"a list without end", "more than 50 pages", func(s *server) { s.page = 0 }},
	{"a long list", "more than 20000", func(s *server) {
		s.page = 10_000
		s.list = func(entries []map[string]any) []map[string]any {
			return slices.Concat(entries, slices.Repeat([]map[string]any{{"type": "file", "path": "x"}}, maxFiles))
		}
	}},
	{"an empty list", "no config.json", func(s *server) {
		s.list = func([]map[string]any) []map[string]any { return nil }
	}},
}

// contents and resolves change how the large shard is answered for.
func contents(f func(x exchange)) func(*server) {
	return func(s *server) { s.content = ofShard(f) }
}

func resolves(f func(x exchange)) func(*server) {
	return func(s *server) { s.resolve = ofShard(f) }
}

func ofShard(f func(x exchange)) func(x exchange) bool {
	return func(x exchange) bool {
		if x.name == bigShard {
			f(x)
		}
		return x.name == bigShard
	}
}

// part answers with a part.
func part(r string) func(x exchange) {
	return func(x exchange) {
		x.Header().Set("Content-Range", r)
		x.WriteHeader(http.StatusPartialContent)
	}
}

// header answers with a header, and status 302.
func header(name, value string) func(x exchange) {
	return func(x exchange) {
		x.Header().Set(name, value)
		if name == "Location" {
			x.WriteHeader(http.StatusFound)
		}
	}
}

// badAnswers are answers for the large shard that must be refused.
var badAnswers = []prank{
	{"other content", "the hub lists", contents(func(x exchange) {
		_, _ = x.Write(bytes.Repeat([]byte("x"), len(x.files[bigShard]))) // the client's affair
	})},
	{"other small content", "content has the hash", func(s *server) {
		s.resolve = func(x exchange) bool {
			fmt.Fprint(x, strings.Repeat("x", len(x.files[x.name])))
			return true
		}
	}},
	{"endless body", "sends more than the 700001 bytes", contents(func(x exchange) { endless(x) })},
	{"short body", "ended after 0 of 700001 bytes", contents(exchange.flush)},
	{"other part", `sends "bytes 5-9/700001", want the bytes from 0 on`, contents(part("bytes 5-9/700001"))},
	{"no part", `sends "", want the bytes from 0 on`, contents(part(""))},
	{"part of another", `has "10" bytes, the hub lists 700001`, contents(part("bytes 0-9/10"))},
	{"other commit", "answers with the commit", resolves(header("X-Repo-Commit", strings.Repeat("f", 40)))},
	{"other hash", `answers with the hash "abc"`, resolves(header("X-Linked-Etag", `W/"abc"`))},
	{"redirect to itself", "more than 8 redirects", resolves(func(x exchange) { header("Location", x.req.URL.Path)(x) })},
	{"redirect to a file", "redirect to file://", resolves(header("Location", "file:///etc/passwd"))},
	{"redirect to nowhere", "redirect to no URL", resolves(header("Location", "http://[::1"))},
	{"not modified", "status 304", resolves(func(x exchange) { x.WriteHeader(http.StatusNotModified) })},
	{"always busy", "status 503", contents(func(x exchange) { http.Error(x, "", http.StatusServiceUnavailable) })},
	{"silent", "no byte for too long", func(s *server) {
		s.stall = 100 * time.Millisecond
		contents(func(x exchange) { <-x.req.Context().Done() })(s)
	}},
	{"a byte at a time", "unexpected EOF", contents(func(x exchange) { x.send(1) })},
}

// TestPullHostile checks that nothing wrong gets into the cache, in little time
// and memory.
func TestPullHostile(t *testing.T) {
	for _, tt := range slices.Concat(badLists, badAnswers) {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			tt.play(s)
			c := s.client(t)
			_, err := c.Pull(t.Context(), testName)
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "signature") {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if _, err := c.o.Cache.Lookup(testName); !errors.Is(err, ErrAbsent) {
				t.Errorf("lookup: got %v, want %v", err, ErrAbsent)
			}
			s.wantSound(t, c.o.Cache)
		})
	}
}

// wantSound checks that every blob has the content of its name, and that what
// is incomplete is not longer than the model's largest file.
func (s *server) wantSound(t *testing.T, cache Cache) {
	t.Helper()
	for _, name := range names(t, filepath.Join(cache.repo(testName), "blobs")) {
		data, err := os.ReadFile(cache.blob(testName, name))
		if !strings.HasSuffix(name, ".incomplete") && (err != nil || largeHash(data) != name && gitHash(data) != name) {
			t.Errorf("blob %s has another content (%v)", name, err)
		}
		if len(data) > len(s.files[bigShard]) {
			t.Errorf("%s has %d bytes", name, len(data))
		}
	}
}

// TestTextHostile checks the answers that are read as a whole.
func TestTextHostile(t *testing.T) {
	tests := []struct {
		name, want string
		answer     func(w http.ResponseWriter)
	}{
		{"endless", "longer than 4194304 bytes", func(w http.ResponseWriter) { endless(w) }},
		{"no JSON", "description of the model", func(w http.ResponseWriter) { fmt.Fprint(w, "<html>") }},
		{"no commit", `sha "../x", want a commit`, func(w http.ResponseWriter) { fmt.Fprint(w, `{"sha": "../x"}`) }},
		{"gated", "status 401 Unauthorized; the model may not exist, or ask for a token", func(w http.ResponseWriter) { w.WriteHeader(401) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newServer(t)
			s.hub.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { tt.answer(w) })
			_, err := s.client(t).Pull(t.Context(), testName)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// TestNextPage checks that a list does not continue on another server, which
// would get the token.
func TestNextPage(t *testing.T) {
	s := newServer(t)
	s.page = 3
	first := s.hub.Config.Handler
	s.hub.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/tree/") {
			w.Header().Set("Link", `<`+s.store.URL+`/list>; rel="next"`)
			fmt.Fprint(w, "[]")
			return
		}
		first.ServeHTTP(w, r)
	})
	_, err := s.client(t).Pull(t.Context(), testName)
	if err == nil || !strings.Contains(err.Error(), "next page is on another server") || s.count("/list") > 0 {
		t.Errorf("got %v", err)
	}
}
