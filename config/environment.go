package config

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// prefix begins our variables.
const prefix = "MOLE_"

// variables returns the names of the variables that set a value, the one that
// follows from the key last, so that it counts.
func (l leaf) variables() []string {
	if l.tag.Get("file") != "" {
		return nil
	}
	name := prefix + strings.ToUpper(strings.NewReplacer(".", "_", "-", "_", " ", "_", "/", "_", "+", "_").Replace(l.key))
	if short := l.tag.Get("env"); short != "" {
		return append(strings.Split(short, ","), name)
	}
	return []string{name}
}

// environment takes the values of variables. One that begins like those of a
// file but sets nothing is an error; all others are none of our business.
func (c *Config) environment(environ []string) error {
	values := map[string]string{}
	for _, e := range environ {
		if name, value, ok := strings.Cut(e, "="); ok {
			values[name] = value
		}
	}
	var errs []error
	known := []string{}
	for _, l := range c.leaves() {
		for _, name := range l.variables() {
			known = append(known, name)
			if value, ok := values[name]; ok {
				errs = append(errs, c.override(l, value, name))
			}
		}
	}
	for name := range values {
		if ours(name) && !slices.Contains(known, name) {
			errs = append(errs, &Error{Where: "environment", Reason: unknown("variable", name, known)})
		}
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	return errors.Join(errs...)
}

// ours reports whether a variable can only be meant for a file's value.
func ours(name string) bool {
	for _, section := range []string{"ADAPTERS_", "DATASET_", "LORAS_", "GENERATORS_", "PROFILES_", "BACKENDS_"} {
		if strings.HasPrefix(name, prefix+section) {
			return true
		}
	}
	return false
}

// flags takes the values of flags.
func (c *Config) flags(flags []Flag) error {
	var errs []error
	for _, f := range flags {
		all := c.leaves()
		i := slices.IndexFunc(all, func(l leaf) bool { return l.key == f.Key })
		if i < 0 {
			keys := make([]string, len(all))
			for i, l := range all {
				keys[i] = l.key
			}
			errs = append(errs, &Error{Where: f.Name, Reason: unknown("key", f.Key, keys)})
			continue
		}
		errs = append(errs, c.override(all[i], f.Value, f.Name))
	}
	return errors.Join(errs...)
}

// override sets a value from a text.
func (c *Config) override(l leaf, value, name string) error {
	v := reflect.New(l.value.Type()).Elem()
	if err := setText(v, value); err != nil {
		return &Error{name, l.key, err.Error()}
	}
	l.set(v)
	c.sources[l.key] = Source{Name: name}
	return nil
}
