package hub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Client talks to one hub. It is safe for concurrent use.
type Client struct {
	o        Options
	endpoint *url.URL
	// transport sends requests. An http.Client would follow redirects, and take
	// the token along to some of them.
	transport http.RoundTripper
}

// New returns a client.
func New(o Options) (*Client, error) {
	o = o.withDefaults()
	u, err := url.Parse(o.Endpoint)
	if err != nil || u.Host == "" || !isWeb(u) || u.RawQuery != "" {
		return nil, fmt.Errorf("hub %.200q: want the URL of a hub, as https://huggingface.co", o.Endpoint)
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DisableCompression = true // lengths and ranges are those of the file
	t.MaxIdleConnsPerHost = o.Jobs
	return &Client{o: o, endpoint: u, transport: t}, nil
}

// isWeb reports whether a URL is of a web server.
func isWeb(u *url.URL) bool { return u.Scheme == "https" || u.Scheme == "http" }

// permanent is an error that another try would meet again.
type permanent struct{ error }

// Unwrap returns the error inside.
func (e permanent) Unwrap() error { return e.error }

// forGood marks an error as permanent.
func forGood(format string, args ...any) error { return permanent{fmt.Errorf(format, args...)} }

// StatusError is an answer of a hub that is no success.
type StatusError struct {
	Code    int
	Where   string        // host and path; the rest of a URL may hold secrets
	Message string        // the hub's own words, if it has any
	After   time.Duration // it asked to wait that long
}

// Error implements error.
func (e *StatusError) Error() string {
	text := fmt.Sprintf("%s: status %d %s", e.Where, e.Code, http.StatusText(e.Code))
	if e.Message != "" {
		text += ": " + e.Message
	}
	switch e.Code {
	case http.StatusUnauthorized, http.StatusForbidden:
		text += "; the model may not exist, or ask for a token (HF_TOKEN) of a user who accepted its terms"
	case http.StatusNotFound:
		text += "; there is no such model or revision"
	}
	return text
}

// passing reports whether the same request may do better later.
func (e *StatusError) passing() bool {
	return e.Code >= 500 || e.Code == http.StatusTooManyRequests || e.Code == http.StatusRequestTimeout
}

// answer is what a hub said, after redirects.
type answer struct {
	*http.Response
	hub http.Header // of the hub itself; a redirect leads elsewhere
}

// maxHops bounds redirects.
const maxHops = 8

// get asks for u, from the byte first on, and follows redirects. The caller
// closes the body, and ends ctx if that takes too long.
func (c *Client) get(ctx context.Context, u *url.URL, first int64) (*answer, error) {
	a := &answer{}
	for range maxHops {
		resp, err := c.ask(ctx, u, first)
		if err != nil {
			return nil, err
		}
		if a.hub == nil {
			a.hub = resp.Header
		}
		if resp.StatusCode < 300 {
			a.Response = resp
			return a, nil
		}
		next, err := redirected(resp, u)
		_ = resp.Body.Close() // nothing of it is used
		if err != nil {
			return nil, err
		}
		u = next
	}
	return nil, forGood("%s: more than %d redirects", place(u), maxHops)
}

// ask sends one request.
func (c *Client) ask(ctx context.Context, u *url.URL, first int64) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, permanent{err}
	}
	req.Header.Set("User-Agent", "mole")
	req.Header.Set("Accept-Encoding", "identity")
	if first > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", first))
	}
	if c.o.Token != "" && c.trusted(u) {
		req.Header.Set("Authorization", "Bearer "+c.o.Token)
	}
	resp, err := c.transport.RoundTrip(req)
	switch {
	case err != nil && ctx.Err() != nil:
		err = context.Cause(ctx)
	case err != nil:
		err = fmt.Errorf("%s: %w", place(u), err)
	}
	return resp, err
}

