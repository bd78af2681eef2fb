package dataset

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Stamp is the layout of the local time that ends the name of a dataset. Names
// of one kind sort by it, the newest last (3.1).
const Stamp = "20060102_150405"

// Name is what the name of a dataset says (3.1). Parts that it does not hold
// are empty.
type Name struct {
	Expert     string // "calendar"; "routing", "router_linked", "router_from_experts" for sets of several experts
	Researcher string // "aggregated" for the text crops of several experts
	Experiment string
	Time       time.Time // local, whole seconds
}

var (
	stampedName  = regexp.MustCompile(`^(.+?)(--|-|_)(\d{8}_\d{6})$`)
	namePart     = regexp.MustCompile(`^[A-Za-z0-9]+(?:[-_.]?[A-Za-z0-9]+)*$`)
	severalNames = []string{"routing", "router_linked", "router_from_experts"}
)

// ParseName reads the name of a dataset, with or without a leading "datasets/".
// It takes every form of 3.1: parts parted by two hyphens, and the older ones
// with one hyphen or an underline before the time. There the researcher cannot
// be told from the end of the expert's name: the longest of the known experts
// that fits decides, else the last hyphen does.
func ParseName(s string, known ...string) (Name, error) {
	base := BaseName(s)
	m := stampedName.FindStringSubmatch(base)
	if m == nil {
		return Name{}, fmt.Errorf("dataset name %q does not end in a time: want <expert>--<researcher>--YYYYMMDD_HHMMSS or routing_YYYYMMDD_HHMMSS", s)
	}
	at, err := time.ParseInLocation(Stamp, m[3], time.Local)
	if err != nil {
		return Name{}, fmt.Errorf("dataset name %q: %s is no time: want YYYYMMDD_HHMMSS", s, m[3])
	}
	n := Name{Time: at}
	if m[2] == "--" {
		err = n.split(strings.Split(m[1], "--"))
	} else {
		n.splitOld(m[1], m[2], known)
	}
	if err == nil {
		err = n.check()
	}
	if err != nil {
		return Name{}, fmt.Errorf("dataset name %q: %w", s, err)
	}
	return n, nil
}

// BaseName strips what a name may carry as an argument: a leading "datasets/"
// and slashes at the ends (3.1, K-27).
func BaseName(s string) string {
	s = strings.Trim(strings.TrimPrefix(s, "./"), "/")
	return strings.Trim(strings.TrimPrefix(s, "datasets/"), "/")
}

// split takes the parts between two hyphens.
func (n *Name) split(parts []string) error {
	if len(parts) > 3 {
		return fmt.Errorf("%d parts before the time, want <expert>--<researcher> or <expert>--<researcher>--<experiment>", len(parts))
	}
	for i, field := range []*string{&n.Expert, &n.Researcher, &n.Experiment}[:len(parts)] {
		*field = parts[i]
	}
	return nil
}

// splitOld takes "<expert>-<researcher>" before a hyphen, "<expert>" before an
// underline.
func (n *Name) splitOld(s, mark string, known []string) {
	n.Expert = s
	if slices.Contains(known, s) {
		return
	}
	at := -1
	if mark == "-" {
		at = strings.LastIndexByte(s, '-')
	}
	longest := 0
	for _, k := range known {
		if len(k) > longest && len(k) < len(s) && strings.HasPrefix(s, k) && (s[len(k)] == '-' || s[len(k)] == '_') {
			longest, at = len(k), len(k)
		}
	}
	if at > 0 {
		n.Expert, n.Researcher = s[:at], s[at+1:]
	}
}

// check looks at the parts.
func (n *Name) check() error {
	for _, part := range []string{n.Expert, n.Researcher, n.Experiment} {
		if part != "" && !namePart.MatchString(part) {
			return fmt.Errorf("part %q: want letters, digits, and single hyphens, dots or underlines between them", part)
		}
	}
	return nil
}

// String returns the name in the present form (3.1).
func (n Name) String() string {
	stamp := n.Time.Format(Stamp)
	if n.Researcher == "" && slices.Contains(severalNames, n.Expert) {
		return n.Expert + "_" + stamp
	}
	parts := []string{n.Expert}
	for _, part := range []string{n.Researcher, n.Experiment} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(append(parts, stamp), "--")
}

// Newest returns the newest of the names that are datasets of an expert, or of
// "routing". Names that are no datasets are passed over. Of two with the same
// time the last in the order of bytes counts.
func Newest(names []string, expert string) (string, bool) {
	best, found, at := "", false, time.Time{}
	for _, s := range names {
		n, err := ParseName(s, expert)
		if err != nil || n.Expert != expert {
			continue
		}
		if !found || n.Time.After(at) || n.Time.Equal(at) && s > best {
			best, found, at = s, true, n.Time
		}
	}
	return best, found
}
