package config

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"path"
	"slices"
)

// Generators is generators.yaml: what the built-in generator draws (13.10).
type Generators struct {
	Seed    uint64                `yaml:"seed" env:"MOLE_SEED"`
	Output  GeneratorOutput       `yaml:"output"`
	Frame   string                `yaml:"frame" match:"^(window|desktop|mix:(0|1|0?\\.[0-9]+|1\\.0+))$"`
	Scale   float64               `yaml:"scale" above:"0" max:"1"`
	Experts map[string]*Generator `yaml:"experts" keys:"expert"`
}

// GeneratorOutput says how pictures are written.
type GeneratorOutput struct {
	ImageFormat  string `yaml:"image_format" oneof:"jpg,png"`
	ImageQuality int    `yaml:"image_quality" min:"0" max:"100"` // of JPEG; 0 for one of 80 to 95 for each picture
}

// Generator says what is drawn for one expert. It has the keys of both forms:
// ours, and the configuration file of a generator project (13.1).
type Generator struct {
	Images            int                           `yaml:"images" min:"1" max:"90000"`
	Splits            GeneratorSplits               `yaml:"splits"`
	Test              GeneratorTest                 `yaml:"test"`
	Tasks             map[string]float64            `yaml:"tasks" min:"0"`                        // shares, or numbers of pictures; those of the screen if empty
	TaskDistributions map[string]map[string]float64 `yaml:"task_distributions" min:"0" max:"1"`   // by task: chance of each kind of target
	NamePrefix        string                        `yaml:"name_prefix" match:"^[A-Za-z0-9_-]*$"` // of the dataset; the expert's name if empty
	Seed              uint64                        `yaml:"seed"`                                 // 0 for the one of all
	SystemPrompt      string                        `yaml:"system_prompt"`                        // id of a template; "" for the experts' one
	Output            ExpertOutput                  `yaml:"output"`                               // what differs from all
	Annotation        Annotation                    `yaml:"annotation"`
	HeldOut           HeldOut                       `yaml:"held_out"`
}

// GeneratorSplits are shares of the pictures; what is left is for validation.
type GeneratorSplits struct {
	Train float64 `yaml:"train" above:"0" below:"1"`
}

// GeneratorTest says which tests are drawn.
type GeneratorTest struct {
	Count        int                `yaml:"count" min:"1" max:"90000"`                 // two of each task type at least
	PerTaskType  bool               `yaml:"per_task_type"`                             // Count is for each task type, not for all
	Tolerance    []int              `yaml:"tolerance" single:"true" min:"0" max:"250"` // x and y, resolution units; the screen's own if empty
	Distribution map[string]float64 `yaml:"distribution" min:"0"`                      // share of each task type; that of the pictures if empty
}

// ExpertOutput overrides GeneratorOutput. Zero fields change nothing.
type ExpertOutput struct {
	ImageFormat  string `yaml:"image_format" oneof:",jpg,png"`
	ImageQuality int    `yaml:"image_quality" min:"0" max:"100"`
}

// Annotation says which tests are written a second time with their answer drawn
// in.
type Annotation struct {
	Enabled bool           `yaml:"enabled"`
	Ratio   float64        `yaml:"ratio" min:"0" max:"1"` // of the tests of each task type, one of each at least
	PerType map[string]int `yaml:"per_type" min:"0"`      // instead: so many of these task types
}

// HeldOut is the part of the pictures that is in no split.
type HeldOut struct {
	Enabled bool    `yaml:"enabled"`
	Ratio   float64 `yaml:"ratio" min:"0" below:"1"`
}

// Numbers of a generator that says nothing (13.1, 13.2).
const (
	defaultImages = 1100
	defaultTests  = 100
	defaultTrain  = 0.9
	defaultHeld   = 0.1
)

func (g *Generator) setDefaults() {
	g.Images, g.Splits.Train, g.Test.Count = defaultImages, defaultTrain, defaultTests
	g.Annotation.Enabled, g.HeldOut.Ratio = true, defaultHeld
}

// Whole sums are 1 with this much room.
const sumRoom = 0.01

// TaskShares returns the share of each task type in the pictures, nil for the
// screen's own. Numbers of pictures become shares; their sum is then the number
// of pictures, otherwise Images is.
func (g *Generator) TaskShares() (shares map[string]float64, images int) {
	if len(g.Tasks) == 0 {
		return nil, g.Images
	}
	sum := total(g.Tasks)
	shares = map[string]float64{}
	for task, n := range g.Tasks {
		shares[task] = n / sum
	}
	if math.Abs(sum-1) <= sumRoom {
		return shares, g.Images
	}
	return shares, int(sum)
}

// total adds up the values, always in the same order.
func total(m map[string]float64) float64 {
	sum := 0.0
	for _, name := range slices.Sorted(maps.Keys(m)) {
		sum += m[name]
	}
	return sum
}

// check says what is wrong with the sums.
func (g *Generator) check(c *Config, key string) []error {
	var errs []error
	if sum := total(g.Tasks); len(g.Tasks) > 0 && math.Abs(sum-1) > sumRoom && (sum != math.Trunc(sum) || sum < 1) {
		errs = append(errs, c.wrong(key+".tasks", "sum is %.6g, want shares with sum 1 or numbers of pictures", sum))
	}
	for _, task := range slices.Sorted(maps.Keys(g.TaskDistributions)) {
		kinds := g.TaskDistributions[task]
		if sum := total(kinds); math.Abs(sum-1) > sumRoom {
			errs = append(errs, c.wrong(key+".task_distributions."+task, "sum is %.6g, want 1", sum))
		}
	}
	if n := len(g.Test.Tolerance); n != 0 && n != 2 {
		errs = append(errs, c.wrong(key+".test.tolerance", "found %d numbers, want 2", n))
	}
	return errs
}

// LoadGenerator reads the configuration file of a generator project, which is
// about one expert, and puts it into c for all that generators.yaml says about
// experts. After an error, c is not to be used.
func LoadGenerator(c *Config, fsys fs.FS, name, expert string) error {
	data, found, err := readFile(fsys, name)
	if err == nil && !found {
		err = fs.ErrNotExist
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	const all = "generators.experts"
	g := new(Generator)
	setDefaults(g)
	c.forget(all)
	s := section{file: path.Base(name), key: join(all, expert), into: g}
	if err := c.decode(s, name, data, false); err != nil {
		return err
	}
	c.Generators.Experts = map[string]*Generator{expert: g}
	var list []leaf
	s.walk(func(l leaf) { list = append(list, l) })
	return errors.Join(append(c.inRange(list), g.check(c, s.key)...)...)
}
