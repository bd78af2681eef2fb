// Package tensorboard shows the event files of training runs on a web page:
// curves, compared over runs, texts and pictures (specification mole, 12). It
// reads the files of stock TensorBoard's writers, too, and only reads: a run may
// be writing them. Nothing is fetched from other hosts.
package tensorboard

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Root is a folder with runs in it, at any depth.
type Root struct {
	Name string // for people
	Path string // the folder on this machine; there may be none yet
	FS   fs.FS  // the same
}

// Options says what a server shows. The zero value of a field means the
// default in its comment.
type Options struct {
	Roots   []Root        // none is an error
	Pause   time.Duration // between two looks at the folders at least, 2 s
	Drain   time.Duration // for requests under way at the end, 5 s
	Version string        // of the program
	Log     *slog.Logger  // nil for none
}

// The limits that are not options.
const (
	maxHeader  = 32 << 10 // bytes of all headers
	headerTime = 10 * time.Second
	answerTime = 2 * time.Minute
	idleTime   = 2 * time.Minute
)

// Server shows runs. Make one with New.
type Server struct {
	Options
	mux   *http.ServeMux
	board board
	local bool // only this machine can connect
}

// New returns a server that Run starts.
func New(o Options) (*Server, error) {
	if len(o.Roots) == 0 {
		return nil, errors.New("runs: no folder to look for them")
	}
	if o.Pause == 0 {
		o.Pause = 2 * time.Second
	}
	if o.Drain == 0 {
		o.Drain = 5 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{Options: o}
	s.board = board{roots: o.Roots, pause: o.Pause, loaded: map[string]*entry{}}
	var err error
	s.mux, err = s.routes()
	return s, err
}

// Run serves on l until ctx ends; then it lets the requests under way finish and
// returns nil. It returns early if l fails.
func (s *Server) Run(ctx context.Context, l net.Listener) error {
	s.local = isLocal(l.Addr())
	web := &http.Server{
		Handler: s, ReadHeaderTimeout: headerTime, ReadTimeout: headerTime, WriteTimeout: answerTime, IdleTimeout: idleTime, MaxHeaderBytes: maxHeader,
		ErrorLog: slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug),
	}
	served := make(chan error, 1)
	go func() { served <- web.Serve(l) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.Drain)
	defer cancel()
	err := web.Shutdown(patience)
	if err != nil {
		err = errors.Join(fmt.Errorf("requests were cut off after %v: %w", s.Drain, err), web.Close())
	}
	if end := <-served; !errors.Is(end, http.ErrServerClosed) {
		err = errors.Join(err, end)
	}
	return err
}

// isLocal reports whether only programs of this machine reach an address.
func isLocal(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}
