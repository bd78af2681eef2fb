package tensorboard

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash/crc32"
	"image"
	"image/png"
	"io"
	"io/fs"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"

	"mole/tbevents"
)

// writeRun writes the steps from one to another as a run of its own process.
func writeRun(t *testing.T, dir string, from, to int64) {
	t.Helper()
	at := time.UnixMilli(1767600000000).Add(time.Duration(from) * time.Minute)
	w, err := tbevents.Create(dir, tbevents.Options{Start: from, Now: func() time.Time { return at }})
	if err != nil {
		t.Fatal(err)
	}
	for step := from; step < to; step++ {
		w.Scalar("train/loss", step, 1/float64(step+1))
		w.Text("note", step, "step")
	}
	w.Scalar("train/bad", from, math.NaN())
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// open returns a server that looks at the folders for every request.
func open(t *testing.T, roots ...Root) *Server {
	t.Helper()
	s, err := New(Options{Roots: roots, Pause: time.Nanosecond, Version: "v1<2>"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// root is a folder of this machine.
func root(dir string) Root { return Root{Name: filepath.Base(dir), Path: dir, FS: os.DirFS(dir)} }

// ask sends a GET request.
func ask(s http.Handler, address string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest(http.MethodGet, address, nil))
	return w
}

// decode reads the answer to a GET request.
func decode[T any](t *testing.T, s http.Handler, path string, query ...string) T {
	t.Helper()
	values := url.Values{}
	for i := 0; i < len(query); i += 2 {
		values.Set(query[i], query[i+1])
	}
	w := ask(s, path+"?"+values.Encode())
	var v T
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil || w.Code != http.StatusOK {
		t.Fatalf("%s %v: got status %d, %v: %.200s", path, query, w.Code, err, w.Body)
	}
	return v
}

func TestRuns(t *testing.T) {
	dir := t.TempDir()
	writeRun(t, filepath.Join(dir, "a", "b", "c", "run"), 0, 3)
	writeRun(t, filepath.Join(dir, "flat"), 0, 2)
	missing := root(filepath.Join(dir, "none"))
	s := open(t, root(dir), missing)
	got := decode[runList](t, s, "/data/runs")
	if diff := cmp.Diff([]rootState{{filepath.Base(dir), dir, true}, {"none", missing.Path, false}}, got.Roots); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
	if len(got.Runs) != 2 || got.Problem != "" {
		t.Fatalf("got %+v", got)
	}
	r := got.Runs[0]
	if r.Version == "" || r.Bytes == 0 || r.Modified == 0 {
		t.Errorf("got %+v", r)
	}
	r.Version, r.Bytes, r.Modified = "", 0, 0
	want := runState{
		ID: "0/a/b/c/run", Name: "a/b/c/run", Files: 1, Step: 2, Scalars: []string{"train/bad", "train/loss"}, Texts: []string{"note"}, Images: []string{},
	}
	if diff := cmp.Diff(want, r); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
}

// columns is a curve as the page reads it.
type columns struct {
	Step  []int64    `json:"step"`
	Wall  []float64  `json:"wall"`
	Value []*float64 `json:"value"`
	Count int        `json:"count"`
}

// curves asks for the curves of a run.
func curves(t *testing.T, s *Server, id string) (version string, byTag map[string]columns) {
	t.Helper()
	got := decode[struct {
		Version string             `json:"version"`
		Curves  map[string]columns `json:"curves"`
	}](t, s, "/data/scalars", "run", id)
	return got.Version, got.Curves
}

func TestScalars(t *testing.T) {
	dir := t.TempDir()
	writeRun(t, filepath.Join(dir, "run"), 0, 3)
	_, got := curves(t, open(t, root(dir)), "0/run")
	v := func(x float64) *float64 { x = float64(float32(x)); return &x }
	want := map[string]columns{
		"train/bad":  {[]int64{0}, []float64{1767600000}, []*float64{nil}, 1},
		"train/loss": {[]int64{0, 1, 2}, []float64{1767600000, 1767600000, 1767600000}, []*float64{v(1), v(.5), v(1. / 3)}, 3},
	}
	near := cmp.Comparer(func(a, b float64) bool { return float32(a) == float32(b) })
	if diff := cmp.Diff(want, got, near); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
}

// TestGrowingRun continues a run while the server is up.
func TestGrowingRun(t *testing.T) {
	dir := t.TempDir()
	writeRun(t, filepath.Join(dir, "run"), 0, 3)
	s := open(t, root(dir))
	first, _ := curves(t, s, "0/run")
	if again, _ := curves(t, s, "0/run"); again != first {
		t.Error("a run that did not change was read again")
	}
	s.board.loaded["0/run"].took = 0 // do not rest
	writeRun(t, filepath.Join(dir, "run"), 2, 6)
	then, got := curves(t, s, "0/run")
	if then == first {
		t.Error("the version is the same")
	}
	if diff := cmp.Diff([]int64{0, 1, 2, 3, 4, 5}, got["train/loss"].Step); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
	if err := os.RemoveAll(filepath.Join(dir, "run")); err != nil {
		t.Fatal(err)
	}
	if w := ask(s, "/data/scalars?run=0/run"); w.Code != http.StatusNotFound {
		t.Errorf("removed run: got status %d", w.Code)
	}
}

func TestRestAfterLongRead(t *testing.T) {
	dir := t.TempDir()
	writeRun(t, filepath.Join(dir, "run"), 0, 3)
	s := open(t, root(dir))
	first, _ := curves(t, s, "0/run")
	s.board.loaded["0/run"].took = time.Hour
	writeRun(t, filepath.Join(dir, "run"), 2, 6)
	if then, _ := curves(t, s, "0/run"); then != first {
		t.Error("a run that takes long was read again at once")
	}
}

func TestPause(t *testing.T) {
	dir := t.TempDir()
	s := open(t, root(dir))
	s.board.pause = time.Hour
	if got := decode[runList](t, s, "/data/runs"); len(got.Runs) != 0 {
		t.Fatalf("got %+v", got)
	}
	writeRun(t, filepath.Join(dir, "run"), 0, 3)
	if got := decode[runList](t, s, "/data/runs"); len(got.Runs) != 0 {
		t.Errorf("looked again at once: %+v", got)
	}
}

func TestLongCurveIsThinned(t *testing.T) {
	for _, n := range []int{0, 1, maxShown, maxShown + 1, 3*maxShown + 2} {
		s := &tbevents.Series{Count: n}
		for i := range n {
			s.Points = append(s.Points, tbevents.Point{Step: int64(i)})
		}
		c := drawn(s)
		if len(c.Step) > maxShown+1 || len(c.Step) < min(n, maxShown/2) || n > 0 && c.Step[len(c.Step)-1] != int64(n-1) {
			t.Errorf("%d points: got %d", n, len(c.Step))
		}
	}
}

func TestNumber(t *testing.T) {
	for _, tt := range []struct {
		v    float64
		want string
	}{{0.1, "0.1"}, {float64(float32(0.1)), "0.1"}, {1767600000.25, "1.76760000025e+09"}, {math.Inf(1), "null"}, {math.NaN(), "null"}, {-0.5, "-0.5"}} {
		got, err := json.Marshal(number(tt.v))
		if err != nil || string(got) != tt.want {
			t.Errorf("%v: got %s, %v, want %s", tt.v, got, err, tt.want)
		}
	}
}

func TestTexts(t *testing.T) {
	dir := t.TempDir()
	writeRun(t, filepath.Join(dir, "run"), 0, 2)
	got := decode[[]noteText](t, open(t, root(dir)), "/data/texts", "run", "0/run", "tag", "note")
	if diff := cmp.Diff([]noteText{{0, 1767600000, "step"}, {1, 1767600000, "step"}}, got); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
}

// eventFile returns an event file as other programs write them: a picture each
// record.
func eventFile(images ...[]byte) (out []byte) {
	message := func(field protowire.Number, b []byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(nil, field, protowire.BytesType), b)
	}
	sum := func(b []byte) []byte {
		crc := crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))
		return binary.LittleEndian.AppendUint32(nil, (crc>>15|crc<<17)+0xa282ead8)
	}
	for _, img := range images {
		event := message(5, message(1, append(message(1, []byte("picture")), message(4, message(4, img))...)))
		size := binary.LittleEndian.AppendUint64(nil, uint64(len(event)))
		out = slices.Concat(out, size, sum(size), event, sum(event))
	}
	return out
}

