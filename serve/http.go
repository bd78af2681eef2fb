package serve

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"mole/expert"
	"mole/route"
)

// Headers that are not standard.
const (
	requestIDHeader = "X-Request-Id"
	errorHeader     = "X-Mole-Error"
)

// routes returns the table of addresses (specification mole, 11.2).
func (s *Server) routes() *http.ServeMux {
	mux := http.NewServeMux()
	for _, pattern := range []string{"POST /infer_web", "POST /infer", "POST /{$}"} {
		mux.Handle(pattern, handler(s.infer))
	}
	mux.Handle("GET /health", handler(s.health))
	mux.Handle("GET /experts", handler(s.experts))
	mux.Handle("GET /metrics", s.metrics.handler(s.Log))
	mux.HandleFunc("OPTIONS /", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	return mux
}

// handler handles what ServeHTTP passes on.
type handler func(x *exchange, r *http.Request)

// ServeHTTP implements [http.Handler].
func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x, ok := w.(*exchange)
	if !ok {
		x = &exchange{ResponseWriter: w}
	}
	h(x, r)
}

// exchange is a request under way, with what is logged about it.
type exchange struct {
	http.ResponseWriter
	id     string
	status int
	attrs  []any // of the log line
}

// WriteHeader implements [http.ResponseWriter].
func (x *exchange) WriteHeader(status int) {
	if x.status == 0 {
		x.status = status
	}
	x.ResponseWriter.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (x *exchange) Write(p []byte) (int, error) {
	if x.status == 0 {
		x.status = http.StatusOK
	}
	return x.ResponseWriter.Write(p)
}

// Unwrap serves [http.ResponseController].
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	begin := time.Now()
	x := &exchange{ResponseWriter: w, id: requestID(r)}
	defer func() {
		elapsed := time.Since(begin)
		s.metrics.request(r, x.status, elapsed)
		s.Log.Info("request", append([]any{"request_id", x.id, "method", r.Method, "path", r.URL.Path, "status", x.status,
			"remote", r.RemoteAddr, "elapsed", elapsed}, x.attrs...)...)
	}()
	defer s.recovered(x)
	h := w.Header()
	h.Set(requestIDHeader, x.id)
	h.Set("Access-Control-Allow-Origin", s.Origin)
	h.Set("Access-Control-Allow-Methods", "GET, POST, OPTIONS")
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, "+requestIDHeader)
	h.Set("Access-Control-Expose-Headers", requestIDHeader+", "+errorHeader)
	h.Set("Access-Control-Max-Age", "600")
	h.Set("X-Content-Type-Options", "nosniff")
	if !s.allowed(r) {
		h.Set("WWW-Authenticate", "Bearer")
		x.fail(http.StatusUnauthorized, errors.New("want the header Authorization: Bearer TOKEN with the right token"))
		return
	}
	s.mux.ServeHTTP(x, r)
}

// recovered turns a panic into an answer.
func (s *Server) recovered(x *exchange) {
	p := recover()
	if p == nil {
		return
	}
	s.Log.Error("panic", "request_id", x.id, "value", fmt.Sprint(p), "stack", string(debug.Stack()))
	if x.status == 0 {
		x.fail(http.StatusInternalServerError, errInternal)
	}
}

// Answers that say no more than they should.
var (
	errInternal = errors.New("internal error; the log of the server has more under this request id")
	errNotOpen  = errors.New("no router is open yet; /health tells more")
)

// idPattern is what a request id of a client may be.
var idPattern = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// requestID returns the id that the client gave, or a new one.
func requestID(r *http.Request) string {
	if id := r.Header.Get(requestIDHeader); idPattern.MatchString(id) {
		return id
	}
	return strings.ToLower(rand.Text()[:16])
}

// allowed reports whether a request carries the token. Preflight requests
// cannot, and /health need not.
func (s *Server) allowed(r *http.Request) bool {
	if s.Token == "" || r.Method == http.MethodOptions || r.Method == http.MethodGet && r.URL.Path == "/health" {
		return true
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	sum := sha256.Sum256([]byte(token))
	return strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare(sum[:], s.token[:]) == 1
}

// write sends a JSON object.
func (x *exchange) write(status int, v any) {
	x.Header().Set("Content-Type", "application/json")
	x.WriteHeader(status)
	enc := json.NewEncoder(x)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		x.attrs = append(x.attrs, "error", err.Error()) // the client is gone
	}
}

// failure is the answer to a request that was not served.
type failure struct {
	Output     *string  `json:"output"` // null
	TaskOutput *string  `json:"task_output"`
	Error      string   `json:"error"`
	Valid      []string `json:"valid,omitempty"` // names of experts
	RequestID  string   `json:"request_id"`
}

// fail sends an error.
func (x *exchange) fail(status int, err error) {
	f := failure{Error: err.Error(), RequestID: x.id}
	if choice := (*choiceError)(nil); errors.As(err, &choice) {
		f.Valid = choice.valid
	}
	if status == http.StatusServiceUnavailable {
		x.Header().Set("Retry-After", "1")
	}
	x.attrs = append(x.attrs, "error", err.Error())
	x.write(status, f)
}

// choiceError is the error of an expert that does not exist.
type choiceError struct {
	error
	valid []string
}

// httpError is an error with a status.
type httpError struct {
	error
	status int
}

// Unwrap returns the error.
func (e httpError) Unwrap() error { return e.error }

