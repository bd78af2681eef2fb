package hub

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// The model that the server has.
const (
	testToken  = "hf_secret"
	testCommit = "0123456789abcdef0123456789abcdef01234567"
)

var testName = Name{Owner: "owner", Model: "some.model"}

// server is a hub, and a second server that it keeps large files on, as the
// real one does. The fields say how it misbehaves.
type server struct {
	hub, store *httptest.Server
	files      map[string][]byte
	large      func(name string) bool
	noRanges   bool
	stall      time.Duration // of clients: short where the server is silent
	// list, if set, changes the entries of the list; page is how many there are
	// on a page.
	list func(entries []map[string]any) []map[string]any
	page int
	// resolve, if it returns true, has answered a request for a file; content
	// likewise on the second server.
	resolve, content func(x exchange) bool

	mu      sync.Mutex
	asked   []string // requests: path, and range
	turns   map[string]int
	sent    int64 // bytes of contents
	leaks   int   // requests to the second server that had the token
	without int   // requests to the hub that lacked it
}

// exchange is a request for a file.
type exchange struct {
	*server
	http.ResponseWriter
	req  *http.Request
	name string
	turn int // counts the requests of the second server for this file, from 1
}

// flush sends what was written so far.
func (x exchange) flush() { x.ResponseWriter.(http.Flusher).Flush() }

// newServer returns a server with a model of two shards.
func newServer(t *testing.T) *server {
	t.Helper()
	random := rand.NewChaCha8([32]byte{1})
	s := &server{stall: time.Minute, turns: map[string]int{}, page: 100, files: map[string][]byte{
		"config.json": []byte(`{"model_type": "qwen3_vl"}`), "tokenizer.json": []byte("{}\n"), "preprocessor_config.json": nil,
		"README.md": []byte("words"), "pytorch_model.bin": []byte("pickle"), "evil.py": []byte("import os"), weightsIndex: []byte("{}"),
		"model-00001-of-00002.safetensors": make([]byte, 700_001), "model-00002-of-00002.safetensors": make([]byte, 300_000),
		"original.safetensors": []byte("not of the index"),
	}}
	for _, data := range s.files {
		if len(data) > 1000 {
			_, _ = random.Read(data) // never fails
		}
	}
	s.large = func(name string) bool { return strings.HasSuffix(name, ".safetensors") }
	s.hub, s.store = httptest.NewServer(http.HandlerFunc(s.serveHub)), httptest.NewServer(http.HandlerFunc(s.serveStore))
	t.Cleanup(s.hub.Close)
	t.Cleanup(s.store.Close)
	return s
}

// client returns a client with an empty cache, or the given one.
func (s *server) client(t *testing.T, cache ...Cache) *Client {
	t.Helper()
	o := Options{Endpoint: s.hub.URL, Token: testToken, Pause: time.Millisecond, Stall: s.stall, Cache: Cache{t.TempDir()}}
	if len(cache) > 0 {
		o.Cache = cache[0]
	}
	return mustNew(t, o)
}

