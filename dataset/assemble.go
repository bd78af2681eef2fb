package dataset

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"mole/expert"
)

// Source is an expert with its dataset.
type Source struct {
	Expert expert.Expert
	Name   string // of the dataset; the first part of the paths of its pictures
	FS     fs.FS  // its folder; nil for a text-recognition expert that has only the crops of the others
}

// RoutingPrefix begins the names of routing sets.
const RoutingPrefix = "routing"

// AssembleOptions says what Assemble makes.
type AssembleOptions struct {
	Seed           uint64          // of every draw
	Train, Val     float64         // shares of an expert's count, truncated; both 0 for 0.8 and 0.2
	TestPerAdapter int             // records of each expert in test, besides its count
	Counts         map[string]int  // records in train and val together, by expert; 0 or less leaves it out
	AllowShort     bool            // take what there is where pictures are too few, all splits in proportion
	IncludeVal     bool            // draw from val.jsonl of the experts too
	KeepApart      bool            // keep pictures that look alike in one split where the counts allow
	NearBits       int             // of 256 difference bits that look-alikes may differ in, 0 for 16
	OwnOnly        map[string]bool // text-recognition experts that take no crops if they have a dataset
	Prefix         string          // begins the name, "" for RoutingPrefix
	Researcher     string          // for the name, may be empty
	Name           string          // of the set, "" to make it from Prefix, Researcher and Time
	Time           time.Time       // of creation, goes into name and metadata; zero for now
	Spec           json.RawMessage // router specification, for the metadata; may be nil
	Config         json.RawMessage // effective configuration, for the metadata; may be nil
	MoleVersion    string          // for the metadata
	Workers        int             // goroutines that decode pictures, 0 for one per processor
	// Progress, if not nil, is called from time to time with the number of
	// pictures decoded and to decode, by one goroutine at a time.
	Progress func(done, total int)
}

// SplitCounts are numbers of records.
type SplitCounts struct{ Train, Val, Test int }

// total returns the sum.
func (c SplitCounts) total() int { return c.Train + c.Val + c.Test }

// Shortage says that an expert has fewer distinct pictures than it needs.
type Shortage struct {
	Expert     string
	Have, Need int
	Want       SplitCounts
}

// ShortError lists the experts with too few distinct pictures.
type ShortError struct{ Shortages []Shortage }

// Error names each expert with what it has and needs.
func (e *ShortError) Error() string {
	parts := make([]string, len(e.Shortages))
	for i, s := range e.Shortages {
		parts[i] = fmt.Sprintf("%s has %d, needs %d (train %d, val %d, test %d)", s.Expert, s.Have, s.Need, s.Want.Train, s.Want.Val, s.Want.Test)
	}
	return "too few distinct pictures: " + strings.Join(parts, "; ") + "; make more, lower the counts, or allow short"
}

// AssembleReport says what went into a routing set, and what did not.
type AssembleReport struct {
	Adapters  []AdapterReport // by label
	Conflicts []Conflict      // pictures that several experts have, all left out
	Near      NearReport
}

// AdapterReport is about one expert.
type AdapterReport struct {
	Expert    string
	Label     int
	Source    string         // its dataset
	Pictures  int            // distinct ones, by their pixels, conflicts not counted
	Repeated  int            // picture files with the pixels of another one of the expert
	Want, Got SplitCounts    // records
	TaskTypes map[string]int // of the records taken
	Reading   Report         // what was changed in its dataset
}

// Conflict is a picture that several experts have.
type Conflict struct {
	Experts []string
	Images  []string // one path for each expert
}

// Assemble makes a routing set from the datasets of experts (5.1). Of each
// expert's training records it draws one for each distinct picture, spread over
// the task types, for the test split first. Pictures are compared by their
// pixels: none is in two splits or has two labels. A text-recognition expert
// gets the crops in ocr/images of all sources, and the records of its own
// dataset. Too few pictures are a *[ShortError]. The same input, options and
// seed give the same set, whatever the number of workers.
func Assemble(ctx context.Context, in []Source, o AssembleOptions) (*Routing, *AssembleReport, error) {
	table, err := sourceTable(in)
	if err != nil {
		return nil, nil, err
	}
	if err := o.complete(table); err != nil {
		return nil, nil, err
	}
	pools, err := gather(in, o)
	if err != nil {
		return nil, nil, err
	}
	if err := lookAtAll(ctx, pools, o.Workers, o.Progress); err != nil {
		return nil, nil, err
	}
	report := &AssembleReport{Conflicts: resolve(pools, o.Seed)}
	if err := plan(pools, o); err != nil {
		return nil, nil, err
	}
	for _, p := range pools {
		p.draw(o)
	}
	r := o.routing(pools, table)
	report.finish(pools, o)
	return r, report, nil
}

// complete fills in defaults and checks shares and counts.
func (o *AssembleOptions) complete(table expert.Table) error {
	for _, name := range slices.Sorted(maps.Keys(o.Counts)) {
		if _, ok := table.ByName(name); !ok && o.Counts[name] > 0 {
			return fmt.Errorf("expert %q has a count of %d and no dataset", name, o.Counts[name])
		}
	}
	if o.Train == 0 && o.Val == 0 {
		o.Train, o.Val = 0.8, 0.2
	}
	if o.Train < 0 || o.Val < 0 || o.Train+o.Val > 1+1e-9 {
		return fmt.Errorf("shares of train %v and val %v: want 0 or more, together at most 1", o.Train, o.Val)
	}
	if o.Time.IsZero() {
		o.Time = time.Now()
	}
	return nil
}

