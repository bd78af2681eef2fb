package config

import (
	"fmt"
	"strings"
)

// Source says where a value came from. The zero value is the default.
type Source struct {
	File         string // "config/dataset.yaml"
	Line, Column int    // in File, from 1
	Name         string // of the variable or flag
}

// IsDefault reports whether nobody set the value.
func (s Source) IsDefault() bool { return s == Source{} }

// String returns "config/dataset.yaml:12", "MOLE_SEED", "--seed" or "default".
func (s Source) String() string {
	switch {
	case s.File != "":
		return fmt.Sprintf("%s:%d", s.File, s.Line)
	case s.Name != "":
		return s.Name
	}
	return "default"
}

// where is String with the column, for messages.
func (s Source) where() string {
	if s.File != "" {
		return fmt.Sprintf("%s:%d:%d", s.File, s.Line, s.Column)
	}
	return s.String()
}

// Source returns where the value of a key came from.
func (c *Config) Source(key string) Source { return c.sources[key] }

// place returns what to blame for the value of a key: its own source, or that
// of the nearest one above it that has one.
func (c *Config) place(key string) Source {
	for {
		if s, ok := c.sources[key]; ok {
			return s
		}
		i := strings.LastIndexByte(key, '.')
		if i < 0 {
			return Source{}
		}
		key = key[:i]
	}
}

// forget removes the sources of everything below a key, which is replaced.
func (c *Config) forget(key string) {
	for k := range c.sources {
		if strings.HasPrefix(k, key+".") {
			delete(c.sources, k)
		}
	}
}

// Error is something wrong with one setting.
type Error struct {
	Where  string // "config/dataset.yaml:12:3", "MOLE_SEED", "--seed"
	Key    string // "dataset.seed", may be empty
	Reason string // what was found and what is wanted
}

// Error returns all three.
func (e *Error) Error() string {
	if e.Key == "" {
		return e.Where + ": " + e.Reason
	}
	return e.Where + ": " + e.Key + ": " + e.Reason
}

// wrong returns an error about the value of a key.
func (c *Config) wrong(key, format string, args ...any) error {
	return &Error{c.place(key).where(), key, fmt.Sprintf(format, args...)}
}