func mustNew(t *testing.T, o Options) *Client {
	t.Helper()
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func gitHash(data []byte) string {
	sum := sha1.Sum(fmt.Appendf(nil, "blob %d\x00%s", len(data), data))
	return hex.EncodeToString(sum[:])
}

func largeHash(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// hash returns the name of a file's blob.
func (s *server) hash(name string) string {
	if s.large(name) {
		return largeHash(s.files[name])
	}
	return gitHash(s.files[name])
}

// note records a request.
func (s *server) note(r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, strings.TrimSpace(r.URL.EscapedPath()+" "+r.Header.Get("Range")))
}

// count returns how many requests had a part in their path.
func (s *server) count(part string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, a := range s.asked {
		if strings.Contains(a, part) {
			n++
		}
	}
	return n
}

func (s *server) serveHub(w http.ResponseWriter, r *http.Request) {
	s.note(r)
	if r.Header.Get("Authorization") != "Bearer "+testToken {
		s.mu.Lock()
		s.without++
		s.mu.Unlock()
	}
	rest, ok := strings.CutPrefix(r.URL.Path, "/api/models/owner/some.model/")
	name, isFile := strings.CutPrefix(r.URL.Path, "/owner/some.model/resolve/"+testCommit+"/")
	switch {
	case ok && slices.Contains([]string{"revision/main", "revision/refs/pr/1", "revision/" + testCommit}, rest):
		fmt.Fprintf(w, `{"sha": %q, "siblings": []}`, testCommit)
	case ok && rest == "tree/"+testCommit:
		s.serveList(w, r)
	case isFile && s.files[name] != nil:
		s.serveFile(w, r, name)
	default:
		w.Header().Set("X-Error-Message", "Repository not found\u202e")
		http.NotFound(w, r)
	}
}

// serveFile serves a small file, and sends those who want a large one to the
// second server.
func (s *server) serveFile(w http.ResponseWriter, r *http.Request, name string) {
	switch {
	case s.resolve != nil && s.resolve(exchange{s, w, r, name, 0}):
	case s.large(name):
		w.Header().Set("X-Linked-Etag", `"`+s.hash(name)+`"`)
		w.Header().Set("X-Linked-Size", fmt.Sprint(len(s.files[name])))
		w.Header().Set("X-Repo-Commit", testCommit)
		http.Redirect(w, r, s.store.URL+"/bucket/"+name+"?signature=secret", http.StatusFound)
	default:
		_, _ = w.Write(s.files[name]) // the client's affair
	}
}

// serveList serves a page of the list.
func (s *server) serveList(w http.ResponseWriter, r *http.Request) {
	var names []string
	for name := range s.files {
		names = append(names, name)
	}
	slices.Sort(names)
	entries := []map[string]any{{"type": "directory", "path": "figures", "oid": testCommit, "size": 0}}
	for _, name := range names {
		e := map[string]any{"type": "file", "path": name, "oid": gitHash(s.files[name]), "size": len(s.files[name])}
		if s.large(name) {
			e["oid"] = testCommit // that of the pointer
			e["lfs"] = map[string]any{"oid": largeHash(s.files[name]), "size": len(s.files[name]), "pointerSize": 134}
		}
		entries = append(entries, e)
	}
	if s.list != nil {
		entries = s.list(entries)
	}
	first := 0
	_, _ = fmt.Sscan(r.URL.Query().Get("cursor"), &first) // 0 on the first page
	last := min(first+s.page, len(entries))
	if last < len(entries) {
		w.Header().Set("Link", fmt.Sprintf(`<%s%s?cursor=%d>; rel="next"`, s.hub.URL, r.URL.Path, last))
	}
	_ = json.NewEncoder(w).Encode(entries[first:last]) // the client's affair
}

func (s *server) serveStore(w http.ResponseWriter, r *http.Request) {
	s.note(r)
	name := strings.TrimPrefix(r.URL.Path, "/bucket/")
	s.mu.Lock()
	s.turns[name]++
	turn := s.turns[name]
	if r.Header.Get("Authorization") != "" {
		s.leaks++
	}
	s.mu.Unlock()
	if s.content != nil && s.content(exchange{s, w, r, name, turn}) {
		return
	}
	exchange{s, w, r, name, turn}.send(len(s.files[name]))
}

// send answers with at most n bytes of what was asked for, and then drops the
// connection if there is more.
func (x exchange) send(n int) {
	s, w, r := x.server, x.ResponseWriter, x.req
	data, first := s.files[x.name], 0
	if _, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &first); err == nil && !s.noRanges {
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", first, len(data)-1, len(data)))
	} else {
		first = 0
	}
	w.Header().Set("Content-Length", fmt.Sprint(len(data)-first))
	if first > 0 {
		w.WriteHeader(http.StatusPartialContent)
	}
	n = min(n, len(data)-first)
	wrote, _ := w.Write(data[first : first+n]) // the client may be gone
	s.mu.Lock()
	s.sent += int64(wrote)
	s.mu.Unlock()
	if first+n < len(data) {
		x.flush()
		panic(http.ErrAbortHandler)
	}
}

// bytesSent returns how many bytes of contents the second server wrote.
func (s *server) bytesSent() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sent
}

// endless writes until the client goes, or long enough to show that it does
// not.
func endless(w io.Writer) {
	piece := make([]byte, 1<<20)
	for range 100 {
		if _, err := w.Write(piece); err != nil {
			return
		}
	}
}
