// Package serve answers requests over HTTP: a screenshot comes in, the expert
// that it belongs to goes out, in a form that clients of both of the
// predecessor's servers understand (specification mole, 4.18 and 11). The
// experts' own answers are not generated yet; their fields are there, and null.
//
// A Server starts before its router is open and answers 503 until then. It
// looks for another router from time to time and when asked to, opens it beside
// the one in use, and switches between two requests: none is dropped, and a
// router that does not open is reported and changes nothing.
package serve

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"mole/expert"
	"mole/route"
)

// Router decides which expert a picture belongs to. It is used by several
// requests at once. Errors are those of package route.
type Router interface {
	// Route decides which expert a picture belongs to.
	Route(ctx context.Context, image []byte, instruction string) (route.Answer, error)
	// Check reports whether a picture can be read, and how long that took.
	Check(ctx context.Context, image []byte) (time.Duration, error)
	// Close frees everything. Nobody uses the router any more.
	Close() error
}

// Deployment is a router to serve, and what clients are told about it.
type Deployment struct {
	Version string // tells it from what the Source gave before and gives later
	Router  Router
	Experts expert.Table
	// Adapters are the experts for which an adapter is deployed. Only they can
	// be asked for by name.
	Adapters []string
	About    About
}

// About describes a deployment in answers of /health and /experts.
type About struct {
	Release  string   `json:"release,omitempty"`
	Run      string   `json:"run_name"`
	Dataset  string   `json:"dataset_name"`
	Rung     string   `json:"rung"`
	Model    string   `json:"model"` // the base model
	Spec     string   `json:"router_spec_sha256"`
	Accuracy *float64 `json:"eval_accuracy"` // held out, 0 to 1; null if unknown
	Deployed string   `json:"deployed_at,omitempty"`
}

// Source opens the router that is to be served. If that is still the one of
// version have, it returns nil. It is called by one goroutine at a time.
type Source func(ctx context.Context, have string) (*Deployment, error)

// Options says how a server behaves. The zero value of a field means the
// default in its comment.
type Options struct {
	Source   Source        // none is an error
	Watch    time.Duration // between two looks at the Source, 30 s; negative for none
	MaxQueue int           // requests that are worked on or wait, 16; one more gets 503
	MaxImage int64         // bytes of a picture's file, 20 MB
	Token    string        // that requests must carry, "" for none
	Origin   string        // web pages that may call, "*"
	Timeout  time.Duration // for one answer, once the request is read, 60 s
	Drain    time.Duration // for requests under way at the end, 10 s
	Version  string        // of the program
	Log      *slog.Logger  // nil for none
}

// The limits that are not options.
const (
	maxImage   = 20_000_000 // bytes
	maxPrompt  = 32 << 10   // bytes of an instruction
	maxHeader  = 32 << 10   // bytes of all headers
	headerTime = 10 * time.Second
	bodyTime   = 30 * time.Second // for headers and body of a request
	idleTime   = 2 * time.Minute
	minToken   = 16 // bytes
)

