package hub

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// got are the files of the model that a base network needs.
var got = []string{
	"config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
	weightsIndex, "preprocessor_config.json", "tokenizer.json",
}

const bigShard, smallShard = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"

func mustPull(t *testing.T, c *Client) *Snapshot {
	t.Helper()
	s, err := c.Pull(t.Context(), testName)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// wantSnapshot checks every file of a snapshot, and that nothing else is in the
// cache.
func (s *server) wantSnapshot(t *testing.T, snap *Snapshot, cache Cache) {
	t.Helper()
	root := filepath.Join(cache.Dir, "models--owner--some.model")
	if want := filepath.Join(root, "snapshots", testCommit); snap.Dir != want || snap.Commit != testCommit {
		t.Errorf("got %+v, want the folder %s", snap, want)
	}
	var blobs []string
	for _, name := range got {
		s.wantFile(t, filepath.Join(snap.Dir, name))
		blobs = append(blobs, s.hash(name))
	}
	slices.Sort(blobs)
	if have := names(t, snap.Dir); !slices.Equal(have, got) {
		t.Errorf("snapshot holds %q, want %q", have, got)
	}
	if have := names(t, filepath.Join(root, "blobs")); !slices.Equal(have, blobs) {
		t.Errorf("blobs are %q, want %q", have, blobs)
	}
	if ref, err := os.ReadFile(filepath.Join(root, "refs", "main")); err != nil || string(ref) != testCommit {
		t.Errorf("refs/main is %q (%v)", ref, err)
	}
}

// wantFile checks a file of a snapshot.
func (s *server) wantFile(t *testing.T, path string) {
	t.Helper()
	name := filepath.Base(path)
	link, err := os.Readlink(path)
	if want := filepath.Join("..", "..", "blobs", s.hash(name)); err != nil || link != want {
		t.Errorf("%s: leads to %q (%v), want %s", name, link, err, want)
	}
	data, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(data, s.files[name]) {
		t.Errorf("%s: %d bytes (%v), want those of the hub", name, len(data), err)
	}
}

// names returns the names in a folder, sorted; none if there is no folder.
func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	var list []string
	for _, e := range entries {
		list = append(list, e.Name())
	}
	slices.Sort(list)
	return list
}

func TestPull(t *testing.T) {
	s := newServer(t)
	s.page = 3
	c := s.client(t)
	var done, total int64
	c.o.Progress = func(d, t int64) { done, total = d, t }
	snap := mustPull(t, c)
	s.wantSnapshot(t, snap, c.o.Cache)
	if done != total || total != snap.Bytes || total < 1_000_000 {
		t.Errorf("progress ended at %d of %d, want %d", done, total, snap.Bytes)
	}
	if s.leaks > 0 || s.without > 0 {
		t.Errorf("%d requests to the other server had the token, %d to the hub lacked it", s.leaks, s.without)
	}
	before := s.count("/resolve/")
	s.wantSnapshot(t, mustPull(t, c), c.o.Cache)
	if n := s.count("/resolve/"); n != before || before != len(got)-1 { // one is empty
		t.Errorf("%d files were asked for, then %d", before, n)
	}
}

// TestPullRevision checks a revision with a slash, and a commit.
func TestPullRevision(t *testing.T) {
	s := newServer(t)
	c := s.client(t)
	for _, rev := range []string{"refs/pr/1", testCommit} {
		n := testName
		n.Revision = rev
		if _, err := c.Pull(t.Context(), n); err != nil {
			t.Fatal(err)
		}
		if snap, err := c.o.Cache.Lookup(n); err != nil || snap.Commit != testCommit {
			t.Errorf("%s: got %+v, %v", rev, snap, err)
		}
	}
	if s.count("/revision/refs%2Fpr%2F1") != 1 {
		t.Errorf("asked for %q", s.asked)
	}
	if _, err := c.o.Cache.Lookup(testName); !errors.Is(err, ErrAbsent) {
		t.Errorf("main: got %v, want %v", err, ErrAbsent)
	}
}

