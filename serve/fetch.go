package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// fetcher gets pictures from other servers, if their hosts are on a list and
// their addresses are public: a client must not be able to look through this
// server's eyes at what only this server can reach.
type fetcher struct {
	hosts  []allowed
	limit  int64 // bytes of a picture
	client *http.Client
	lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)
	dial   func(ctx context.Context, network, address string) (net.Conn, error)
}

// The limits of a fetch.
const (
	fetchTime    = 15 * time.Second
	maxRedirects = 3
)

// newFetcher returns a fetcher for a list of hosts.
func newFetcher(hosts []string, limit int64) *fetcher {
	f := &fetcher{limit: limit, lookup: net.DefaultResolver.LookupNetIP, dial: (&net.Dialer{Timeout: fetchTime}).DialContext}
	for _, h := range hosts {
		a, _ := parseHost(h) // Options.check did already
		f.hosts = append(f.hosts, a)
	}
	f.client = &http.Client{
		Timeout: fetchTime,
		Transport: &http.Transport{ // without a proxy, which would look names up by itself
			DialContext: f.connect, DisableKeepAlives: true, MaxResponseHeaderBytes: maxHeader, TLSHandshakeTimeout: fetchTime,
			ResponseHeaderTimeout: fetchTime,
		},
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) > maxRedirects {
				return fmt.Errorf("more than %d redirects", maxRedirects)
			}
			return f.check(r.URL)
		},
	}
	return f
}

// allowed is a host that pictures are fetched from.
type allowed struct {
	host string // lower case
	sub  bool   // stands for what is below host
	port string // "" for the port of the scheme
}

// What names of hosts and ports are made of.
var (
	hostPattern = regexp.MustCompile(`^[a-z0-9-]+(\.[a-z0-9-]+)*$`)
	portPattern = regexp.MustCompile(`^[0-9]{0,5}$`)
)

// parseHost reads "example.com", "*.example.com" or "example.com:8443".
func parseHost(text string) (allowed, error) {
	a := allowed{host: strings.ToLower(text)}
	if host, port, err := net.SplitHostPort(a.host); err == nil {
		a.host, a.port = host, port
	}
	a.host, a.sub = strings.CutPrefix(a.host, "*.")
	_, err := netip.ParseAddr(a.host)
	if !hostPattern.MatchString(a.host) && err != nil || !portPattern.MatchString(a.port) {
		return a, fmt.Errorf("host %q of pictures: want example.com, *.example.com or example.com:8443", text)
	}
	return a, nil
}

// matches reports whether a URL is on the host.
func (a allowed) matches(u *url.URL) bool {
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	if a.sub && !strings.HasSuffix(host, "."+a.host) || !a.sub && host != a.host {
		return false
	}
	port := u.Port()
	return port == a.port || port == "" && a.port == standardPorts[u.Scheme] || a.port == "" && port == standardPorts[u.Scheme]
}

// standardPorts are those of the schemes that are fetched.
var standardPorts = map[string]string{"http": "80", "https": "443"}

// check refuses a URL that is not to be fetched. The errors do not repeat it: it
// may hold a key.
func (f *fetcher) check(u *url.URL) error {
	switch {
	case len(f.hosts) == 0:
		return errors.New("this server fetches no pictures: send them as data:image/png;base64,…")
	case standardPorts[u.Scheme] == "":
		return fmt.Errorf("scheme %.20q, want http, https or data", u.Scheme)
	case u.User != nil:
		return errors.New("URL with a user's name, want none")
	case !slices.ContainsFunc(f.hosts, func(a allowed) bool { return a.matches(u) }):
		return fmt.Errorf("host %.100q is not one that pictures are fetched from", u.Host)
	}
	return nil
}

// get returns the file at a URL.
func (f *fetcher) get(ctx context.Context, address string) ([]byte, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("URL that is not well formed")
	}
	if err := f.check(u); err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, errors.New("URL that is not well formed")
	}
	r.Header.Set("Accept", "image/png, image/jpeg, image/webp")
	w, err := f.client.Do(r)
	if err != nil {
		if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
			err = wrapped.Err // without the URL
		}
		return nil, err
	}
	file, err := f.receive(w)
	return file, errors.Join(err, w.Body.Close())
}

// receive reads an answer.
func (f *fetcher) receive(w *http.Response) ([]byte, error) {
	if w.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("host answers with status %d", w.StatusCode)
	}
	file, err := io.ReadAll(io.LimitReader(w.Body, f.limit+1))
	if err == nil && int64(len(file)) > f.limit {
		err = fmt.Errorf("more than %d bytes", f.limit)
	}
	return file, err
}

// connect looks a host up and connects to one of its addresses. What was looked
// at is what is connected to, so an answer that changes is of no use.
func (f *fetcher) connect(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	addresses, err := f.addresses(ctx, host)
	if err != nil {
		return nil, err
	}
	for _, a := range addresses {
		var c net.Conn
		if c, err = f.dial(ctx, network, net.JoinHostPort(a.String(), port)); err == nil {
			return c, nil
		}
	}
	return nil, fmt.Errorf("host does not answer: %w", err)
}

// addresses returns those of a host. If one of them is not public, none is used.
func (f *fetcher) addresses(ctx context.Context, host string) ([]netip.Addr, error) {
	list := []netip.Addr{}
	if a, err := netip.ParseAddr(host); err == nil {
		list = append(list, a)
	} else if list, err = f.lookup(ctx, "ip", host); err != nil || len(list) == 0 {
		return nil, fmt.Errorf("host %.100q has no address", host)
	}
	for i, a := range list {
		list[i] = a.Unmap().WithZone("")
		if !public(list[i]) {
			return nil, fmt.Errorf("host %.100q has an address that is not public", host)
		}
	}
	return list, nil
}

// reserved are ranges that are not public beside those that package netip knows:
// of this network, of providers, of protocols and documents, and those in which
// an address of version 4 can hide.
var reserved = prefixes("0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
	"240.0.0.0/4", "::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "fec0::/10")

func prefixes(list ...string) []netip.Prefix {
	var ps []netip.Prefix
	for _, text := range list {
		ps = append(ps, netip.MustParsePrefix(text))
	}
	return ps
}

// public reports whether everybody can reach an address.
func public(a netip.Addr) bool {
	return a.IsGlobalUnicast() && !a.IsPrivate() && !slices.ContainsFunc(reserved, func(p netip.Prefix) bool { return p.Contains(a) })
}
