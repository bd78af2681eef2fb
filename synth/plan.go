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
	set      Setting // complete
	shares   []share // the tasks that are asked
	pictures []int   // of the splits and held out, per task
	jobs     []job
}

// The splits of a plan, as they stand in the streams.
const (
	trainSplit = "train"
	valSplit   = "val"
	heldSplit  = "held_out"
	testSplit  = "test"
	cropSplit  = "crop"
)

// newPlan decides on the pictures of an expert.
func newPlan(s *screen, o *Options) plan {
	set := o.setting(s.name)
	p := plan{screen: s, set: set, shares: set.shares(s, set.Tasks)}
	images, tests, crops := set.Images, set.Tests, o.Crops
	if crops == 0 {
		crops = max(1, images/cropsPerImage)
	}
	if o.Test {
		images, tests, crops = images/testShare, tests/testShare, crops/testShare
		crops = max(crops, leastPerTask)
	}
	p.pictures = quota(images, p.shares, leastPerTask)
	p.addPictures()
	p.addTests(tests)
	if cropOwners[s.name] {
		for i := range crops {
			p.jobs = append(p.jobs, job{screen: s, split: cropSplit, i: i, index: i})
		}
	}
	return p
}

// addPictures takes the pictures of the splits in, and those that are held out.
// Every task has one of each split at least.
func (p *plan) addPictures() {
	var train, val, held []job
	for t, n := range p.pictures {
		out := min(n-leastPerTask, int(float64(n)*p.set.HeldOut+0.5))
		n -= out
		cut := min(n-1, max(1, int(float64(n)*p.set.Train+0.5)))
		train = append(train, p.of(p.shares[t], trainSplit, cut)...)
		val = append(val, p.of(p.shares[t], valSplit, n-cut)...)
		held = append(held, p.of(p.shares[t], heldSplit, out)...)
	}
	p.add(train, val, held)
}

// of returns n jobs of a task.
func (p *plan) of(task share, split string, n int) []job {
	jobs := make([]job, n)
	for i := range jobs {
		jobs[i] = job{screen: p.screen, split: split, share: task, i: i}
	}
	return jobs
}

// add takes each list in, in random order, and numbers the pictures.
func (p *plan) add(lists ...[]job) {
	index := 0
	for _, list := range lists {
		if len(list) == 0 {
			continue
		}
		r := stream(p.set.Seed, p.screen.name, "order", list[0].split, 0)
		r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		for i := range list {
			list[i].index = index
			index++
		}
		p.jobs = append(p.jobs, list...)
	}
}

// addTests takes n tests in, or n of each task. The first of every task are
// shown with their answers.
func (p *plan) addTests(n int) {
	shares := p.shares
	if len(p.set.TestTasks) > 0 {
		shares = p.set.shares(p.screen, p.set.TestTasks)
	}
	parts := quota(n, shares, leastPerTask)
	var tests []job
	for t, part := range parts {
		if p.set.PerTask {
			part = max(n, leastPerTask)
		}
		jobs := p.of(shares[t], testSplit, part)
		for i := range min(part, p.set.Marks.of(shares[t].task, part)) {
			jobs[i].mark = true
		}
		tests = append(tests, jobs...)
	}
	p.add(tests)
}

// shares returns the tasks of a screen that have a part, by the parts that are
// given, or by their own if there are none.
func (s Setting) shares(of *screen, parts map[string]float64) []share {
	shares := slices.Clone(of.tasks)
	for i := range shares {
		if len(parts) > 0 {
			shares[i].part = parts[shares[i].task]
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
