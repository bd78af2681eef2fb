// Package synth draws the built-in screens and makes complete experts' datasets
// of them: pictures, instructions with the right tool calls, tests and text
// crops (specification mole, section 13). Nothing but the binary is needed:
// typefaces are embedded, icons are shapes, people and companies are made of
// syllables.
//
// A screen's layout is a list of elements. The renderer draws them, the tasks
// ask for them and the tests measure against them, so that what is shown and
// what is right cannot drift apart. Every picture has its own source of
// randomness, named by seed, expert, task, split and number: the same options
// give the same bytes for any number of workers.
package synth

import (
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Options say what to draw. The zero value draws all experts at full size.
type Options struct {
	Experts     []string  // all built-in screens if empty
	Images      int       // pictures for training and validation, per expert; default 1100
	Tests       int       // test records, per expert; default 100
	Crops       int       // pictures of text for the ocr class, per expert that has any; default a fifth of its pictures
	Train       float64   // part of the pictures that is for training; default 0.9
	Seed        uint64    // default 420
	Test        bool      // one hundredth of everything, but two pictures of each task at least
	Workers     int       // that draw at the same time; default the processors
	Frame       string    // "window" (default), "desktop", or "mix:0.3" for that part on a desktop
	Scale       float64   // of the pictures, above 0 to 1; 0 means 1. No side gets below 64 pixels
	ImageFormat string    // of the picture files, "jpg" (default) or "png"
	Quality     int       // of JPEG, 1 to 100; 0 draws one of 80 to 95 for each picture
	Exp         string    // experiment, a part of the datasets' names
	Researcher  string    // researcher, a part of the datasets' names; default "mole"
	Time        time.Time // of the names and of config.json; default now

	// Each holds what differs for single experts.
	Each map[string]Setting

	framed float64
}

// Defaults of Options.
const (
	defaultImages     = 1100
	defaultTests      = 100
	defaultTrain      = 0.9
	defaultSeed       = 420
	defaultResearcher = "mole"
	cropsPerImage     = 5   // pictures of an expert for each crop
	testShare         = 100 // of Options.Test: one in so many
	leastPerTask      = 2   // pictures of a task type
	leastQuality      = 80
	mostQuality       = 95
	mostPictures      = 90_000 // five digits, with room
	mostWorkers       = 1024
)

// fill sets the defaults and checks the options.
func (o Options) fill() (Options, error) {
	orInt := func(v *int, def int) {
		if *v == 0 {
			*v = def
		}
	}
	orInt(&o.Images, defaultImages)
	orInt(&o.Tests, defaultTests)
	orInt(&o.Workers, runtime.GOMAXPROCS(0))
	if o.Train == 0 {
		o.Train = defaultTrain
	}
	if o.Seed == 0 {
		o.Seed = defaultSeed
	}
	if o.Researcher == "" {
		o.Researcher = defaultResearcher
	}
	if o.ImageFormat == "" {
		o.ImageFormat = "jpg"
	}
	if o.Scale == 0 {
		o.Scale = 1
	}
	if o.Time.IsZero() {
		o.Time = time.Now()
	}
	if len(o.Experts) == 0 {
		o.Experts = Screens()
	}
	err := o.check()
	if err == nil {
		o.framed, err = parseFrame(o.Frame)
	}
	return o, err
}

// check looks at the options after the defaults are set.
func (o *Options) check() error {
	for _, n := range []struct {
		name  string
		value int
		most  int
	}{{"images", o.Images, mostPictures}, {"tests", o.Tests, mostPictures}, {"crops", o.Crops, mostPictures}, {"workers", o.Workers, mostWorkers}, {"image quality", o.Quality, 100}} {
		if n.value < 0 || n.value > n.most {
			return fmt.Errorf("%s: %d, want 1 to %d, or 0 for the default", n.name, n.value, n.most)
		}
	}
	switch {
	case !(o.Train > 0 && o.Train < 1):
		return fmt.Errorf("train: %v, want above 0 and below 1", o.Train)
	case !(o.Scale > 0 && o.Scale <= 1):
		return fmt.Errorf("scale: %v, want above 0 to 1", o.Scale)
	case o.ImageFormat != "jpg" && o.ImageFormat != "png":
		return fmt.Errorf("image format: %q, want jpg or png", o.ImageFormat)
	}
	return o.checkExperts()
}

// checkExperts looks at the names of experts and their settings.
func (o *Options) checkExperts() error {
	seen := map[string]bool{}
	for _, name := range o.Experts {
		if _, err := find(name); err != nil {
			return err
		}
		if seen[name] {
			return fmt.Errorf("expert %q is named twice", name)
		}
		seen[name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(o.Each)) {
		s, err := find(name)
		if err == nil {
			err = o.Each[name].check(s)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// find returns a screen by its name or an error that lists them.
func find(name string) (*screen, error) {
	s, ok := screenOf(name)
	if !ok {
		return nil, fmt.Errorf("expert %q has no built-in screen, want one of %s", name, strings.Join(Screens(), ", "))
	}
	return s, nil
}

// checkOdds looks at the chances of the kinds of targets of one task.
func checkOdds(of *screen, task string, odds map[string]float64) error {
	own, _ := of.share(task)
	if own.odds == nil {
		return fmt.Errorf("expert %s: task %q has one kind of target only", of.name, task)
	}
	sum := 0.0
	for _, kind := range slices.Sorted(maps.Keys(odds)) {
		if _, ok := own.odds[kind]; !ok {
			return fmt.Errorf("expert %s: task %s: kind %q is unknown, want %s", of.name, task, kind, strings.Join(slices.Sorted(maps.Keys(own.odds)), ", "))
		}
		if !(odds[kind] >= 0) {
			return fmt.Errorf("expert %s: task %s: %s: chance %v is negative", of.name, task, kind, odds[kind])
		}
		sum += odds[kind]
	}
	if !(sum >= 0.99 && sum <= 1.01) {
		return fmt.Errorf("expert %s: task %s: chances sum to %v, want 1", of.name, task, sum)
	}
	return nil
}

// share returns a task of a screen.
func (s *screen) share(task string) (share, bool) {
	for _, t := range s.tasks {
		if t.task == task {
			return t, true
		}
	}
	return share{}, false
}

// taskNames returns the task types of a screen.
func (s *screen) taskNames() []string {
	names := make([]string, len(s.tasks))
	for i, t := range s.tasks {
		names[i] = t.task
	}
	return names
}

// parseFrame returns the part of the windows that stand on a desktop.
func parseFrame(s string) (float64, error) {
	switch s {
	case "", "window":
		return 0, nil
	case "desktop":
		return 1, nil
	}
	if part, ok := strings.CutPrefix(s, "mix:"); ok {
		if f, err := strconv.ParseFloat(part, 64); err == nil && f >= 0 && f <= 1 {
			return f, nil
		}
	}
	return 0, fmt.Errorf(`frame: %q, want window, desktop or mix: and a part of 0 to 1, as "mix:0.3"`, s)
}