func TestImages(t *testing.T) {
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 2, 2))); err != nil {
		t.Fatal(err)
	}
	script := []byte(`<svg xmlns="http://www.w3.org/2000/svg"><script>1</script></svg>`)
	s := open(t, Root{Name: "r", Path: "r", FS: fstest.MapFS{"run/a.tfevents": {Data: eventFile(b.Bytes(), script)}}})
	if got := decode[[]shownImage](t, s, "/data/images", "run", "0/run", "tag", "picture"); len(got) != 2 {
		t.Fatalf("got %v", got)
	}
	w := ask(s, "/data/image?run=0/run&tag=picture&n=0")
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "image/png" || !bytes.Equal(w.Body.Bytes(), b.Bytes()) {
		t.Errorf("got status %d, %s", w.Code, w.Header().Get("Content-Type"))
	}
	for n, want := range map[string]int{"1": http.StatusUnsupportedMediaType, "2": http.StatusNotFound, "-1": http.StatusNotFound, "x": http.StatusNotFound} {
		if w := ask(s, "/data/image?run=0/run&tag=picture&n="+n); w.Code != want {
			t.Errorf("picture %s: got status %d, want %d", n, w.Code, want)
		}
	}
}

func TestNotThere(t *testing.T) {
	dir := t.TempDir()
	writeRun(t, filepath.Join(dir, "run"), 0, 2)
	s := open(t, root(dir))
	for _, address := range []string{
		"/data/scalars", "/data/scalars?run=0/other", "/data/scalars?run=1/run", "/data/scalars?run=0/../run", "/data/texts?run=0/run&tag=train/loss",
		"/data/images?run=0/run&tag=note", "/data/image?run=0/run&tag=note&n=0", "/web/none", "/web/..%2ftensorboard.go", "/other",
	} {
		if w := ask(s, address); w.Code != http.StatusNotFound {
			t.Errorf("%s: got status %d", address, w.Code)
		}
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/data/runs", strings.NewReader("x")))
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: got status %d", w.Code)
	}
}

