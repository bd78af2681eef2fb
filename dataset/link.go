package dataset

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// LinkOptions says what Link takes.
type LinkOptions struct {
	Name       string         // of the manifest, "" to make it from Time
	Time       time.Time      // of creation, goes into name and manifest; zero for now
	Seed       uint64         // of every draw
	Counts     map[string]int // samples in train, by expert; 0 or less leaves it out
	Tests      int            // samples of each expert that are held out
	ConfigPath string         // of the file that the counts are from, for the manifest
	// Digests are those of the datasets, by expert.
	Digests map[string]string
	Workers int // goroutines that decode pictures, 0 for one per processor
	// Progress, if not nil, is called from time to time with the number of
	// pictures decoded and to decode, by one goroutine at a time.
	Progress func(done, total int)
}

// LinkReport says what did not go into a manifest.
type LinkReport struct {
	Pictures  map[string]int // distinct ones of each expert, by their pixels, conflicts not counted
	Conflicts []Conflict     // pictures that several experts have, all left out
}

// Link chooses samples of the datasets of experts for a router, and says where
// they are (5.6). Pictures are compared by their pixels, and none is in two
// splits: first some with a record in train.jsonl are held out, one record of
// each, if there are more than that; then others are for validation with one
// record in val.jsonl each, a quarter of the count at most, of pictures that
// training does not need or a fifth of the rest; what remains of train.jsonl is
// for training, a second record of a picture only after one of each. Where there is less than
// a count, all of it is taken. The same input, options and seed give the same
// manifest, whatever the number of workers.
func Link(ctx context.Context, in []Source, o LinkOptions) (*LinkManifest, *LinkReport, error) {
	if _, err := sourceTable(in); err != nil {
		return nil, nil, err
	}
	if o.Time.IsZero() {
		o.Time = time.Now()
	}
	pools, err := gather(in, AssembleOptions{Counts: o.Counts, IncludeVal: true, OwnOnly: ownOnly(in)})
	if err != nil {
		return nil, nil, err
	}
	if err := lookAtAll(ctx, pools, o.Workers, o.Progress); err != nil {
		return nil, nil, err
	}
	report := &LinkReport{Pictures: map[string]int{}, Conflicts: resolve(pools, o.Seed)}
	m := o.manifest()
	for _, p := range pools {
		report.Pictures[p.expert.Name] = len(p.candidates)
		if p.data == nil {
			continue
		}
		e, err := p.link(o)
		if err != nil {
			return nil, nil, err
		}
		m.add(p.expert.Name, e, o.Counts[p.expert.Name])
	}
	switch {
	case len(m.Experts) == 0:
		return nil, nil, errors.New("no expert has both a dataset and a count above 0")
	case m.Totals.Val == 0:
		return nil, nil, errors.New("no sample for validation: want a count of 4 or more, val.jsonl with records in a dataset, and 5 or more pictures that are not held out")
	}
	return m, report, nil
}

// ownOnly keeps crops of other experts out: a manifest names records, and crops
// have none.
func ownOnly(in []Source) map[string]bool {
	own := map[string]bool{}
	for _, s := range in {
		own[s.Expert.Name] = true
	}
	return own
}

// manifest returns a manifest without experts.
func (o *LinkOptions) manifest() *LinkManifest {
	m := &LinkManifest{
		Name: o.Name, Created: o.Time.Format("2006-01-02T15:04:05"), Type: Linked, ConfigPath: o.ConfigPath, Seed: o.Seed, TestSamples: max(o.Tests, 0),
		ExpertCounts: map[string]int{}, Experts: map[string]*LinkedExpert{},
	}
	if m.Name == "" {
		m.Name = Name{Expert: LinkPrefix, Time: o.Time}.String()
	}
	return m
}

// add enters an expert.
func (m *LinkManifest) add(name string, e *LinkedExpert, count int) {
	m.Experts[name], m.ExpertCounts[name] = e, count
	m.Totals.Train += e.TrainCount
	m.Totals.Val += e.ValCount
	m.Totals.Test += e.TestCount
}

// linkPicture is a distinct picture with the records that show it, as indices
// into train.jsonl and val.jsonl.
type linkPicture struct {
	key        string
	train, val []int
}

