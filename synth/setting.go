package synth

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Setting overrides the options for one expert. Zero fields change nothing.
type Setting struct {
	Images      int
	Tests       int
	Train       float64
	Seed        uint64
	ImageFormat string
	Quality     int
	Prefix      string                        // of the ids and of the pictures' names; the expert's name
	Tasks       map[string]float64            // share of the pictures, by task type; those not named are left out
	Odds        map[string]map[string]float64 // by task type: chance of each kind of target
	TestTasks   map[string]float64            // share of the tests, by task type; that of the pictures
	PerTask     bool                          // Tests is for each task type, not for all together
	Tolerance   []int                         // of tests with a target: x and y, resolution units; 70 % of the target's size
	HeldOut     float64                       // part of the pictures that is in no split but in held_out.jsonl
	Marks       Marks
}

// Marks says which tests are drawn a second time with their answer shown. The
// zero value shows one of every task type.
type Marks struct {
	None   bool
	Share  float64        // of the tests of every task type, but one at least
	ByTask map[string]int // so many tests of these task types
}

// of returns how many of n tests of a task type are shown.
func (m Marks) of(task string, n int) int {
	exact, ok := m.ByTask[task]
	switch {
	case m.None:
		return 0
	case ok:
		return exact
	}
	return max(1, int(m.Share*float64(n)+0.5))
}

// setting returns what holds for one expert.
func (o *Options) setting(expert string) Setting {
	s := o.Each[expert]
	if s.Images == 0 {
		s.Images = o.Images
	}
	if s.Tests == 0 {
		s.Tests = o.Tests
	}
	if s.Train == 0 {
		s.Train = o.Train
	}
	if s.Seed == 0 {
		s.Seed = o.Seed
	}
	if s.ImageFormat == "" {
		s.ImageFormat = o.ImageFormat
	}
	if s.Quality == 0 {
		s.Quality = o.Quality
	}
	if s.Prefix == "" {
		s.Prefix = expert
	}
	return s
}

// prefixForm is what ids and names of pictures may begin with (3.1).
var prefixForm = regexp.MustCompile(`^[A-Za-z0-9_-]*$`)

// check looks at the settings of one expert.
func (s Setting) check(of *screen) error {
	if err := s.checkNumbers(of); err != nil {
		return err
	}
	for _, err := range []error{s.checkFiles(of), checkShares(of, "tasks", s.Tasks), checkShares(of, "tests", s.TestTasks), s.checkTests(of)} {
		if err != nil {
			return err
		}
	}
	for _, task := range slices.Sorted(maps.Keys(s.Odds)) {
		if err := known(of, task); err != nil {
			return err
		}
		if err := checkOdds(of, task, s.Odds[task]); err != nil {
			return err
		}
	}
	return nil
}

// checkNumbers looks at how much is drawn.
func (s Setting) checkNumbers(of *screen) error {
	outside := func(n int) bool { return n < 0 || n > mostPictures }
	switch {
	case outside(s.Images) || outside(s.Tests) || !(s.Train >= 0 && s.Train < 1):
		return fmt.Errorf("expert %s: images %d, tests %d, train %v: want 0 to %d, 0 to %d, 0 or below 1", of.name, s.Images, s.Tests, s.Train, mostPictures, mostPictures)
	case !(s.HeldOut >= 0 && s.HeldOut < 1):
		return fmt.Errorf("expert %s: held out: %v, want 0 or below 1", of.name, s.HeldOut)
	}
	return nil
}

// checkFiles looks at how pictures are named and written.
func (s Setting) checkFiles(of *screen) error {
	switch {
	case s.Quality < 0 || s.Quality > 100:
		return fmt.Errorf("expert %s: image quality: %d, want 1 to 100, or 0 for that of all", of.name, s.Quality)
	case s.ImageFormat != "" && s.ImageFormat != "jpg" && s.ImageFormat != "png":
		return fmt.Errorf("expert %s: image format: %q, want jpg or png", of.name, s.ImageFormat)
	case !prefixForm.MatchString(s.Prefix):
		return fmt.Errorf("expert %s: prefix %q, want letters, digits, - and _", of.name, s.Prefix)
	}
	return nil
}

// checkTests looks at how tests are measured and shown.
func (s Setting) checkTests(of *screen) error {
	if n := len(s.Tolerance); n != 0 && n != 2 {
		return fmt.Errorf("expert %s: tolerance: %d numbers, want 2", of.name, n)
	}
	for _, n := range s.Tolerance {
		if n < 0 || n > maxTolerance {
			return fmt.Errorf("expert %s: tolerance: %d, want 0 to %d, a quarter of the picture", of.name, n, maxTolerance)
		}
	}
	if !(s.Marks.Share >= 0 && s.Marks.Share <= 1) {
		return fmt.Errorf("expert %s: annotated share of the tests: %v, want 0 to 1", of.name, s.Marks.Share)
	}
	for _, task := range slices.Sorted(maps.Keys(s.Marks.ByTask)) {
		if err := known(of, task); err != nil {
			return err
		}
	}
	return nil
}

// known returns an error unless a screen has a task type.
func known(of *screen, task string) error {
	if _, ok := of.share(task); !ok {
		return fmt.Errorf("expert %s: task %q is unknown, want one of %s", of.name, task, strings.Join(of.taskNames(), ", "))
	}
	return nil
}

// checkShares looks at the shares of the task types in something.
func checkShares(of *screen, what string, shares map[string]float64) error {
	sum := 0.0
	for _, task := range slices.Sorted(maps.Keys(shares)) {
		if err := known(of, task); err != nil {
			return err
		}
		if !(shares[task] >= 0) {
			return fmt.Errorf("expert %s: %s: task %s: share %v is negative", of.name, what, task, shares[task])
		}
		sum += shares[task]
	}
	if len(shares) > 0 && !(sum > 0 && sum < 1e9) {
		return fmt.Errorf("expert %s: the shares of the %s sum to %v, want above 0", of.name, what, sum)
	}
	return nil
}
