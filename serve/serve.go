// Package serve answers requests over HTTP: a screenshot comes in, the router
// picks the expert that it belongs to, and the expert's answer goes out, as
// OpenAI's interface has it or in the form that clients of both of the
// predecessor's servers understand (specification mole, 4.18 and 11).
//
// A Server starts before its router is open and answers 503 until then. It
// looks for another router from time to time and when asked to, opens it beside
// the one in use, and switches between two requests: none is dropped, and a
// router that does not open is reported and changes nothing.
package serve

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"mole/expert"
	"mole/route"
	"mole/vision"
)

// Router decides which expert a picture belongs to. It is used by several
// requests at once. Errors are those of package route.
type Router interface {
	// Route decides which expert a picture belongs to.
	Route(ctx context.Context, image []byte, instruction string) (route.Answer, error)
	// Check reports whether a picture can be read, and how long that took.
	Check(ctx context.Context, image []byte) (time.Duration, error)
	// Vision returns how the router turns a picture into patches.
	Vision() vision.Options
	// Close frees everything. Nobody uses the router any more.
	Close() error
}

// Deployment is what answers, and what clients are told about it.
type Deployment struct {
	Version string // tells it from what the Source gave before and gives later
	Router  Router // nil: requests have to name an expert
	Experts expert.Table
	// Adapters are the experts for which an adapter is deployed, where there is
	// no Engine to tell.
	Adapters []string
	About    About
	// Engine answers with the experts, on the Router's base network. With nil,
	// requests are routed only. Several deployments may have the same.
	Engine *Engine
	// Free, if not nil, is called once nobody uses the deployment any more, after
	// the router is closed.
	Free func() error
}

// Close frees the deployment, which nobody uses.
func (d *Deployment) Close() error {
	var err error
	if d.Router != nil {
		err = d.Router.Close()
	}
	if d.Free != nil {
		err = errors.Join(err, d.Free())
	}
	return err
}

// About describes a deployment in answers of /health and /experts.
type About struct {
	Release  string   `json:"release,omitempty"`
	Run      string   `json:"run_name"`
	Dataset  string   `json:"dataset_name"`
	Rung     string   `json:"rung"`
	Model    string   `json:"model"` // the base model
	Spec     string   `json:"router_spec_sha256"`
	Digest   string   `json:"router_sha256"` // of the router's files
	Accuracy *float64 `json:"eval_accuracy"` // held out, 0 to 1; null if unknown
	Deployed string   `json:"deployed_at,omitempty"`
}

// Source opens the router that is to be served. If that is still the one of
// version have, it returns nil. It is called by one goroutine at a time.
type Source func(ctx context.Context, have string) (*Deployment, error)

// Server answers requests. Make one with New.
type Server struct {
	Options
	mux      *http.ServeMux
	metrics  *metrics
	users    *watched[tokens]
	admins   *watched[tokens]
	cert     *watched[*tls.Certificate]
	sites    *http.CrossOriginProtection // lets pages of Options.Origin call
	fetcher  *fetcher                    // of pictures on other servers
	decoders chan struct{}               // one element for each picture that is decoded
	queue    chan struct{}               // one element for each request at work or waiting
	inbox    inbox                       // of the bodies that are coming in
	reload   chan struct{}               // asks for a look at the Source
	now      slot                        // the deployment in use
	started  time.Time
}

// New returns a server that Run starts.
func New(o Options) (*Server, error) {
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("server: %w", err)
	}
	s := &Server{Options: o.withDefaults(), metrics: newMetrics(), reload: make(chan struct{}, 1), started: time.Now()}
	s.now.idle = make(chan struct{})
	s.now.closed = func(err error) {
		if err != nil {
			s.Log.Warn("router does not close", "error", err)
		}
	}
	s.metrics.watch(s)
	s.decoders = make(chan struct{}, maxDecoders)
	s.queue = make(chan struct{}, s.MaxQueue)
	s.inbox.free = inboxBodies * max(s.MaxBody, s.maxUnion())
	s.fetcher = newFetcher(s.ImageHosts, s.MaxImage)
	s.sites = http.NewCrossOriginProtection()
	if s.Origin != "" && s.Origin != "*" {
		if err := s.sites.AddTrustedOrigin(s.Origin); err != nil {
			return nil, fmt.Errorf("server: %w", err)
		}
	}
	if err := s.openFiles(); err != nil {
		return nil, err
	}
	s.mux = s.routes()
	return s, nil
}

// openFiles reads the tokens and the certificate.
func (s *Server) openFiles() error {
	var errs [3]error
	s.users, errs[0] = watch(s.Log, func() (tokens, error) { return readTokens(s.TokenFile) }, s.TokenFile)
	s.admins, errs[1] = watch(s.Log, func() (tokens, error) { return readTokens(s.AdminTokenFile) }, s.AdminTokenFile)
	s.cert, errs[2] = watch(s.Log, func() (*tls.Certificate, error) {
		c, err := tls.LoadX509KeyPair(s.CertFile, s.KeyFile)
		return &c, err
	}, s.CertFile, s.KeyFile)
	return errors.Join(errs[:]...)
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
	web := s.web()
	watching, stop := context.WithCancel(ctx)
	defer stop()
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		s.watch(watching)
	}()
	served := make(chan error, 1)
	go func() { served <- s.listen(web, l) }()
	s.Log.Info("listening", "address", l.Addr().String())
	var err error
	select {
	case err = <-served:
	case <-ctx.Done():
		err = s.end(context.WithoutCancel(ctx), web)
	}
	stop()
	<-watched
	s.now.close()
	return err
}

// web returns what speaks HTTP. There is no limit of the time for an answer:
// each piece of it has one of its own, see exchange.Write.
func (s *Server) web() *http.Server {
	return &http.Server{
		Handler: s, ReadHeaderTimeout: s.HeaderTime, ReadTimeout: s.ClientTime, IdleTimeout: idleTime, MaxHeaderBytes: maxHeader,
		ErrorLog: slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug),
		TLSConfig: &tls.Config{
			MinVersion:     tls.VersionTLS12,
			GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return s.cert.get(), nil },
		},
	}
}

// listen serves on l, with TLS if there is a certificate.
func (s *Server) listen(web *http.Server, l net.Listener) error {
	if s.CertFile == "" {
		return web.Serve(l)
	}
	return web.ServeTLS(l, "", "")
}

// end lets the requests under way finish. Until they have, new ones are told to
// go elsewhere, and /health says why.
func (s *Server) end(ctx context.Context, web *http.Server) error {
	s.now.drain()
	patience, cancel := context.WithTimeout(ctx, s.Drain)
	defer cancel()
	select {
	case <-s.now.idle:
	case <-patience.Done():
	}
	err := web.Shutdown(patience)
	if err != nil {
		err = errors.Join(fmt.Errorf("requests were cut off after %v: %w", s.Drain, err), web.Close())
	}
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
			_ = d.Close() // nobody used it
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