// sourceTable checks experts and names of datasets.
func sourceTable(in []Source) (expert.Table, error) {
	experts := make([]expert.Expert, len(in))
	for i, s := range in {
		experts[i] = s.Expert
		switch {
		case s.FS == nil && s.Expert.Kind != expert.OCR:
			return nil, fmt.Errorf("expert %q has no dataset", s.Expert.Name)
		case s.FS != nil && (!isLocal(s.Name) || strings.Contains(s.Name, "/")):
			return nil, fmt.Errorf("expert %q: dataset name %q: want the name of a folder", s.Expert.Name, s.Name)
		}
	}
	return expert.NewTable(experts)
}

// want returns how many records of an expert go where.
func (o *AssembleOptions) want(name string) SplitCounts {
	n := float64(o.Counts[name])
	truncate := func(f float64) int { return int(math.Floor(f + 1e-9)) } // 0.29·100 is 28.999...
	return SplitCounts{truncate(n * o.Train), truncate(n * o.Val), max(o.TestPerAdapter, 0)}
}

// plan sets what each pool gives. Too few pictures are an error, or scale all
// splits of the expert.
func plan(pools []*pool, o AssembleOptions) error {
	var short []Shortage
	for _, p := range pools {
		p.want = o.want(p.expert.Name)
		p.take = p.want
		if have, need := len(p.candidates), p.want.total(); have < need {
			short = append(short, Shortage{p.expert.Name, have, need, p.want})
			p.take = p.want.scaled(have)
		}
	}
	if len(pools) == 0 {
		return errors.New("no expert has a count above 0")
	}
	if short != nil && !o.AllowShort {
		return &ShortError{short}
	}
	return nil
}

// scaled returns counts in the same proportion with a total of n at most.
func (c SplitCounts) scaled(n int) SplitCounts {
	part := func(k int) int { return k * n / c.total() }
	out := SplitCounts{0, part(c.Val), part(c.Test)}
	out.Train = min(n-out.Val-out.Test, c.Train)
	return out
}

// finish fills in the report after the draw.
func (r *AssembleReport) finish(pools []*pool, o AssembleOptions) {
	for _, p := range pools {
		a := AdapterReport{
			Expert: p.expert.Name, Label: p.expert.Label, Source: p.sourceName(), Pictures: len(p.candidates),
			Repeated: p.repeated, Want: p.want, Got: SplitCounts{len(p.picked[0]), len(p.picked[1]), len(p.picked[2])},
			TaskTypes: map[string]int{}, Reading: p.reading,
		}
		for _, split := range p.picked {
			for _, c := range split {
				a.TaskTypes[c.record.Metadata.TaskType]++
			}
		}
		r.Adapters = append(r.Adapters, a)
	}
	r.Near = o.nearReport(pools)
}

// routing makes the records and the metadata of the set.
func (o *AssembleOptions) routing(pools []*pool, table expert.Table) *Routing {
	r := &Routing{}
	ids := &naming{ids: map[string]bool{}}
	for i, split := range []*[]Record{&r.Train, &r.Val, &r.Test} {
		for _, p := range pools {
			for _, c := range p.picked[i] {
				*split = append(*split, c.routing(p, ids))
			}
		}
		s := *split
		stream(o.Seed, "order", splitNames[i]).Shuffle(len(s), func(a, b int) { s[a], s[b] = s[b], s[a] })
	}
	r.Metadata = o.metadata(r, pools, table)
	return r
}

// metadata describes the set (4.7).
func (o *AssembleOptions) metadata(r *Routing, pools []*pool, table expert.Table) RoutingMetadata {
	at := o.Time
	m := RoutingMetadata{
		Name: o.Name, Created: at.Format("2006-01-02T15:04:05"), Seed: o.Seed,
		Splits: map[string]float64{"train": o.Train, "val": o.Val},
		Labels: map[string]int{}, Sources: map[string]string{},
		Samples:           map[string]int{"train": len(r.Train), "val": len(r.Val), "test": len(r.Test)},
		SamplesPerAdapter: map[string]int{}, TestPerAdapter: o.TestPerAdapter,
		Distribution: map[string]map[string]int{}, Spec: o.Spec, RUVersion: RUVersion, Config: o.Config, MoleVersion: o.MoleVersion,
	}
	if m.Name == "" {
		m.Name = Name{Expert: cmp.Or(o.Prefix, RoutingPrefix), Researcher: o.Researcher, Time: at}.String()
	}
	for _, e := range table {
		if i := slices.IndexFunc(pools, func(p *pool) bool { return p.expert.Name == e.Name }); i >= 0 {
			m.Labels[e.Name], m.Sources[e.Name], m.SamplesPerAdapter[e.Name] = e.Label, pools[i].sourceName(), o.Counts[e.Name]
		}
	}
	for i, split := range splitNames {
		n := map[string]int{}
		for _, p := range pools {
			n[p.expert.Name] = len(p.picked[i])
		}
		m.Distribution[split] = n
	}
	return m
}
