// Package config reads the settings of the whole system: the files of the
// folder config/, the environment (MOLE_*) and the flags of a command, in rising
// order of precedence, over built-in defaults. It knows of every value where it
// came from, and refuses keys that it does not know (specification mole, 3.3 to
// 3.6, 13.10 and 16).
//
// The defaults are the files beside this package, which are part of the
// program: adapters.yaml is the only place where a label is written down. A
// value has a key: the section and the names in the file, with dots between
// them. "dataset.splits.train" is splits, train in dataset.yaml; its variable is
// MOLE_DATASET_SPLITS_TRAIN.
package config

import (
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"reflect"
	"slices"

	"mole/expert"
)

// Dir is the folder of the configuration in a checkout.
const Dir = "config"

// Config holds all settings.
type Config struct {
	Adapters   Adapters   // adapters.yaml
	Dataset    Dataset    // dataset.yaml
	Registry   Registry   // loras.json
	Generators Generators // generators.yaml
	Jobs       Jobs       // profiles.yaml
	Script     Script     // environment only

	Experts expert.Table // of Adapters, by label
	Files   []File

	sources map[string]Source
}

// Script says how the program was started. FROM_SCRIPT=1 and
// CUDAG_FROM_SCRIPT=1 are accepted; nothing depends on them.
type Script struct {
	FromScript bool `yaml:"from_script" env:"FROM_SCRIPT,CUDAG_FROM_SCRIPT"`
}

// File is one file of the configuration.
type File struct {
	Name  string `json:"name"`  // as in messages: "config/dataset.yaml"
	Found bool   `json:"found"` // if not, the defaults hold
}

// Flag is a setting from the command line.
type Flag struct {
	Key   string // "dataset.seed"
	Value string // as on the command line
	Name  string // of the flag, "--seed"
}

// Options say where settings come from. The zero value gives the defaults.
type Options struct {
	FS      fs.FS    // the folder with the files; none if nil
	Dir     string   // its name in messages, Dir if empty
	Environ []string // "NAME=value", as os.Environ returns it
	Flags   []Flag   // in the order of the command line
}

//go:embed adapters.yaml dataset.yaml loras.json generators.yaml profiles.yaml
var defaults embed.FS

// maxFile is the longest file that is read, in bytes.
const maxFile = 1 << 20

// section is one file and where its values go.
type section struct {
	file string
	key  string // begins the keys; "" where the file's own first key does
	into any
}

// sections lists the files.
func (c *Config) sections() []section {
	return []section{
		{"adapters.yaml", "adapters", &c.Adapters},
		{"dataset.yaml", "dataset", &c.Dataset},
		{"loras.json", "", &c.Registry},
		{"generators.yaml", "generators", &c.Generators},
		{"profiles.yaml", "", &c.Jobs},
	}
}

// Load reads the settings. The error names everything that is wrong, each with
// file, line and column, variable or flag.
func Load(o Options) (*Config, error) {
	if o.Dir == "" {
		o.Dir = Dir
	}
	c, err := builtin()
	if err != nil {
		return nil, err
	}
	jobs := slices.Sorted(maps.Keys(c.Jobs.Profiles))
	var errs []error
	for _, s := range c.sections() {
		errs = append(errs, c.load(o, s))
	}
	c.derive()
	errs = append(errs, c.environment(o.Environ), c.flags(o.Flags))
	if err := errors.Join(append(errs, c.check(jobs))...); err != nil {
		return nil, err
	}
	return c, nil
}

// builtin returns the defaults.
func builtin() (*Config, error) {
	c := &Config{sources: map[string]Source{}}
	for _, s := range c.sections() {
		data, err := defaults.ReadFile(s.file)
		if err == nil {
			err = c.decode(s, s.file, data, true)
		}
		if err != nil {
			return nil, fmt.Errorf("built-in settings: %w", err)
		}
	}
	return c, nil
}

// load reads one file, if it is there.
func (c *Config) load(o Options, s section) error {
	name := path.Join(o.Dir, s.file)
	data, found, err := readFile(o.FS, s.file)
	c.Files = append(c.Files, File{name, found})
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if !found {
		return nil
	}
	return c.decode(s, name, data, false)
}

// readFile returns the content of a file, and whether there is one.
func readFile(fsys fs.FS, name string) (data []byte, found bool, err error) {
	if fsys == nil {
		return nil, false, nil
	}
	f, err := fsys.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	if err != nil {
		return nil, true, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	data, err = io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("longer than %d bytes", maxFile)
	}
	return data, true, err
}

// decode takes the values of one file.
func (c *Config) decode(s section, name string, data []byte, builtin bool) error {
	root, err := parse(name, data, path.Ext(s.file) == ".json")
	if err != nil || root == nil {
		return err
	}
	d := decoder{config: c, file: name, builtin: builtin, nulls: path.Ext(s.file) == ".json"}
	d.node(root, reflect.ValueOf(s.into).Elem(), s.key, "")
	return errors.Join(d.errs...)
}

// derive makes the experts' names those of the sections that say something
// about each expert, where no file names them.
func (c *Config) derive() {
	if c.Source("dataset.adapters").IsDefault() {
		fit(c.Adapters.Experts, &c.Dataset.Adapters, func(e *Expert, d *Draw) {
			if e.Kind == string(expert.OCR) {
				d.Source = OCRGenerated
			}
		})
	}
	if c.Source("generators.experts").IsDefault() {
		fit(c.Adapters.Experts, &c.Generators.Experts, func(*Expert, *Generator) {})
	}
}

// fit makes the names of a map those of the experts. New values get their
// defaults, then what set does.
func fit[V any](experts map[string]*Expert, m *map[string]*V, set func(*Expert, *V)) {
	fitted := map[string]*V{}
	for name, e := range experts {
		v := (*m)[name]
		if v == nil {
			v = new(V)
			setDefaults(v)
			set(e, v)
		}
		fitted[name] = v
	}
	*m = fitted
}