// TestPullBroken lets connections break.
func TestPullBroken(t *testing.T) {
	tests := []struct {
		name    string
		damage  func(s *server)
		content func(x exchange) bool
		most    int64 // bytes that may be sent
	}{
		{"dropped after 100000 bytes", func(*server) {}, func(x exchange) bool {
			x.send(100_000)
			return true
		}, 1_000_001},
		{"dropped, and begins again", func(s *server) { s.noRanges = true }, func(x exchange) bool {
			x.send(x.turn * 250_000)
			return true
		}, 3_000_000},
		{"busy, then well", func(*server) {}, func(x exchange) bool {
			if x.turn < 4 {
				http.Error(x, "busy", []int{500, 503, 429}[x.turn-1])
			}
			return x.turn < 4
		}, 1_000_001},
		{"silent, then well", func(s *server) { s.stall = 200 * time.Millisecond }, func(x exchange) bool {
			if x.turn == 1 {
				<-x.req.Context().Done()
			}
			return x.turn == 1
		}, 1_000_001},
		{"does not continue what it has not", func(*server) {}, func(x exchange) bool {
			switch x.turn {
			case 1:
				x.send(1000)
			case 2:
				http.Error(x, "", http.StatusRequestedRangeNotSatisfiable)
			}
			return x.turn < 3
		}, 1_002_001},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newServer(t)
			tt.damage(s)
			s.content = tt.content
			c := s.client(t)
			s.wantSnapshot(t, mustPull(t, c), c.o.Cache)
			if n := s.bytesSent(); n > tt.most {
				t.Errorf("%d bytes were sent, want at most %d", n, tt.most)
			}
		})
	}
}

