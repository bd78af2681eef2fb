package serve

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"

	"mole/expert"
	"mole/generate"
)

// maxName bounds the name of an adapter, in bytes.
const maxName = 63

// adapterAnswer is an adapter in the answer of /v1/adapters.
type adapterAnswer struct {
	Name       string  `json:"name"`
	Dir        string  `json:"dir"`        // in the folder of the adapters
	Generation uint64  `json:"generation"` // greater after each change
	Loaded     bool    `json:"loaded"`     // it is in memory now
	Bytes      int64   `json:"bytes"`      // that it takes there
	Prompt     string  `json:"prompt_id"`  // of the system prompt that it was trained with, "" if nobody says
	Problem    *string `json:"problem"`    // why the newest version of it does not load
}

// change runs a change of the adapters, or says why there can be none.
func (s *Server) change(x *exchange, f func(Adapters) error) {
	d, done := s.now.take()
	defer done()
	switch {
	case d == nil:
		x.fail(errNotOpen)
		return
	case d.Engine == nil || d.Engine.Adapters == nil:
		x.fail(errNoAdapters)
		return
	}
	if err := f(d.Engine.Adapters); err != nil {
		s.refuse(x, err)
		return
	}
	s.listOf(x, d)
}

// listAdapters answers GET /v1/adapters.
func (s *Server) listAdapters(x *exchange, _ *http.Request) {
	s.change(x, func(Adapters) error { return nil })
}

// listOf writes the adapters.
func (s *Server) listOf(x *exchange, d *Deployment) {
	list := []adapterAnswer{}
	for _, a := range d.Engine.adapters() {
		out := adapterAnswer{Name: a.Name, Dir: s.inRoot(a.Dir), Generation: a.Generation, Loaded: a.Loaded, Bytes: a.Bytes}
		if a.Expert != nil {
			out.Prompt = a.Expert.PromptID
		}
		if a.Problem != "" {
			out.Problem = &a.Problem
		}
		list = append(list, out)
	}
	x.write(http.StatusOK, map[string]any{"object": "list", "data": list})
}

// inRoot returns a folder as it is called in the folder of the adapters.
func (s *Server) inRoot(dir string) string {
	if rel, err := filepath.Rel(s.AdapterRoot, dir); err == nil && filepath.IsLocal(rel) {
		return filepath.ToSlash(rel)
	}
	return filepath.Base(dir)
}

// setAdapter answers POST /v1/adapters: it loads the adapter in a folder, in
// place of the one that had the name.
func (s *Server) setAdapter(x *exchange, r *http.Request) {
	var q struct {
		Name string `json:"name"`
		Dir  string `json:"dir"` // in the folder of the adapters
	}
	text, err := s.body(x, r, maxHeader)
	if err == nil {
		if err = json.Unmarshal(text, &q); err != nil {
			err = bad("", "request: %w", err)
		}
	}
	if err == nil {
		err = checkAdapterName(q.Name)
	}
	dir := ""
	if err == nil {
		dir, err = s.adapterDir(q.Dir)
	}
	if err != nil {
		s.refuse(x, err)
		return
	}
	s.change(x, func(a Adapters) error {
		if err := a.Set(q.Name, dir); err != nil {
			s.Log.Warn("adapter does not load", "request_id", x.id, "name", q.Name, "error", err)
			return bad("dir", "adapter %s does not load; the log of the server has more under this request id", q.Name)
		}
		s.Log.Info("adapter loaded", "request_id", x.id, "name", q.Name, "dir", dir)
		return nil
	})
}

// removeAdapter answers DELETE /v1/adapters/{name}.
func (s *Server) removeAdapter(x *exchange, r *http.Request) {
	name := r.PathValue("name")
	if err := checkAdapterName(name); err != nil {
		s.refuse(x, err)
		return
	}
	s.change(x, func(a Adapters) error {
		err := a.Remove(name)
		if errors.Is(err, generate.ErrNoAdapter) {
			return &problem{error: fmt.Errorf("adapter %s is not there", name), status: http.StatusNotFound, code: "adapter_not_found", param: "name"}
		}
		if err == nil {
			s.Log.Info("adapter removed", "request_id", x.id, "name", name)
		}
		return err
	})
}

// checkAdapterName refuses a name that no expert can have.
func checkAdapterName(name string) error {
	if !expert.ValidName(name) || len(name) > maxName || reservedName(name) {
		return bad("name", "name %.80q, want up to %d small letters, digits and hyphens, and not %s, %s or %s", name, maxName, modelAuto, modelRouter, modelBase)
	}
	return nil
}

// adapterDir returns a folder that lies in that of the adapters, whatever links
// it goes through.
func (s *Server) adapterDir(dir string) (string, error) {
	if s.AdapterRoot == "" {
		return "", &problem{error: errors.New("no folder to load adapters from: --adapters names one"), status: http.StatusForbidden, code: "no_adapter_folder", param: "dir"}
	}
	outside := bad("dir", "dir %.80q is no folder below that of the adapters", dir)
	if dir == "" || strings.ContainsRune(dir, 0) || !filepath.IsLocal(filepath.FromSlash(dir)) {
		return "", outside
	}
	root, err := filepath.EvalSymlinks(s.AdapterRoot)
	if err != nil {
		return "", err
	}
	full, err := filepath.EvalSymlinks(filepath.Join(root, filepath.FromSlash(dir)))
	if err != nil {
		return "", outside
	}
	if rel, err := filepath.Rel(root, full); err != nil || !filepath.IsLocal(rel) {
		return "", outside
	}
	return full, nil
}
