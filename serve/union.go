package serve

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strings"
	"time"

	"mole/expert"
	"mole/generate"
	"mole/prompt"
)

// infer answers POST /infer and its other names.
func (s *Server) infer(x *exchange, r *http.Request, body []byte, d *Deployment) error {
	return s.inferAs(x, r, body, d, "")
}

// inferDirect answers POST /direct_infer: the base network, without adapter.
func (s *Server) inferDirect(x *exchange, r *http.Request, body []byte, d *Deployment) error {
	if d.Engine == nil {
		return errSilent
	}
	return s.inferAs(x, r, body, d, modelBase)
}

// inferAs answers a request in the union format. model, if not empty, is who
// answers whatever the request says.
func (s *Server) inferAs(x *exchange, r *http.Request, body []byte, d *Deployment, model string) error {
	begin := time.Now()
	q, err := s.read(body)
	if err != nil {
		return err
	}
	x.attrs = append(x.attrs, "image_bytes", len(q.Image), "version", d.Version)
	asked, err := q.question(d, model)
	if err != nil {
		return err
	}
	asked.request.MaxTokens = s.MaxTokens
	ctx := r.Context()
	c, err := s.choose(ctx, d, asked)
	if err != nil {
		return err
	}
	x.tell(c.decision(d))
	a, err := s.respond(ctx, d, c, asked)
	if err != nil {
		return err
	}
	if code := c.complain(d, &a); code != "" {
		x.Header().Set(errorHeader, strings.TrimPrefix(strings.ReplaceAll(code, "_", "-"), "expert-"))
	}
	a.RequestID, a.Timings["total"] = x.id, time.Since(begin).Seconds()
	x.write(http.StatusOK, a)
	return nil
}

// complain sets the error of a response that nobody answered though somebody
// should have, and returns its code.
func (c choice) complain(d *Deployment, a *Response) (code string) {
	if c.missing == nil || c.answer != nil && d.Engine == nil {
		return ""
	}
	text := c.missing.Error()
	a.Error = &text
	return c.missing.code
}

// read reads a request in the union format.
func (s *Server) read(text []byte) (*request, error) {
	q := &request{}
	err := json.Unmarshal(text, q)
	switch {
	case err != nil:
		err = bad("", "request: %w", err)
	case int64(len(q.Image)) > s.MaxImage:
		err = tooLarge("image_b64", len(q.Image), s.MaxImage)
	default:
		err = q.check()
	}
	return q, err
}

// tooLarge is the problem of a picture.
func tooLarge(param string, n int, limit int64) error {
	return &problem{error: fmt.Errorf("%s: %d bytes, want at most %d", param, n, limit), status: http.StatusRequestEntityTooLarge, param: param, code: "too_large"}
}

// check refuses a request that lacks something.
func (q *request) check() error {
	switch {
	case len(q.Image) == 0:
		return bad("image_b64", "image_b64 is missing: want a PNG, JPEG or WebP file as base64")
	case q.Adapter == "segment":
		return &problem{error: fmt.Errorf("adapter segment: this server does not segment pictures"), status: http.StatusNotImplemented, param: "adapter"}
	case q.Prompt == "" && !q.ocr():
		return bad("prompt", "prompt is missing: want the instruction")
	case len(q.Prompt) > maxPrompt:
		return bad("prompt", "prompt: %d bytes, want at most %d", len(q.Prompt), maxPrompt)
	}
	return nil
}

// question returns what q asks. model is as for inferAs.
func (q *request) question(d *Deployment, model string) (*question, error) {
	if model == "" {
		model = modelAuto
		chosen, err := q.expert(d)
		if err != nil {
			return nil, &problem{error: err, status: http.StatusBadRequest, param: "expert", valid: d.valid()}
		}
		if chosen != nil {
			model = chosen.Name
		}
	}
	user := message{role: prompt.User, parts: []part{{file: q.Image}, {text: q.Prompt}}}
	return &question{model: model, messages: []message{user}, system: prompt.ComputerV1}, nil
}

