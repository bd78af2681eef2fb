package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"
)

// leaf is one value with its key.
type leaf struct {
	key   string
	value reflect.Value // a copy if it is in a map
	tag   reflect.StructTag
	set   func(reflect.Value)
}

// leaves returns all values, by the order of the structs and of the names.
func (c *Config) leaves() []leaf {
	var all []leaf
	visit := func(l leaf) { all = append(all, l) }
	for _, s := range c.sections() {
		s.walk(visit)
	}
	walk(reflect.ValueOf(&c.Script).Elem(), "", visit)
	return all
}

// walk visits the values of a section.
func (s section) walk(visit func(leaf)) { walk(reflect.ValueOf(s.into).Elem(), s.key, visit) }

// walk visits the values below a struct.
func walk(v reflect.Value, key string, visit func(leaf)) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if name := f.Tag.Get("yaml"); name != "" {
			at := v.Field(i)
			walkValue(leaf{join(key, name), at, f.Tag, func(to reflect.Value) { at.Set(to) }}, visit)
		}
	}
}

// walkValue visits a value, or what is below it.
func walkValue(l leaf, visit func(leaf)) {
	switch {
	case l.value.Kind() == reflect.Struct:
		walk(l.value, l.key, visit)
	case l.value.Kind() == reflect.Pointer:
		walk(l.value.Elem(), l.key, visit)
	case l.value.Kind() == reflect.Map:
		m := l.value
		for _, name := range mapNames(m) {
			at := reflect.ValueOf(name)
			walkValue(leaf{join(l.key, name), m.MapIndex(at), l.tag, func(to reflect.Value) { m.SetMapIndex(at, to) }}, visit)
		}
	default:
		visit(l)
	}
}

// mapNames returns the keys of a map in order.
func mapNames(m reflect.Value) []string {
	names := map[string]bool{}
	for _, k := range m.MapKeys() {
		names[k.String()] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// Value is a setting for people and programs.
type Value struct {
	Key    string `json:"key"`
	Value  any    `json:"value"`
	Source string `json:"source"`         // "config/dataset.yaml:12", "MOLE_SEED", "--seed", "default"
	Note   string `json:"note,omitempty"` // why no command reads it, "" if one does
}

// Values returns the settings whose key is key or below it, all for "". The
// error names the nearest key if there is none.
func (c *Config) Values(key string) ([]Value, error) {
	var values []Value
	var keys []string
	for _, l := range c.leaves() {
		keys = append(keys, l.key)
		if key != "" && l.key != key && !strings.HasPrefix(l.key, key+".") {
			continue
		}
		v := Value{Key: l.key, Value: plain(l.value), Source: c.Source(l.key).String()}
		if u, _ := useOf(l.key); u.by == "" {
			v.Note = u.why
		}
		values = append(values, v)
	}
	if len(values) == 0 && !c.empty(key) {
		return nil, &Error{Where: "settings", Reason: unknown("key", key, withParents(keys))}
	}
	return values, nil
}

// empty reports whether a key is that of a map that may be without entries.
func (c *Config) empty(key string) bool { return key == "loras" }

// withParents adds everything that values are below to their keys.
func withParents(keys []string) []string {
	all := map[string]bool{}
	for _, key := range keys {
		for key != "" {
			all[key] = true
			key = key[:max(0, strings.LastIndexByte(key, '.'))]
		}
	}
	return slices.Collect(maps.Keys(all))
}

// plain returns a value as JSON and people have it.
func plain(v reflect.Value) any {
	d, ok := v.Interface().(time.Duration)
	switch {
	case !ok && v.Kind() == reflect.Slice && v.IsNil():
		return []int{}
	case !ok:
		return v.Interface()
	case d >= time.Hour && d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d >= time.Minute && d%time.Minute == 0:
		return fmt.Sprintf("%dm", d/time.Minute)
	}
	return d.String()
}
