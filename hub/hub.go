// Package hub downloads published models from a Hugging Face hub into the cache
// that the Python tools share (docs/base.md), and finds them there without a
// network.
//
// A server is not trusted: a file gets its name in the cache only after its
// length and its hash are those that the hub lists; names and commits that would
// leave the cache are refused; what a server can make this package hold in
// memory is bounded; and the token goes to the hub alone. A broken download
// continues where it stopped, in this process or the next.
package hub

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// ErrAbsent says that a model is not in the cache.
var ErrAbsent = errors.New("not in the cache")

// ErrOffline says that a download was asked for where none is allowed.
var ErrOffline = errors.New("offline")

// Name names a model on a hub.
type Name struct {
	Owner, Model string
	Revision     string // branch, tag or commit; "" is the branch main
}

var (
	namePart = regexp.MustCompile(`^[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,94}[A-Za-z0-9_])?$`)
	revision = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.+-]*(?:/[A-Za-z0-9_][A-Za-z0-9_.+-]*)*$`)
	commitID = regexp.MustCompile(`^[0-9a-f]{40}$`)
	sha256ID = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// ParseName reads OWNER/NAME or OWNER/NAME@REVISION.
func ParseName(text string) (Name, error) {
	id, rev, marked := strings.Cut(text, "@")
	owner, model, _ := strings.Cut(id, "/")
	n := Name{owner, model, rev}
	for _, part := range []string{owner, model} {
		// Two hyphens stand for the slash in the cache.
		if !namePart.MatchString(part) || strings.Contains(part, "--") || strings.Contains(part, "..") {
			return Name{}, fmt.Errorf("model %.200q: want OWNER/NAME or OWNER/NAME@REVISION", text)
		}
	}
	if marked && rev == "" {
		return Name{}, fmt.Errorf("model %.200q: no revision after @", text)
	}
	return n, n.check()
}

// check refuses a revision that is no name, such as one that would leave the
// folder of references.
func (n Name) check() error {
	if n.Revision != "" && (!revision.MatchString(n.Revision) || len(n.Revision) > 200 || strings.Contains(n.Revision, "..")) {
		return fmt.Errorf("model %s/%s: revision %.200q: want a branch, a tag or a commit", n.Owner, n.Model, n.Revision)
	}
	return nil
}

// ID returns OWNER/NAME.
func (n Name) ID() string { return n.Owner + "/" + n.Model }

// String returns OWNER/NAME, with @REVISION if there is one.
func (n Name) String() string {
	if n.Revision == "" {
		return n.ID()
	}
	return n.ID() + "@" + n.Revision
}

// rev returns the revision, which is never "".
func (n Name) rev() string {
	if n.Revision == "" {
		return "main"
	}
	return n.Revision
}

// Options says where a client downloads from and to. A number that is 0 means
// the default in its comment.
type Options struct {
	Endpoint string // URL of the hub, https://huggingface.co
	// Token identifies the user. It is sent to the endpoint only, and in the
	// clear only to this machine.
	Token   string
	Offline bool  // nothing may be downloaded
	Cache   Cache // where to
	Jobs    int   // files at once, 4
	// Progress, if not nil, is told how many bytes of how many are there. Calls
	// do not overlap. A file that has to be begun again counts down.
	Progress func(done, total int64)

	Attempts int           // tries in a row that bring nothing before it is given up, 6
	Pause    time.Duration // after the first such try; it doubles, 500 ms
	Stall    time.Duration // without a byte before a connection counts as dead, 30 s
}

// withDefaults returns o with the defaults filled in.
func (o Options) withDefaults() Options {
	if o.Endpoint == "" {
		o.Endpoint = "https://huggingface.co"
	}
	for _, n := range []struct {
		value *int
		usual int
	}{{&o.Jobs, 4}, {&o.Attempts, 6}} {
		if *n.value < 1 {
			*n.value = n.usual
		}
	}
	for _, d := range []struct {
		value *time.Duration
		usual time.Duration
	}{{&o.Pause, 500 * time.Millisecond}, {&o.Stall, 30 * time.Second}} {
		if *d.value <= 0 {
			*d.value = d.usual
		}
	}
	return o
}
