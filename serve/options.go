package serve

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"mole/expert"
	"mole/generate"
)

// Options says how a server behaves. The zero value of a field means the
// default in its comment.
type Options struct {
	Source   Source        // none is an error
	Watch    time.Duration // between two looks at the Source, 30 s; negative for none
	MaxQueue int           // requests that are there and worked on or wait, 16; one more gets 503
	MaxImage int64         // bytes of a picture's file, 20 MB
	MaxBody  int64         // bytes of a request, twice MaxImage: base64 takes a third more

	TokenFile      string // tokens that requests must carry, see readTokens; "" for none
	AdminTokenFile string // tokens that changes of adapters must carry; "" refuses every change
	CertFile       string // PEM of the certificate, "" for no TLS
	KeyFile        string // PEM of its key
	Origin         string // web pages that may call, "*" for all, "" for none but those of this server

	// ImageHosts are the hosts that pictures are fetched from, "example.com",
	// "*.example.com" or "example.com:8443"; none fetches nothing.
	ImageHosts  []string
	AdapterRoot string // folder that adapters are loaded from; "" loads none
	OCR         string // URL of the service that reads text, "" for none

	Unsure         Unsure              // what to do about an unsure decision, UnsureError
	Constrain      generate.Constraint // of the answers of experts that use a computer
	MaxImageTokens int                 // of a picture for whom nobody trained to see it otherwise, 1024
	MaxTokens      int                 // of an answer, where the request does not say, 512

	HeaderTime time.Duration // for the headers of a request, 10 s
	ClientTime time.Duration // for a client to send a request, and to take a piece of the answer, 30 s
	Timeout    time.Duration // for routing, once the request is read, and for the first piece of an answer, 60 s
	AnswerTime time.Duration // for a whole answer, 10 min
	Drain      time.Duration // for requests under way at the end, 10 s
	Version    string        // of the program
	Log        *slog.Logger  // nil for none
}

// Unsure says what to do when the router is unsure: UnsureError, UnsureBase, or
// "expert:" and the name of one.
type Unsure string

// What to do when the router is unsure.
const (
	UnsureError  Unsure = "error" // refuse, with the probabilities
	UnsureBase   Unsure = "base"  // let the base network answer
	unsureExpert        = "expert:"
)

// expert returns the expert that answers instead, "" if none does.
func (u Unsure) expert() string {
	name, ok := strings.CutPrefix(string(u), unsureExpert)
	if !ok {
		return ""
	}
	return name
}

// check refuses what is none of those.
func (u Unsure) check() error {
	if u == "" || u == UnsureError || u == UnsureBase || expert.ValidName(u.expert()) {
		return nil
	}
	return fmt.Errorf("unsure %q, want %q, %q or %qNAME", u, UnsureError, UnsureBase, unsureExpert)
}

// The limits that are not options.
const (
	maxImage    = 20_000_000 // bytes
	maxPictures = 16         // of a request
	maxPrompt   = 32 << 10   // bytes of an instruction
	maxHeader   = 32 << 10   // bytes of all headers
	maxDecoders = 4          // pictures that are decoded at the same time: each may take 120 MB
	idleTime    = 2 * time.Minute
)

// withDefaults returns o with the defaults filled in.
func (o Options) withDefaults() Options {
	for _, d := range []struct {
		value *time.Duration
		def   time.Duration
	}{
		{&o.Watch, 30 * time.Second}, {&o.Timeout, time.Minute}, {&o.Drain, 10 * time.Second}, {&o.HeaderTime, 10 * time.Second},
		{&o.ClientTime, 30 * time.Second}, {&o.AnswerTime, 10 * time.Minute},
	} {
		if *d.value == 0 {
			*d.value = d.def
		}
	}
	for _, d := range []struct {
		value *int
		def   int
	}{{&o.MaxQueue, 16}, {&o.MaxImageTokens, 1024}, {&o.MaxTokens, 512}} {
		if *d.value == 0 {
			*d.value = d.def
		}
	}
	if o.MaxImage == 0 {
		o.MaxImage = maxImage
	}
	if o.MaxBody == 0 {
		o.MaxBody = 2*o.MaxImage + 8*maxPrompt
	}
	if o.Unsure == "" {
		o.Unsure = UnsureError
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// maxUnion returns the bytes of a request in the union format, whose picture is
// base64.
func (o Options) maxUnion() int64 { return o.MaxImage/3*4 + 2*maxPrompt }

// check refuses options that make no server.
func (o Options) check() error {
	if o.Source == nil {
		return errors.New("no source of routers")
	}
	for _, v := range []struct {
		name  string
		value int64
	}{
		{"queue", int64(o.MaxQueue)}, {"bytes of a picture", o.MaxImage}, {"bytes of a request", o.MaxBody},
		{"tokens of a picture", int64(o.MaxImageTokens)}, {"tokens of an answer", int64(o.MaxTokens)}, {"timeout", int64(o.Timeout)},
		{"time to drain", int64(o.Drain)}, {"time for headers", int64(o.HeaderTime)}, {"time of a client", int64(o.ClientTime)},
		{"time for an answer", int64(o.AnswerTime)},
	} {
		if v.value < 0 {
			return fmt.Errorf("%s of %d, want none below 0", v.name, v.value)
		}
	}
	if (o.CertFile == "") != (o.KeyFile == "") {
		return fmt.Errorf("certificate %q and key %q: want both or none", o.CertFile, o.KeyFile)
	}
	if o.Constrain != generate.Free && o.Constrain != generate.ToolCall {
		return fmt.Errorf("constraint %q, want %q or none", o.Constrain, generate.ToolCall)
	}
	return errors.Join(o.Unsure.check(), o.checkAddresses())
}

// checkAddresses refuses names of hosts and folders that cannot be meant.
func (o Options) checkAddresses() error {
	for _, h := range o.ImageHosts {
		if _, err := parseHost(h); err != nil {
			return err
		}
	}
	if o.OCR != "" {
		if err := checkService(o.OCR); err != nil {
			return err
		}
	}
	if o.AdapterRoot == "" {
		return nil
	}
	info, err := os.Stat(o.AdapterRoot)
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s is no folder", o.AdapterRoot)
	}
	return err
}