// respond returns the response to a question, without what only the request
// knows.
func (s *Server) respond(ctx context.Context, d *Deployment, c choice, q *question) (Response, error) {
	a := c.response(d)
	if c.missing != nil || d.Engine == nil && c.expert.Kind != expert.OCR {
		return a, s.look(ctx, d, c, q, &a)
	}
	begin := time.Now()
	pieces, err := s.answer(ctx, d, c, q)
	if err != nil {
		return a, err
	}
	text, err := whole(pieces, q.tell)
	if err != nil {
		return a, err
	}
	a.Timings["generate"] = time.Since(begin).Seconds()
	a.Output, a.TaskOutput = &text, &text
	return a, nil
}

// response returns what a response says about who answers.
func (c choice) response(d *Deployment) Response {
	switch {
	case c.answer != nil:
		a := Routed(d.Experts, d.About.Model, *c.answer, 0)
		if c.missing == nil {
			a.Adapter = c.name
		}
		return a
	case c.name == modelBase:
		return Chosen(expert.Expert{Name: modelBase, Label: noLabel}, d.About.Model, 0, 0)
	default:
		return Chosen(c.expert, d.About.Model, 0, 0)
	}
}

// look refuses a picture that cannot be read, where nobody else has looked at it.
func (s *Server) look(ctx context.Context, d *Deployment, c choice, q *question, a *Response) error {
	if c.answer != nil || d.Router == nil {
		return nil
	}
	decode, err := d.Router.Check(ctx, q.picture())
	a.Timings["decode"] = decode.Seconds()
	return err
}

// whole joins the pieces of an answer. tell, if not nil, gets them as they come.
func whole(pieces iter.Seq2[generate.Chunk, error], tell func(text string)) (string, error) {
	var b strings.Builder
	for chunk, err := range pieces {
		if err != nil {
			return "", err
		}
		b.WriteString(chunk.Text)
		if tell != nil && chunk.Text != "" {
			tell(chunk.Text)
		}
	}
	return strings.TrimSpace(b.String()), nil
}

// healthAnswer is the answer of /health.
type healthAnswer struct {
	Status  string   `json:"status"` // "ok", "loading", "error", "draining"
	Loaded  []string `json:"loaded"` // experts with an adapter
	Router  *About   `json:"router"` // null if none is open
	Problem *string  `json:"problem"`
	Version string   `json:"version"`
}

// health answers GET /health.
func (s *Server) health(x *exchange, _ *http.Request) {
	a := healthAnswer{Loaded: []string{}, Version: s.Version}
	var problem error
	if a.Status, problem = s.now.state(); problem != nil {
		text := problem.Error()
		a.Problem = &text
	}
	d, done := s.now.take()
	defer done()
	if d != nil {
		a.Loaded, a.Router = append(a.Loaded, d.loaded()...), &d.About
	}
	status := http.StatusOK
	if a.Status != "ok" {
		status = http.StatusServiceUnavailable
	}
	x.write(status, a)
}

// ready answers GET /ready: whether requests are to be sent here.
func (s *Server) ready(x *exchange, _ *http.Request) {
	state, _ := s.now.state()
	status := http.StatusOK
	if state != "ok" {
		status = http.StatusServiceUnavailable
		x.Header().Set("Retry-After", "1")
	}
	x.write(status, map[string]bool{"ready": state == "ok"})
}

// expertAnswer is one expert in the answer of /experts.
type expertAnswer struct {
	Name        string      `json:"name"`
	Label       int         `json:"label"`
	Kind        expert.Kind `json:"kind"`
	Description string      `json:"description"`
	Loaded      bool        `json:"loaded"` // an adapter is deployed
}

// experts answers GET /experts.
func (s *Server) experts(x *exchange, _ *http.Request) {
	d, done := s.now.take()
	defer done()
	if d == nil {
		x.fail(errNotOpen)
		return
	}
	list, loaded := []expertAnswer{}, d.loaded()
	for _, e := range d.Experts {
		list = append(list, expertAnswer{e.Name, e.Label, e.Kind, e.Description, slices.Contains(loaded, e.Name)})
	}
	x.write(http.StatusOK, map[string]any{"experts": list, "router": d.About})
}