// infer answers POST /infer and its other names.
func (s *Server) infer(x *exchange, r *http.Request) {
	d, done := s.now.take()
	defer done()
	if d == nil {
		x.fail(http.StatusServiceUnavailable, errNotOpen)
		return
	}
	select {
	case s.queue <- struct{}{}:
		defer func() { <-s.queue }()
	default:
		x.fail(http.StatusServiceUnavailable, fmt.Errorf("queue is full: %d requests are at work or waiting", s.MaxQueue))
		return
	}
	s.metrics.queue.Inc()
	defer s.metrics.queue.Dec()
	answer, err := s.answer(x, r, d)
	if err != nil {
		s.refuse(x, err)
		return
	}
	answer.RequestID = x.id
	x.write(http.StatusOK, answer)
}

// refuse sends the answer for an error.
func (s *Server) refuse(x *exchange, err error) {
	known := httpError{}
	switch {
	case errors.As(err, &known):
		x.fail(known.status, err)
	case errors.Is(err, route.ErrImage):
		x.fail(http.StatusBadRequest, err)
	case errors.Is(err, context.DeadlineExceeded):
		x.fail(http.StatusServiceUnavailable, fmt.Errorf("no answer within %v", s.Timeout))
	case errors.Is(err, context.Canceled):
		x.fail(http.StatusServiceUnavailable, errors.New("request was given up"))
	default:
		s.Log.Error("internal error", "request_id", x.id, "error", err)
		x.fail(http.StatusInternalServerError, errInternal)
	}
}

// read reads a request.
func (s *Server) read(x *exchange, r *http.Request) (*request, error) {
	q := &request{}
	limit := s.MaxImage/3*4 + 2*maxPrompt
	err := json.NewDecoder(http.MaxBytesReader(x, r.Body, limit)).Decode(q)
	tooLarge := (*http.MaxBytesError)(nil)
	switch {
	case errors.As(err, &tooLarge):
		err = httpError{fmt.Errorf("request is longer than %d bytes", tooLarge.Limit), http.StatusRequestEntityTooLarge}
	case err != nil:
		err = httpError{fmt.Errorf("request: %w", err), http.StatusBadRequest}
	case int64(len(q.Image)) > s.MaxImage:
		err = httpError{fmt.Errorf("image_b64: %d bytes, want at most %d", len(q.Image), s.MaxImage), http.StatusRequestEntityTooLarge}
	default:
		err = q.check()
	}
	return q, err
}

// check refuses a request that lacks something.
func (q *request) check() error {
	bad := func(format string, args ...any) error {
		return httpError{fmt.Errorf(format, args...), http.StatusBadRequest}
	}
	switch {
	case len(q.Image) == 0:
		return bad("image_b64 is missing: want a PNG, JPEG or WebP file as base64")
	case q.Adapter == "segment":
		return httpError{errors.New("adapter segment: this server does not segment pictures"), http.StatusNotImplemented}
	case q.Prompt == "" && !q.ocr():
		return bad("prompt is missing: want the instruction")
	case len(q.Prompt) > maxPrompt:
		return bad("prompt: %d bytes, want at most %d", len(q.Prompt), maxPrompt)
	}
	return nil
}

// answer answers a request.
func (s *Server) answer(x *exchange, r *http.Request, d *Deployment) (Response, error) {
	begin := time.Now()
	q, err := s.read(x, r)
	if err != nil {
		return Response{}, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), s.Timeout)
	defer cancel()
	x.attrs = append(x.attrs, "image_bytes", len(q.Image), "version", d.Version)
	chosen, err := q.expert(d.Experts)
	if err != nil {
		return Response{}, httpError{&choiceError{err, d.Experts.Names()}, http.StatusBadRequest}
	}
	if chosen != nil {
		decode, err := d.Router.Check(ctx, q.Image)
		if err != nil {
			return Response{}, err
		}
		answer := Chosen(*chosen, d.About.Model, decode, time.Since(begin))
		s.missing(x, d, *chosen, &answer)
		return answer, nil
	}
	a, err := d.Router.Route(ctx, q.Image, q.Prompt)
	if err != nil {
		return Response{}, err
	}
	s.metrics.decision(a)
	x.attrs = append(x.attrs, "expert", a.Expert, "confidence", a.Confidence, "unsure", a.Unsure)
	return Routed(d.Experts, d.About.Model, a, time.Since(begin)), nil
}

// missing sets the error of an answer whose client chose an expert for which no
// adapter is deployed.
func (s *Server) missing(x *exchange, d *Deployment, e expert.Expert, answer *Response) {
	if slices.Contains(d.Adapters, e.Name) {
		return
	}
	text := fmt.Sprintf("expert %s is known, but no adapter is deployed for it", e.Name)
	if e.Kind == expert.OCR {
		text = "ocr is not available"
	}
	answer.Error = &text
	x.Header().Set(errorHeader, "not-loaded")
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
		a.Loaded, a.Router = append(a.Loaded, d.Adapters...), &d.About
	}
	status := http.StatusOK
	if a.Status != "ok" {
		status = http.StatusServiceUnavailable
	}
	x.write(status, a)
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
		x.fail(http.StatusServiceUnavailable, errNotOpen)
		return
	}
	list := []expertAnswer{}
	for _, e := range d.Experts {
		list = append(list, expertAnswer{e.Name, e.Label, e.Kind, e.Description, slices.Contains(d.Adapters, e.Name)})
	}
	x.write(http.StatusOK, map[string]any{"experts": list, "router": d.About})
}