// brokenFS has a folder that cannot be listed.
type brokenFS struct{ fstest.MapFS }

func (f brokenFS) ReadDir(string) ([]fs.DirEntry, error) { return nil, errors.New("disk is gone") }

func TestProblems(t *testing.T) {
	good := fstest.MapFS{"run/a.tfevents": {Data: append(eventFile([]byte("x")), make([]byte, 20)...)}}
	s := open(t, Root{Name: "bad", Path: "bad", FS: brokenFS{}}, Root{Name: "good", Path: "good", FS: good})
	got := decode[runList](t, s, "/data/runs")
	if got.Problem != "bad: disk is gone" || len(got.Runs) != 1 || got.Runs[0].ID != "1/run" {
		t.Fatalf("got %+v", got)
	}
	if p := got.Runs[0].Problems; len(p) != 1 || !strings.Contains(p[0], "run/a.tfevents: byte") {
		t.Errorf("got %q", p)
	}
	if w := ask(s, "/data/images?run=1/run&tag=picture"); w.Code != http.StatusOK {
		t.Errorf("run of another folder: got status %d", w.Code)
	}
}

func TestPage(t *testing.T) {
	s := open(t, Root{Name: "r", Path: `dir/<"r">`, FS: fstest.MapFS{}})
	w := ask(s, "/")
	if text := w.Body.String(); w.Code != http.StatusOK || !strings.Contains(text, "mole v1&lt;2&gt;") || !strings.Contains(text, "dir/&lt;&#34;r&#34;&gt;") {
		t.Errorf("got status %d: %s", w.Code, text)
	}
	for name, want := range map[string]string{
		"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff", "Content-Type": "text/html; charset=utf-8",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	js := ask(s, "/web/app.js")
	if got := js.Header().Get("Content-Type"); js.Code != http.StatusOK || !strings.HasPrefix(got, "text/javascript") {
		t.Errorf("app.js: got status %d, %s", js.Code, got)
	}
	r := httptest.NewRequest(http.MethodGet, "/web/app.js", nil)
	r.Header.Set("If-None-Match", js.Header().Get("ETag"))
	again := httptest.NewRecorder()
	s.ServeHTTP(again, r)
	if again.Code != http.StatusNotModified {
		t.Errorf("same file again: got status %d", again.Code)
	}
}

// TestPageLoadsItsOwnFiles checks that every file that the page names is there,
// and that none names another host.
func TestPageLoadsItsOwnFiles(t *testing.T) {
	reference := regexp.MustCompile(`(?:src|href)="([^"]*)"|from "\./([^"]*)"`)
	other := regexp.MustCompile(`(?i)(?:https?:)?//[a-z0-9-]+\.[a-z]`)
	names, err := fs.Glob(web, "web/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		data, err := fs.ReadFile(web, name)
		if err != nil {
			t.Fatal(err)
		}
		text := string(data)
		if !strings.Contains(name, "uplot") && filepath.Ext(name) != ".svg" && other.MatchString(text) {
			t.Errorf("%s names another host: %s", name, other.FindString(text))
		}
		for _, m := range reference.FindAllStringSubmatch(text, -1) {
			file := strings.TrimPrefix(m[1]+m[2], "web/")
			if _, err := fs.Stat(web, "web/"+file); err != nil && !strings.Contains(name, "uplot") {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func TestOptions(t *testing.T) {
	if _, err := New(Options{}); err == nil {
		t.Error("no folder gave no error")
	}
	s, err := New(Options{Roots: []Root{{FS: fstest.MapFS{}}}})
	if err != nil || s.Pause != 2*time.Second || s.Drain != 5*time.Second || s.Log == nil {
		t.Errorf("got %+v, %v", s, err)
	}
}

// TestRun serves until the context ends, and refuses names that point here.
func TestRun(t *testing.T) {
	s := open(t, Root{Name: "r", Path: "r", FS: fstest.MapFS{}})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, l) }()
	for host, want := range map[string]int{
		"": http.StatusOK, "localhost:6006": http.StatusOK, "[::1]:80": http.StatusOK, "LOCALHOST": http.StatusOK, "mole.example": http.StatusForbidden, "127.0.0.1.evil.example:1": http.StatusForbidden,
	} {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+l.Addr().String()+"/data/runs", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.Copy(io.Discard, answer.Body)
		if err := errors.Join(err, answer.Body.Close()); err != nil || answer.StatusCode != want {
			t.Errorf("host %q: got status %d, %v, want %d", host, answer.StatusCode, err, want)
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", l.Addr().String()); err == nil {
		t.Error("still listening")
	}
}

func TestIsLocal(t *testing.T) {
	for address, want := range map[string]bool{"127.0.0.1:1": true, "[::1]:1": true, "0.0.0.0:1": false, "192.0.2.1:1": false} {
		a, err := net.ResolveTCPAddr("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		if got := isLocal(a); got != want {
			t.Errorf("%s: got %v", address, got)
		}
	}
	if isLocal(&net.UnixAddr{}) {
		t.Error("a socket counts as a loopback address")
	}
}
