package synth

import (
	"slices"
)

// job is one picture to draw.
type job struct {
	screen *screen
	split  string // of the stream: "train", "val", "test" or "crop"
	share  share
	i      int  // of the task in the split
	index  int  // of the picture, in the file's name
	mark   bool // a second picture shows the answer
}

// plan is everything that a dataset will hold.
type plan struct {
	screen   *screen
	shares   []share // the tasks that are asked
	pictures []int   // for training and validation together, per task
	training float64
	jobs     []job
}

// newPlan decides on the pictures of an expert.
func newPlan(s *screen, o *Options) plan {
	set := o.Each[s.name]
	p := plan{screen: s, shares: set.shares(s), training: o.Train}
	if set.Train > 0 {
		p.training = set.Train
	}
	images, tests, crops := o.Images, o.Tests, o.Crops
	if set.Images > 0 {
		images = set.Images
	}
	if set.Tests > 0 {
		tests = set.Tests
	}
	if o.Test {
		images, tests, crops = images/testShare, tests/testShare, crops/testShare
		crops = max(crops, leastPerTask)
	}
	p.pictures = quota(images, p.shares, leastPerTask)
	var train, val []job
	for t, n := range p.pictures {
		cut := min(n-1, max(1, int(float64(n)*p.training+0.5)))
		train = append(train, p.of(t, "train", cut)...)
		val = append(val, p.of(t, "val", n-cut)...)
	}
	p.add(o, train, val)
	p.addTests(o, tests)
	if cropOwners[s.name] {
		for i := range crops {
			p.jobs = append(p.jobs, job{screen: s, split: "crop", i: i, index: i})
		}
	}
	return p
}

// of returns n jobs of the t-th task.
func (p *plan) of(t int, split string, n int) []job {
	jobs := make([]job, n)
	for i := range jobs {
		jobs[i] = job{screen: p.screen, split: split, share: p.shares[t], i: i}
	}
	return jobs
}

// add takes each list in, in random order, and numbers the pictures.
func (p *plan) add(o *Options, lists ...[]job) {
	index := 0
	for _, list := range lists {
		if len(list) == 0 {
			continue
		}
		r := stream(o.Seed, p.screen.name, "order", list[0].split, 0)
		r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		for i := range list {
			list[i].index = index
			index++
		}
		p.jobs = append(p.jobs, list...)
	}
}

// addTests takes the tests in. The first of every task is shown with its
// answer.
func (p *plan) addTests(o *Options, n int) {
	var tests []job
	for t, n := range quota(n, p.shares, leastPerTask) {
		tests = append(tests, p.of(t, "test", n)...)
	}
	for i := range tests {
		tests[i].mark = tests[i].i == 0
	}
	p.add(o, tests)
}

// shares returns the tasks of a screen with the settings applied.
func (s Setting) shares(of *screen) []share {
	shares := slices.Clone(of.tasks)
	for i := range shares {
		if s.Tasks != nil {
			shares[i].part = s.Tasks[shares[i].task]
		}
		if odds := s.Odds[shares[i].task]; odds != nil {
			shares[i].odds = odds
		}
	}
	return slices.DeleteFunc(shares, func(t share) bool { return t.part == 0 })
}

// quota divides n among the tasks by their shares, the largest remainders
// first, and gives each at least so many, which may make the sum larger.
func quota(n int, shares []share, least int) []int {
	sum := 0.0
	for _, s := range shares {
		sum += s.part
	}
	out := make([]int, len(shares))
	order := make([]int, len(shares))
	rest := make([]float64, len(shares))
	left := n
	for i, s := range shares {
		exact := float64(n) * s.part / sum
		out[i], order[i] = int(exact+1e-9), i
		rest[i] = exact - float64(out[i])
		left -= out[i]
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case rest[a] > rest[b]+1e-9:
			return -1
		case rest[b] > rest[a]+1e-9:
			return 1
		}
		return 0
	})
	for i := range left {
		out[order[i%len(order)]]++
	}
	for i := range out {
		out[i] = max(out[i], least)
	}
	return out
}
