package tensorboard

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"mole/tbevents"
)

// web is the page. Charts are drawn by uPlot 1.6.32, whose licence lies beside
// it.
//
//go:embed web
var web embed.FS

// policy lets the page load nothing but its own files.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// routes returns the table of addresses.
func (s *Server) routes() (*http.ServeMux, error) {
	files, err := fs.Sub(web, "web")
	if err != nil {
		return nil, err
	}
	tag, err := digest(files)
	if err != nil {
		return nil, err
	}
	page, err := template.ParseFS(files, "index.html")
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if err := page.Execute(w, s.Options); err != nil {
			s.Log.Debug("page", "error", err) // the client is gone
		}
	})
	static := http.StripPrefix("/web/", http.FileServerFS(files))
	mux.HandleFunc("GET /web/{name}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-cache") // another build may listen here next time
		w.Header().Set("ETag", tag)
		static.ServeHTTP(w, r)
	})
	mux.Handle("GET /data/runs", s.data(s.runs))
	mux.Handle("GET /data/scalars", s.data(s.scalars))
	mux.Handle("GET /data/texts", s.data(s.texts))
	mux.Handle("GET /data/images", s.data(s.images))
	mux.HandleFunc("GET /data/image", s.image)
	return mux, nil
}

// digest returns the ETag of the page's files.
func digest(files fs.FS) (string, error) {
	h := sha256.New()
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(files, name)
		fmt.Fprintf(h, "%s %d\n%s", name, len(data), data)
		return err
	})
	return `"` + hex.EncodeToString(h.Sum(nil)[:8]) + `"`, err
}

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	begin := time.Now()
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	if s.local && !localHost(r.Host) {
		// A page elsewhere whose name was made to point here.
		http.Error(w, "want localhost or a loopback address as the host", http.StatusForbidden)
		return
	}
	s.mux.ServeHTTP(w, r)
	s.Log.Debug("request", "method", r.Method, "path", r.URL.Path, "elapsed", time.Since(begin))
}

// localHost reports whether the host of a request is this machine by itself.
func localHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// errNotThere is the answer to a request for what no run has.
var errNotThere = errors.New("no such run, tag or picture")

// data serves the value that a function returns, as JSON.
func (s *Server) data(get func(r *http.Request) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v, err := get(r)
		if err != nil {
			s.fail(w, err)
			return
		}
		h := w.Header()
		h.Set("Content-Type", "application/json")
		h.Set("Cache-Control", "no-store")
		if err := json.NewEncoder(w).Encode(v); err != nil {
			s.Log.Debug("answer", "path", r.URL.Path, "error", err) // the client is gone
		}
	})
}

// fail sends an error.
func (s *Server) fail(w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	if errors.Is(err, errNotThere) || errors.Is(err, fs.ErrNotExist) {
		status = http.StatusNotFound
	}
	http.Error(w, err.Error(), status)
}

// runList is the answer of /data/runs.
type runList struct {
	Roots   []rootState `json:"roots"`
	Runs    []runState  `json:"runs"`
	Problem string      `json:"problem,omitempty"` // with a folder
}

// rootState is one folder of runs.
type rootState struct {
	Name  string `json:"name"`
	Path  string `json:"path"`
	There bool   `json:"there"`
}

// runState is one run without its values.
type runState struct {
	ID       string   `json:"id"`
	Root     int      `json:"root"`
	Name     string   `json:"name"`
	Version  string   `json:"version"`  // another one means other values
	Modified float64  `json:"modified"` // seconds since 1970
	Bytes    int64    `json:"bytes"`
	Files    int      `json:"files"`
	Step     int64    `json:"step"` // the last one of a number
	Scalars  []string `json:"scalars"`
	Texts    []string `json:"texts"`
	Images   []string `json:"images"`
	Problems []string `json:"problems,omitempty"`
}

