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

	"mole/generate"
	"mole/serve"
)

// serveCmd is mole serve.
type serveCmd struct {
	routerFlags
	writerFlags
	Addr           string        `default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"Where to listen; :8080 is every network of this machine. Default: 127.0.0.1:8080."`
	AuthTokenFile  string        `placeholder:"FILE" help:"File of the tokens that requests must carry as Authorization: Bearer TOKEN: lines of mole token, or one token as it is."`
	AdminTokenFile string        `placeholder:"FILE" help:"File of the tokens that may load and unload adapters. Without it nobody may."`
	TLSCert        string        `name:"tls-cert" placeholder:"FILE" help:"Certificate, PEM. It is read again when it changes."`
	TLSKey         string        `name:"tls-key" placeholder:"FILE" help:"Key of the certificate, PEM."`
	AllowOrigin    string        `aliases:"origin" placeholder:"ORIGIN" help:"Web pages that may call: https://example.com, or * for all. Default: none."`
	MaxQueue       int           `default:"16" placeholder:"N" help:"Requests that are worked on or wait; one more is answered with 503. Default: 16."`
	Networks       int           `default:"1" placeholder:"N" help:"Pictures that are routed at the same time; the cores are divided. Default: 1."`
	Watch          time.Duration `default:"30s" placeholder:"TIME" help:"Time between two looks for a newly deployed router. SIGHUP looks at once. Default: 30s."`
	Timeout        time.Duration `placeholder:"TIME" help:"Time for a decision, and for the first piece of an answer. Default: profiles.yaml's, 60s."`
	AnswerTimeout  time.Duration `default:"10m" placeholder:"TIME" help:"Time for a whole answer. Default: 10m."`
	Drain          time.Duration `default:"10s" placeholder:"TIME" help:"Time for requests under way when the server is stopped. Default: 10s."`

	Unsure         string   `default:"error" placeholder:"WHAT" help:"What to do when the router is unsure: error, base, or expert:NAME. Default: error."`
	Constrain      string   `enum:",tool-call" default:"" placeholder:"NAME" help:"tool-call: answers of experts that use a computer are calls and nothing else. Default: free."`
	MaxImageTokens int      `default:"1024" placeholder:"N" help:"Tokens of a picture, where the adapter does not say what it was trained with. Default: 1024."`
	MaxNewTokens   int      `default:"512" placeholder:"N" help:"Tokens of an answer, where the request does not say. Default: 512."`
	ImageHost      []string `placeholder:"HOST" help:"Host that pictures may be fetched from: example.com, *.example.com, example.com:8443. Default: none."`
	OCR            string   `name:"ocr" placeholder:"URL" help:"Service that reads text. Default: none."`
}

// Help shows how the command is used.
func (*serveCmd) Help() string {
	return `Serves the deployed router over HTTP until it is stopped; docs/serving.md has the requests. It answers at once, with 503 until the router is open, and changes to a newly deployed router without dropping a request.

    mole serve
    mole token me >> tokens && mole serve --addr :8080 --auth-token-file tokens --tls-cert cert.pem --tls-key key.pem
    mole serve --bundle routers/demo --rung linear --unsure base` + exitHelp
}

// Run serves.
func (c *serveCmd) Run(ctx context.Context, out io.Writer, errs errorWriter) (err error) {
	c.Verbose = true // a server's log is what one has of it
	ch, err := c.open(out, errs)
	if err != nil {
		return err
	}
	defer ch.finish(&err)
	j := ch.job("serve")
	defer j.bound()()
	o := c.options(ch)
	o.Timeout = cmp.Or(c.Timeout, j.Timeout)
	s, err := serve.New(o)
	if err != nil {
		return err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.Addr)
	if err != nil {
		return err
	}
	scheme := "http"
	if c.TLSCert != "" {
		scheme = "https"
	}
	ch.say("%s://%s", scheme, l.Addr())
	defer reloadOnHangup(s)()
	return s.Run(ctx, l)
}

// options returns what the flags say.
func (c *serveCmd) options(ch *chain) serve.Options {
	return serve.Options{
		Source: c.source(ch, c.Networks, newWriters(ch, c.routerFlags, c.writerFlags)), Watch: c.Watch, MaxQueue: c.MaxQueue, AnswerTime: c.AnswerTimeout, Drain: c.Drain,
		TokenFile: c.AuthTokenFile, AdminTokenFile: c.AdminTokenFile, CertFile: c.TLSCert, KeyFile: c.TLSKey, Origin: c.AllowOrigin,
		ImageHosts: c.ImageHost, AdapterRoot: c.Adapters, OCR: c.OCR, Unsure: serve.Unsure(c.Unsure), Constrain: generate.Constraint(c.Constrain),
		MaxImageTokens: c.MaxImageTokens, MaxTokens: c.MaxNewTokens, Version: readBuild().Version, Log: ch.Log,
	}
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