// linkPictures returns the pictures of a pool in the order of the draw.
func (p *pool) linkPictures() []*linkPicture {
	type lines struct{ train, val []int }
	at := map[string]*lines{}
	for n, records := range [2][]Record{p.data.Train, p.data.Val} {
		for i, r := range records {
			l := at[r.Image]
			if l == nil {
				l = &lines{}
				at[r.Image] = l
			}
			if n == 0 {
				l.train = append(l.train, i)
			} else {
				l.val = append(l.val, i)
			}
		}
	}
	var out []*linkPicture
	for _, c := range p.candidates {
		picture := &linkPicture{key: c.file.fullPath()}
		seen := map[string]bool{}
		for _, r := range c.file.records { // of several files, where their pixels are the same
			if l := at[r.Image]; !seen[r.Image] {
				seen[r.Image] = true
				picture.train, picture.val = append(picture.train, l.train...), append(picture.val, l.val...)
			}
		}
		out = append(out, picture)
	}
	return out
}

// link divides the samples of an expert.
func (p *pool) link(o LinkOptions) (*LinkedExpert, error) {
	name, count := p.expert.Name, o.Counts[p.expert.Name]
	left := p.linkPictures()
	e := &LinkedExpert{
		Dataset: p.name, Digest: o.Digests[name], Label: p.expert.Label, Available: len(p.data.Train),
		TrainPath: "datasets/" + p.name + "/train.jsonl", ValPath: "datasets/" + p.name + "/val.jsonl",
	}
	e.TestIndices, left = holdOut(left, o.Tests, o.Seed)
	val, train := validation(left, count/4)
	e.ValIndices = spread(val, min(len(val), count/4), func(l *linkPicture) []int { return l.val })
	e.TrainIndices = spread(train, count, func(l *linkPicture) []int { return l.train })
	if len(e.TrainIndices) == 0 {
		return nil, fmt.Errorf("expert %s: dataset %s has no record for training: %d in train.jsonl, %d distinct pictures; make more, or leave the expert out", name, p.name, e.Available, len(p.candidates))
	}
	for n, s := range e.splits() {
		from := p.data.Train
		if n == valSplit {
			from = p.data.Val
		}
		*s.count, *s.ids = len(*s.indices), make([]string, 0, len(*s.indices))
		for _, i := range *s.indices {
			*s.ids = append(*s.ids, from[i].ID)
		}
	}
	return e, nil
}

// holdOut returns one record of each of the first n pictures of training, and
// the other pictures. Without more than n of them nothing is held out.
func holdOut(pictures []*linkPicture, n int, seed uint64) (test []int, left []*linkPicture) {
	trained := 0
	for _, l := range pictures {
		trained += min(len(l.train), 1)
	}
	test = []int{}
	if trained <= n {
		return test, pictures
	}
	for _, l := range pictures {
		if len(test) >= n || len(l.train) == 0 {
			left = append(left, l)
			continue
		}
		test = append(test, l.train[stream(seed, "held out", l.key).IntN(len(l.train))])
	}
	slices.Sort(test)
	return test, left
}

// validation returns the pictures for up to n samples of validation, and those
// for training. Those that only val.jsonl shows cost training nothing; of the
// others it takes a fifth at most.
func validation(pictures []*linkPicture, n int) (val, train []*linkPicture) {
	var shared []*linkPicture
	for _, l := range pictures {
		switch {
		case len(l.train) == 0:
			val = append(val, l)
		case len(l.val) > 0:
			shared = append(shared, l)
		default:
			train = append(train, l)
		}
	}
	more := max(0, min(n-len(val), len(pictures)/5, len(shared)))
	return append(val, shared[:more]...), append(train, shared[more:]...)
}

// spread returns up to n records of some pictures, in their order: one of each
// picture, then a second one of each, and so on.
func spread(pictures []*linkPicture, n int, of func(*linkPicture) []int) []int {
	out := []int{}
	for round, more := 0, true; more && len(out) < n; round++ {
		more = false
		for _, l := range pictures {
			if list := of(l); round < len(list) && len(out) < n {
				out, more = append(out, list[round]), true
			}
		}
	}
	slices.Sort(out)
	return out
}
