// Package bench measures this program beside yardsticks: the loop that a core
// could do at best, the memory's read bandwidth, a plain library. Machines
// differ and are shared, so every figure is a ratio of two things that ran in
// turns, and only ratios are to be compared.
//
// What is measured is what the commands run: the operations of a device, the
// training loop, the router's way from a file to probabilities. Networks have
// the widths of released ones, little depth, and random weights in bfloat16.
package bench

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"mole/device/cpu"
)

// Options says what is measured, and how. A number that is 0 means the default
// in its comment.
type Options struct {
	Threads   int           // cores; all, and 1 for single operations
	Tier      string        // kernels, as for [cpu.Options]
	Precision cpu.Precision // of products with frozen matrices
	Rounds    int           // turns of a measurement and its yardstick, whose median counts; 5
	Slice     time.Duration // least time of one turn; 100 ms
	// CPUTime counts the time that the process computes in place of the time that
	// passes, for what runs on one core of a busy machine. Steps ignore it.
	CPUTime bool

	Widths string // of the network: tiny, 2b, 4b, 8b; 2b
	Tokens []int  // rows of a single operation; 1024, for attention also 4096
	Rank   int    // of adapters; 16
	Step   Step   // of training
	Decode Decode // of sequences

	Image     []byte // file to preprocess; a drawn screen of 1155 by 853
	Tokenizer string // file or folder of the tokenizer to measure; that of the embedded network
}

// defaults returns o with defaults filled in.
func (o Options) defaults() Options {
	setDefault(&o.Rounds, 5)
	setDefault(&o.Slice, 100*time.Millisecond)
	setDefault(&o.Widths, "2b")
	setDefault(&o.Rank, 16)
	o.Step = o.Step.defaults()
	o.Decode = o.Decode.defaults()
	return o
}

// setDefault sets v to d if it is the zero value.
func setDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// Quick returns o with a step of one sample and less repetition, so that all
// parts together take a minute or two.
func Quick(o Options) Options {
	setDefault(&o.Rounds, 3)
	setDefault(&o.Step.Batch, 1)
	setDefault(&o.Step.Steps, 3)
	if o.Tokens == nil {
		o.Tokens = []int{1024}
	}
	return o
}

// part is one thing to measure.
type part struct {
	name string
	run  func(*session, context.Context) error
}

// parts are all of them, in the order in which they run: what needs most memory
// comes first, as the peak is that of the process.
var parts = []part{
	{"step", (*session).step},
	{"gemm", (*session).gemm},
	{"lora", (*session).lora},
	{"attention", (*session).attention},
	{"decode", (*session).decode},
	{"route", (*session).route},
	{"preprocess", (*session).preprocess},
	{"tokenizer", (*session).tokenizer},
}

// Parts returns the names of what can be measured.
func Parts() []string {
	var names []string
	for _, p := range parts {
		names = append(names, p.name)
	}
	return names
}

// Run measures the named parts, all of them if none is named. It ends early
// with the error of ctx.
func Run(ctx context.Context, names []string, o Options) (*Report, error) {
	chosen, err := choose(names)
	if err != nil {
		return nil, err
	}
	s := &session{Options: o.defaults(), report: &Report{Date: time.Now().UTC().Truncate(time.Second)}}
	if s.Rounds < 1 || s.Slice < 0 || s.Threads < 0 || s.Rank < 1 {
		return nil, errors.New("rounds, time, threads, rank: want positive numbers")
	}
	if err := s.describe(); err != nil {
		return nil, err
	}
	for _, p := range chosen {
		if err := p.run(s, ctx); err != nil {
			return nil, fmt.Errorf("%s: %w", p.name, err)
		}
	}
	s.report.PeakBytes = peakBytes()
	return s.report, nil
}

// choose returns the parts of those names, all for none.
func choose(names []string) ([]part, error) {
	if len(names) == 0 {
		return parts, nil
	}
	for _, name := range names {
		if !slices.Contains(Parts(), name) {
			return nil, fmt.Errorf("part %q: want one of %s", name, strings.Join(Parts(), ", "))
		}
	}
	return slices.DeleteFunc(slices.Clone(parts), func(p part) bool { return !slices.Contains(names, p.name) }), nil
}

// session is a Run at work.
type session struct {
	Options
	report *Report
}

// open opens a device of that many cores.
func (s *session) open(threads int) (*cpu.Device, error) {
	return cpu.Open(cpu.Options{Workers: threads, Tier: s.Tier, Precision: s.Precision})
}

// describe fills in what is the same for all figures.
func (s *session) describe() error {
	d, err := s.open(1)
	if err != nil {
		return err
	}
	s.report.describe(d)
	return d.Close()
}

// all returns the number of cores of what uses all of them.
func (s *session) all() int {
	if s.Threads > 0 {
		return s.Threads
	}
	return runtime.GOMAXPROCS(0)
}

// single returns the number of cores of a single operation.
func (s *session) single() int { return max(1, s.Threads) }