// stopped pulls from s until 400000 bytes of the large shard are there, and
// returns the cache.
func stopped(t *testing.T, s *server) Cache {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	c := s.client(t)
	part := c.o.Cache.blob(testName, s.hash(bigShard)) + ".incomplete"
	s.content = func(x exchange) bool {
		if x.name != bigShard || x.turn > 1 {
			return false
		}
		x.Header().Set("Content-Length", fmt.Sprint(len(s.files[x.name])))
		_, _ = x.Write(s.files[x.name][:400_000]) // the client's affair
		x.flush()
		for range 1000 { // a loaded machine takes its time
			if info, err := os.Stat(part); err == nil && info.Size() == 400_000 {
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
		cancel(enough)
		<-x.req.Context().Done()
		return true
	}
	if _, err := c.Pull(ctx, testName); !errors.Is(err, enough) {
		t.Fatalf("got %v, want %v", err, enough)
	}
	if _, err := c.o.Cache.Lookup(testName); !errors.Is(err, ErrAbsent) {
		t.Errorf("half a model: got %v, want %v", err, ErrAbsent)
	}
	return c.o.Cache
}

// TestPullContinues stops a download, and continues it in what could be another
// process, with what came before whole and damaged.
func TestPullContinues(t *testing.T) {
	tests := []struct {
		name      string
		damage    func(data []byte) []byte
		continues int // requests that do
	}{
		{"whole", func(data []byte) []byte { return data }, 1},
		{"a byte is wrong", func(data []byte) []byte {
			data[5]++
			return data
		}, 1},
		{"too long", func(data []byte) []byte { return append(data, data...) }, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newServer(t)
			cache := stopped(t, s)
			part := cache.blob(testName, s.hash(bigShard)) + ".incomplete"
			data, err := os.ReadFile(part)
			if err != nil || len(data) != 400_000 {
				t.Fatalf("%d bytes came (%v), want 400000", len(data), err)
			}
			write(t, part, string(tt.damage(data)))
			s.wantSnapshot(t, mustPull(t, s.client(t, cache)), cache)
			if n := s.count("/bucket/" + bigShard + " bytes=400000-"); n != tt.continues {
				t.Errorf("%d requests continued, want %d", n, tt.continues)
			}
		})
	}
}

// TestPullTogether lets several clients, as several processes would, pull into
// one cache at once.
func TestPullTogether(t *testing.T) {
	s := newServer(t)
	s.content = func(exchange) bool {
		time.Sleep(20 * time.Millisecond)
		return false
	}
	cache := Cache{t.TempDir()}
	var all sync.WaitGroup
	for range 4 {
		c := s.client(t, cache)
		all.Go(func() {
			if _, err := c.Pull(t.Context(), testName); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := s.count("/bucket/"); n != 2 {
		t.Errorf("large files were sent %d times, want 2", n)
	}
	snap, err := cache.Lookup(testName)
	if err != nil {
		t.Fatal(err)
	}
	s.wantSnapshot(t, snap, cache)
}

// TestPullUpdates checks that a broken update leaves what was there.
func TestPullUpdates(t *testing.T) {
	s := newServer(t)
	c := s.client(t)
	old := strings.Repeat("a", 40)
	if err := c.o.Cache.publish(testName, old, nil); err != nil {
		t.Fatal(err)
	}
	s.content = func(x exchange) bool {
		http.Error(x, "", http.StatusForbidden)
		return true
	}
	if _, err := c.Pull(t.Context(), testName); err == nil {
		t.Fatal("a forbidden file was downloaded")
	}
	if snap, err := c.o.Cache.Lookup(testName); err != nil || snap.Commit != old {
		t.Errorf("got %+v, %v, want the commit before", snap, err)
	}
	s.content = nil
	s.wantSnapshot(t, mustPull(t, c), c.o.Cache)
	list, err := c.o.Cache.List()
	if err != nil || len(list) != 2 || list[0].Name.Revision != "main" || list[1].Name.Revision != old {
		t.Errorf("list: got %+v, %v", list, err)
	}
}

func TestPullRefused(t *testing.T) {
	s := newServer(t)
	c := s.client(t)
	absent := Name{Owner: "owner", Model: "none"}
	_, err := c.Pull(t.Context(), absent)
	if want := "Repository not found; there is no such model or revision"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
	if status := (*StatusError)(nil); !errors.As(err, &status) || status.Code != http.StatusNotFound {
		t.Errorf("got %v, want status 404", err)
	}
	if _, err := c.Pull(t.Context(), Name{"owner", "m", "../x"}); err == nil {
		t.Error("a revision that leaves the folder was accepted")
	}
	c.o.Offline = true
	if _, err := c.Pull(t.Context(), testName); !errors.Is(err, ErrOffline) || !errors.Is(err, ErrAbsent) {
		t.Errorf("got %v, want %v", err, ErrOffline)
	}
	c.o.Offline = false
	want := mustPull(t, c)
	c.o.Offline = true
	if have := mustPull(t, c); *have != *want {
		t.Errorf("offline: got %+v, want %+v", have, want)
	}
}

// TestToken checks whom the token is sent to.
func TestToken(t *testing.T) {
	tests := []struct {
		endpoint, to string
		want         bool
	}{
		{"https://hub.test", "https://hub.test/a", true},
		{"https://hub.test", "https://cdn.hub.test/a", false},
		{"https://hub.test", "https://hub.test:444/a", false},
		{"https://hub.test", "http://hub.test/a", false},
		{"http://hub.test", "http://hub.test/a", false},
		{"http://127.0.0.1:80", "http://127.0.0.1:80/a", true},
		{"http://[::1]:80", "http://[::1]:80/a", true},
		{"http://localhost", "http://localhost/a", true},
		{"http://localhost.test", "http://localhost.test/a", false},
	}
	for _, tt := range tests {
		c := mustNew(t, Options{Endpoint: tt.endpoint})
		u, err := c.endpoint.Parse(tt.to)
		if err != nil {
			t.Fatal(err)
		}
		if have := c.trusted(u); have != tt.want {
			t.Errorf("%s to %s: got %v, want %v", tt.endpoint, tt.to, have, tt.want)
		}
	}
	for _, endpoint := range []string{"hub.test", "ftp://hub.test", "https://", ":", "https://h?x=1"} {
		if _, err := New(Options{Endpoint: endpoint}); err == nil {
			t.Errorf("%s was accepted", endpoint)
		}
	}
}
