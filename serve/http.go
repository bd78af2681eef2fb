package serve

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"runtime/debug"
	"strings"
	"time"
)

// Headers that are not standard.
const (
	requestIDHeader  = "X-Request-Id"
	errorHeader      = "X-Mole-Error"
	expertHeader     = "X-Mole-Expert"
	confidenceHeader = "X-Mole-Confidence"
	unsureHeader     = "X-Mole-Unsure"
	routerHeader     = "X-Mole-Router"
)

// address is one row of the table of addresses.
type address struct {
	pattern string
	access  access
	handler handler
}

// access says who may call an address.
type access uint8

const (
	anyone access = iota // without a token
	users                // with a token, if there are tokens
	admins               // with an admin's token, never without
)

// addresses returns the table of addresses (specification mole, 11.2).
func (s *Server) addresses() []address {
	union := s.maxUnion()
	return []address{
		{"POST /v1/chat/completions", users, s.work(s.MaxBody, s.chat)},
		{"POST /v1/route", users, s.work(s.MaxBody, s.route)},
		{"GET /v1/models", users, s.models},
		{"GET /v1/models/{id}", users, s.model},
		{"GET /v1/adapters", admins, s.listAdapters},
		{"POST /v1/adapters", admins, s.setAdapter},
		{"DELETE /v1/adapters/{name}", admins, s.removeAdapter},
		{"POST /infer_web", users, s.work(union, s.infer)},
		{"POST /infer", users, s.work(union, s.infer)},
		{"POST /{$}", users, s.work(union, s.infer)},
		{"POST /direct_infer", users, s.work(union, s.inferDirect)},
		{"POST /ocr", users, s.work(union, s.ocr)},
		{"GET /experts", users, s.experts},
		{"GET /layouts", users, s.layouts},
		{"GET /layouts/{expert}", users, s.layout},
		{"GET /metrics", users, s.metrics.handler(s.Log)},
		{"GET /health", anyone, s.health},
		{"GET /ready", anyone, s.ready},
		{"GET /openapi.json", anyone, openAPI},
		{"GET /docs", anyone, docsPage},
	}
}

// routes returns what finds the handler of an address.
func (s *Server) routes() *http.ServeMux {
	mux := http.NewServeMux()
	for _, a := range s.addresses() {
		mux.Handle(a.pattern, s.guard(a))
	}
	// What is not in the table is refused like what is: nobody learns from it what
	// the server has.
	mux.Handle("/", s.guard(address{"", users, func(x *exchange, r *http.Request) {
		x.fail(&problem{error: fmt.Errorf("no %s %s here", r.Method, r.URL.Path), status: http.StatusNotFound, code: "unknown_url"})
	}}))
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
	api    bool          // errors go out in OpenAI's form
	slow   time.Duration // that the client may take for a piece of the answer
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

// Write implements [http.ResponseWriter]. A client that does not read is given up
// after a while, counted anew for every piece.
func (x *exchange) Write(p []byte) (int, error) {
	if x.status == 0 {
		x.status = http.StatusOK
	}
	x.deadline(time.Now().Add(x.slow))
	return x.ResponseWriter.Write(p)
}

// deadline sets the time until which the client must have read; the zero time is
// none.
func (x *exchange) deadline(t time.Time) {
	_ = http.NewResponseController(x.ResponseWriter).SetWriteDeadline(t) // in tests there is no connection
}

// Unwrap serves [http.ResponseController].
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	begin := time.Now()
	x := &exchange{ResponseWriter: w, id: requestID(r), api: strings.HasPrefix(r.URL.Path, "/v1/"), slow: s.ClientTime}
	defer func() {
		elapsed := time.Since(begin)
		s.metrics.request(r, x.status, elapsed)
		s.Log.Info("request", append([]any{"request_id", x.id, "method", r.Method, "path", r.URL.Path, "status", x.status,
			"remote", r.RemoteAddr, "elapsed", elapsed}, x.attrs...)...)
	}()
	defer s.recovered(x)
	s.headers(x)
	if err := s.suspicious(r); err != nil {
		x.Header().Set("Connection", "close")
		s.refuse(x, err)
		return
	}
	s.mux.ServeHTTP(x, r)
}

// headers sets the headers of every answer.
func (s *Server) headers(x *exchange) {
	h := x.Header()
	h.Set(requestIDHeader, x.id)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	if s.Origin == "" {
		return
	}
	h.Set("Access-Control-Allow-Origin", s.Origin)
	h.Set("Access-Control-Allow-Methods", "GET, POST, OPTIONS")
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, "+requestIDHeader)
	h.Set("Access-Control-Expose-Headers", strings.Join([]string{requestIDHeader, errorHeader, expertHeader, confidenceHeader, unsureHeader, routerHeader}, ", "))
	h.Set("Access-Control-Max-Age", "600")
}