// trusted reports whether the token may be sent with a request.
func (c *Client) trusted(u *url.URL) bool {
	if u.Scheme != c.endpoint.Scheme || u.Host != c.endpoint.Host {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Scheme == "https" || u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// place returns the part of a URL that may be shown.
func place(u *url.URL) string { return u.Host + u.Path }

// redirected returns where a response that is no success leads.
func redirected(resp *http.Response, from *url.URL) (*url.URL, error) {
	switch resp.StatusCode {
	case 301, 302, 303, 307, 308:
	default:
		return nil, statusError(resp, from)
	}
	to, err := from.Parse(resp.Header.Get("Location"))
	switch {
	case err != nil:
		return nil, forGood("%s: redirect to no URL", place(from))
	case !isWeb(to) || to.Host == "" || from.Scheme == "https" && to.Scheme != "https":
		return nil, forGood("%s: redirect to %.200s://%.200s, want https", place(from), to.Scheme, to.Host)
	}
	return to, nil
}

// statusError returns the error of a response.
func statusError(resp *http.Response, from *url.URL) error {
	e := &StatusError{Code: resp.StatusCode, Where: place(from), Message: printable(resp.Header.Get("X-Error-Message"))}
	if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && s > 0 {
		const most = 60
		e.After = time.Duration(min(s, most)) * time.Second
	}
	if !e.passing() {
		return permanent{e}
	}
	return e
}

// printable returns a text of a server in a form that is fit for a terminal.
func printable(text string) string {
	const most = 200
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, text)
	return text[:min(len(text), most)]
}

// errStalled ends a request that brings nothing.
var errStalled = errors.New("no byte for too long")

// watch calls f with a context that ends when alive was not called for as long
// as a connection may bring nothing.
func (c *Client) watch(ctx context.Context, f func(ctx context.Context, alive func()) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	timer := time.AfterFunc(c.o.Stall, func() { cancel(errStalled) })
	defer timer.Stop()
	err := f(ctx, func() { timer.Reset(c.o.Stall) })
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx) // rather than what followed from it
	}
	return err
}

// enough is how many bytes show that a connection that breaks again and again
// still leads somewhere.
const enough = 256 << 10

// retry calls f until it succeeds, fails for good, or failed that often in a row
// without bringing enough bytes.
func (c *Client) retry(ctx context.Context, attempts int, f func() (int64, error)) error {
	var brought int64
	for failed := 0; ; {
		n, err := f()
		if brought += n; brought >= enough {
			failed, brought = 0, 0
		}
		failed++
		if err == nil || ctx.Err() != nil || errors.As(err, new(permanent)) || failed >= attempts {
			return err
		}
		pause := c.o.Pause << min(failed-1, 5)
		pause += time.Duration(rand.Int64N(int64(pause)/2 + 1)) // several clients must not return together
		if s := (*StatusError)(nil); errors.As(err, &s) {
			pause = max(pause, s.After)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pause):
		}
	}
}

// maxAnswer bounds the answers that are held in memory, in bytes.
const maxAnswer = 4 << 20

// text returns the body of the answer at u, and the headers of the hub.
func (c *Client) text(ctx context.Context, u *url.URL) (body []byte, header http.Header, err error) {
	// Nothing has come yet that would be lost: whoever is offline should soon be
	// told.
	err = c.retry(ctx, (c.o.Attempts+1)/2, func() (int64, error) {
		err := c.watch(ctx, func(ctx context.Context, alive func()) error {
			a, err := c.get(ctx, u, 0)
			if err != nil {
				return err
			}
			defer func() { _ = a.Body.Close() }() // all that is wanted was read
			header = a.Header
			body, err = io.ReadAll(io.LimitReader(reader{a.Body, alive}, maxAnswer+1))
			if err == nil && len(body) > maxAnswer {
				err = forGood("%s: answer longer than %d bytes", place(u), maxAnswer)
			}
			return err
		})
		return 0, err
	})
	return body, header, err
}

// reader tells that bytes come.
type reader struct {
	io.Reader
	alive func()
}

// Read implements [io.Reader].
func (r reader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if n > 0 {
		r.alive()
	}
	return n, err
}