// runs answers GET /data/runs.
func (s *Server) runs(r *http.Request) (any, error) {
	entries, err := s.board.list(r.Context())
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	out := runList{Roots: []rootState{}, Runs: []runState{}}
	if err != nil {
		out.Problem = err.Error()
	}
	for _, root := range s.Roots {
		_, err := fs.Stat(root.FS, ".")
		out.Roots = append(out.Roots, rootState{root.Name, root.Path, err == nil})
	}
	for _, e := range entries {
		out.Runs = append(out.Runs, e.state())
	}
	return out, nil
}

// state describes a run.
func (e *entry) state() runState {
	r := runState{
		ID: e.id, Root: e.root, Name: e.run.Name, Version: e.version(), Modified: float64(e.run.Modified.UnixMilli()) / 1000, Bytes: e.run.Bytes,
		Files: len(e.run.Files), Scalars: []string{}, Texts: []string{}, Images: []string{}, Problems: e.problems(),
	}
	for _, s := range e.log.Series {
		switch s.Kind {
		case tbevents.Scalar:
			r.Scalars = append(r.Scalars, s.Tag)
			if n := len(s.Points); n > 0 {
				r.Step = max(r.Step, s.Points[n-1].Step)
			}
		case tbevents.Text:
			r.Texts = append(r.Texts, s.Tag)
		case tbevents.Image:
			r.Images = append(r.Images, s.Tag)
		}
	}
	return r
}

// asked returns the run, and the series of a kind, that a request names.
func (s *Server) asked(r *http.Request, kind tbevents.Kind) (*entry, *tbevents.Series, error) {
	e := s.board.find(r.Context(), r.FormValue("run"))
	if e == nil {
		return nil, nil, errNotThere
	}
	series := e.series(r.FormValue("tag"), kind)
	if series == nil {
		return nil, nil, errNotThere
	}
	return e, series, nil
}

// noteText is one text of the answer of /data/texts.
type noteText struct {
	Step int64   `json:"step"`
	Wall float64 `json:"wall"` // seconds since 1970
	Text string  `json:"text"`
}

// texts answers GET /data/texts?run=ID&tag=TAG.
func (s *Server) texts(r *http.Request) (any, error) {
	_, series, err := s.asked(r, tbevents.Text)
	if err != nil {
		return nil, err
	}
	out := []noteText{}
	for _, n := range series.Notes {
		out = append(out, noteText(n))
	}
	return out, nil
}

// shownImage is one picture of the answer of /data/images.
type shownImage struct {
	Step int64   `json:"step"`
	Wall float64 `json:"wall"` // seconds since 1970
}

// images answers GET /data/images?run=ID&tag=TAG.
func (s *Server) images(r *http.Request) (any, error) {
	_, series, err := s.asked(r, tbevents.Image)
	if err != nil {
		return nil, err
	}
	out := []shownImage{}
	for _, p := range series.Pictures {
		out = append(out, shownImage{p.Step, p.Wall})
	}
	return out, nil
}

// formats are the pictures that browsers show without running anything.
var formats = map[string]bool{"image/png": true, "image/jpeg": true, "image/gif": true, "image/webp": true}

// image answers GET /data/image?run=ID&tag=TAG&n=N with the Nth picture that
// /data/images lists.
func (s *Server) image(w http.ResponseWriter, r *http.Request) {
	e, series, err := s.asked(r, tbevents.Image)
	if err != nil {
		s.fail(w, err)
		return
	}
	n, err := strconv.Atoi(r.FormValue("n"))
	if err != nil || n < 0 || n >= len(series.Pictures) {
		s.fail(w, errNotThere)
		return
	}
	data, err := tbevents.ReadPicture(s.Roots[e.root].FS, series.Pictures[n])
	if err != nil {
		s.fail(w, err)
		return
	}
	kind := http.DetectContentType(data)
	if !formats[kind] {
		http.Error(w, "not a PNG, JPEG, GIF or WebP file", http.StatusUnsupportedMediaType)
		return
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "no-store")
	if _, err := w.Write(data); err != nil {
		s.Log.Debug("picture", "error", err) // the client is gone
	}
}