// suspicious refuses requests that no client of ours sends: those of pages of
// other sites, and those whose length two servers could understand differently
// (a proxy before this one, for example), by which a request can be hidden in
// another.
func (s *Server) suspicious(r *http.Request) error {
	if len(r.TransferEncoding) > 0 {
		return &problem{error: errors.New("want the header Content-Length instead of Transfer-Encoding"), status: http.StatusLengthRequired, code: "length_required"}
	}
	if s.Origin == "*" || r.Method == http.MethodOptions {
		return nil
	}
	if err := s.sites.Check(r); err != nil {
		return &problem{error: errors.New("web pages of this origin may not call; --allow-origin names one that may"), status: http.StatusForbidden, code: "origin"}
	}
	return nil
}

// recovered turns a panic into an answer.
func (s *Server) recovered(x *exchange) {
	p := recover()
	if p == nil {
		return
	}
	s.Log.Error("panic", "request_id", x.id, "value", fmt.Sprint(p), "stack", string(debug.Stack()))
	if x.status == 0 {
		x.fail(errInternal)
	}
}

// idPattern is what a request id of a client may be.
var idPattern = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// requestID returns the id that the client gave, or a new one.
func requestID(r *http.Request) string {
	if id := r.Header.Get(requestIDHeader); idPattern.MatchString(id) {
		return id
	}
	return newID()
}

// newID returns a random id.
func newID() string { return strings.ToLower(rand.Text()[:16]) }

// guard lets those through who may call an address.
func (s *Server) guard(a address) handler {
	return func(x *exchange, r *http.Request) {
		if err := s.admit(x, r, a.access); err != nil {
			s.refuse(x, err)
			return
		}
		a.handler(x, r)
	}
}

// admit refuses who may not call. An admin may do what users may.
func (s *Server) admit(x *exchange, r *http.Request, need access) error {
	if need == anyone || need == users && s.TokenFile == "" {
		return nil
	}
	name, rank := s.caller(r.Header.Get("Authorization"))
	if name != "" {
		x.attrs = append(x.attrs, "caller", name)
	}
	switch {
	case rank >= need:
		return nil
	case rank == users:
		return &problem{error: errors.New("want an admin's token (--admin-token-file)"), status: http.StatusForbidden, code: "admin_only"}
	}
	x.Header().Set("WWW-Authenticate", "Bearer")
	return &problem{error: errors.New("want the header Authorization: Bearer TOKEN with the right token"), status: http.StatusUnauthorized, code: "invalid_api_key"}
}

// worker answers a request whose body is there. The deployment stays open until
// it returns.
type worker func(x *exchange, r *http.Request, body []byte, d *Deployment) error

// work is the handler of what takes time, with bodies of at most so many bytes:
// a place in the queue, and none while the server is being stopped.
func (s *Server) work(limit int64, w worker) handler {
	return func(x *exchange, r *http.Request) {
		if !s.now.begin() {
			x.Header().Set("Connection", "close")
			x.fail(errDraining)
			return
		}
		defer s.now.end()
		if err := s.turn(x, r, limit, w); err != nil {
			s.refuse(x, err)
		}
	}
}

// turn receives a request, and lets it be worked on if there is a place. Whoever
// would find none now is told before the body is read.
func (s *Server) turn(x *exchange, r *http.Request, limit int64, w worker) error {
	if err := s.available(); err != nil {
		return err
	}
	body, err := s.receive(x, r, limit)
	if err != nil {
		return err
	}
	select {
	case s.queue <- struct{}{}:
		defer func() { <-s.queue }()
	default:
		return s.full()
	}
	d, done := s.now.take()
	defer done()
	if d == nil {
		return errNotOpen
	}
	s.metrics.queue.Inc()
	defer s.metrics.queue.Dec()
	return w(x, r, body, d)
}

// available returns why a request would not be worked on now, nil if it would.
func (s *Server) available() error {
	d, done := s.now.take()
	done()
	switch {
	case d == nil:
		return errNotOpen
	case len(s.queue) == cap(s.queue):
		return s.full()
	}
	return nil
}

// full is the problem of a request without a place in the queue.
func (s *Server) full() error {
	return &problem{error: fmt.Errorf("queue is full: %d requests are at work or waiting", s.MaxQueue), status: http.StatusServiceUnavailable, code: "queue_full"}
}

// body reads a request of at most so many bytes.
func (s *Server) body(x *exchange, r *http.Request, limit int64) ([]byte, error) {
	return s.readBody(x, http.MaxBytesReader(x, r.Body, limit))
}

// readBody reads a body that is limited.
func (s *Server) readBody(x *exchange, body io.Reader) ([]byte, error) {
	text, err := io.ReadAll(body)
	tooLarge := (*http.MaxBytesError)(nil)
	switch {
	case errors.As(err, &tooLarge):
		return nil, &problem{error: fmt.Errorf("request is longer than %d bytes", tooLarge.Limit), status: http.StatusRequestEntityTooLarge, code: "too_large"}
	case errors.Is(err, errLate):
		return nil, err
	case err != nil:
		return nil, bad("", "request: %w", err)
	}
	// The time to send a request must not end the work on it.
	_ = http.NewResponseController(x.ResponseWriter).SetReadDeadline(time.Time{}) // in tests there is no connection
	return text, nil
}
