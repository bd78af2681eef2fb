package main

import (
	"cmp"
	"context"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"mole/serve"
)

// serveCmd is mole serve.
type serveCmd struct {
	routerFlags
	Addr          string        `default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"Where to listen; :8080 is every network of this machine. Default: 127.0.0.1:8080."`
	AuthTokenFile string        `placeholder:"FILE" help:"File with the token that requests must carry as Authorization: Bearer TOKEN."`
	AllowOrigin   string        `default:"*" placeholder:"ORIGIN" help:"Web pages that may call. Default: all."`
	MaxQueue      int           `default:"16" placeholder:"N" help:"Requests that are worked on or wait; one more is answered with 503. Default: 16."`
	Networks      int           `default:"1" placeholder:"N" help:"Pictures that are routed at the same time; the cores are divided. Default: 1."`
	Watch         time.Duration `default:"30s" placeholder:"TIME" help:"Time between two looks for a newly deployed router. SIGHUP looks at once. Default: 30s."`
	Timeout       time.Duration `placeholder:"TIME" help:"Time for one answer. Default: profiles.yaml's, 60s."`
	Drain         time.Duration `default:"10s" placeholder:"TIME" help:"Time for requests under way when the server is stopped. Default: 10s."`
}

// Help shows how the command is used.
func (*serveCmd) Help() string {
	return `Serves the deployed router over HTTP until it is stopped; docs/serving.md has the requests. It answers at once, with 503 until the router is open, and changes to a newly deployed router without dropping a request.

    mole serve
    mole serve --addr :8080 --auth-token-file token
    mole serve --bundle routers/demo --rung linear` + exitHelp
}

// Run serves.
func (c *serveCmd) Run(ctx context.Context, out io.Writer, errs errorWriter) (err error) {
	c.Verbose = true // a server's log is what one has of it
	ch, err := c.open(out, errs)
	if err != nil {
		return err
	}
	defer ch.finish(&err)
	token := ""
	if c.AuthTokenFile != "" {
		if token, err = serve.ReadToken(c.AuthTokenFile); err != nil {
			return err
		}
	}
	j := ch.job("serve")
	defer j.bound()()
	s, err := serve.New(serve.Options{
		Source: c.source(ch, c.Networks), Watch: c.Watch, MaxQueue: c.MaxQueue, Token: token, Origin: c.AllowOrigin,
		Timeout: cmp.Or(c.Timeout, j.Timeout), Drain: c.Drain, Version: readBuild().Version, Log: ch.Log,
	})
	if err != nil {
		return err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.Addr)
	if err != nil {
		return err
	}
	ch.say("http://%s", l.Addr())
	defer reloadOnHangup(s)()
	return s.Run(ctx, l)
}

// reloadOnHangup makes SIGHUP look for another router until the returned
// function is called.
func reloadOnHangup(s *serve.Server) (stop func()) {
	hangups, done := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(hangups, syscall.SIGHUP)
	go func() {
		defer close(done)
		for range hangups {
			s.Reload()
		}
	}()
	return func() {
		signal.Stop(hangups)
		close(hangups)
		<-done
	}
}