// withDefaults returns o with the defaults filled in.
func (o Options) withDefaults() Options {
	for _, d := range []struct {
		value *time.Duration
		def   time.Duration
	}{{&o.Watch, 30 * time.Second}, {&o.Timeout, time.Minute}, {&o.Drain, 10 * time.Second}} {
		if *d.value == 0 {
			*d.value = d.def
		}
	}
	if o.MaxQueue == 0 {
		o.MaxQueue = 16
	}
	if o.MaxImage == 0 {
		o.MaxImage = maxImage
	}
	if o.Origin == "" {
		o.Origin = "*"
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Server answers requests. Make one with New.
type Server struct {
	Options
	mux     *http.ServeMux
	metrics *metrics
	token   [sha256.Size]byte // digest of Options.Token
	queue   chan struct{}     // one element for each request at work or waiting
	reload  chan struct{}     // asks for a look at the Source
	now     slot              // the deployment in use
}

// New returns a server that Run starts.
func New(o Options) (*Server, error) {
	switch {
	case o.Source == nil:
		return nil, errors.New("server: no source of routers")
	case o.MaxQueue < 0 || o.MaxImage < 0 || o.Timeout < 0 || o.Drain < 0:
		return nil, fmt.Errorf("server: queue of %d, pictures of %d bytes, timeout %v, drain %v: want none below 0", o.MaxQueue, o.MaxImage, o.Timeout, o.Drain)
	case o.Token != "" && len(o.Token) < minToken:
		return nil, fmt.Errorf("server: token of %d bytes, want at least %d", len(o.Token), minToken)
	}
	s := &Server{Options: o.withDefaults(), metrics: newMetrics(), token: sha256.Sum256([]byte(o.Token)), reload: make(chan struct{}, 1)}
	s.now.closed = func(err error) {
		if err != nil {
			s.Log.Warn("router does not close", "error", err)
		}
	}
	s.queue = make(chan struct{}, s.MaxQueue)
	s.mux = s.routes()
	return s, nil
}

// ReadToken returns the token in a file: its text without white space around
// it.
func ReadToken(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(text))
	if len(token) < minToken {
		return "", fmt.Errorf("%s: token of %d bytes, want at least %d", path, len(token), minToken)
	}
	return token, nil
}

// Reload makes the server look at its Source at once.
func (s *Server) Reload() {
	select {
	case s.reload <- struct{}{}:
	default: // it is going to
	}
}

// Run serves on l until ctx ends; then it lets the requests under way finish,
// closes the router, and returns nil. It returns early if l fails.
func (s *Server) Run(ctx context.Context, l net.Listener) error {
	web := &http.Server{
		Handler: s, ReadHeaderTimeout: headerTime, ReadTimeout: bodyTime, WriteTimeout: bodyTime + s.Timeout, IdleTimeout: idleTime, MaxHeaderBytes: maxHeader,
		ErrorLog: slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug),
	}
	watching, stop := context.WithCancel(ctx)
	defer stop()
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		s.watch(watching)
	}()
	served := make(chan error, 1)
	go func() { served <- web.Serve(l) }()
	s.Log.Info("listening", "address", l.Addr().String())
	var err error
	select {
	case err = <-served:
	case <-ctx.Done():
		s.now.drain()
		patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.Drain)
		defer cancel()
		if err = web.Shutdown(patience); err != nil {
			err = errors.Join(fmt.Errorf("requests were cut off after %v: %w", s.Drain, err), web.Close())
		}
	}
	stop()
	<-watched
	s.now.close()
	return err
}

// watch keeps the deployment in use the one that the Source has.
func (s *Server) watch(ctx context.Context) {
	var tick <-chan time.Time
	if s.Watch > 0 {
		t := time.NewTicker(s.Watch)
		defer t.Stop()
		tick = t.C
	}
	for {
		s.refresh(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick:
		case <-s.reload:
		}
	}
}

// refresh looks at the Source once.
func (s *Server) refresh(ctx context.Context) {
	begin := time.Now()
	d, err := s.open(ctx)
	if ctx.Err() != nil {
		if d != nil {
			_ = d.Router.Close() // nobody used it
		}
		return
	}
	if err != nil {
		s.metrics.reloads.WithLabelValues("error").Inc()
		if s.now.report(err) {
			s.Log.Error("router does not open", "error", err)
		}
		return
	}
	s.now.report(nil)
	if d == nil {
		return
	}
	s.metrics.loaded(d)
	s.Log.Info("router opened", "version", d.Version, "run", d.About.Run, "rung", d.About.Rung, "model", d.About.Model, "elapsed", time.Since(begin))
	s.now.swap(d)
}

// open asks the Source. A panic in there is a router that does not open.
func (s *Server) open(ctx context.Context) (d *Deployment, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return s.Source(ctx, s.now.version())
}
