package config

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// The short tags of YAML's types.
const (
	nullTag  = "!!null"
	stringIs = "!!str"
	intIs    = "!!int"
	floatIs  = "!!float"
	boolIs   = "!!bool"
)

// decoder puts the nodes of a file into the values of the settings, as the
// tags of the struct fields say:
//
//	yaml:"name"      the key
//	required:"true"  an entry without it is wrong
//	merge:"true"     of a map: entries of a file join the defaults; else they replace them
//	list:"name"      of a map: also a list, whose entries have their key under that name
//	keys:"name"      of a map: keys are names of experts
//	single:"true"    of a list: one value alone counts as two equal ones
type decoder struct {
	config  *Config
	file    string
	builtin bool // values are defaults: no sources are noted
	nulls   bool // null counts as missing
	errs    []error
}

// maxErrors is how many errors of a file are told.
const maxErrors = 20

// add adds an error at a node.
func (d *decoder) add(n *yaml.Node, key, format string, args ...any) {
	if len(d.errs) < maxErrors {
		d.errs = append(d.errs, &Error{position(d.file, n.Line, n.Column), key, fmt.Sprintf(format, args...)})
	}
}

// source notes where the value of a key came from.
func (d *decoder) source(n *yaml.Node, key string) {
	if !d.builtin {
		d.config.sources[key] = Source{File: d.file, Line: n.Line, Column: n.Column}
	}
}

// node puts a node into v.
func (d *decoder) node(n *yaml.Node, v reflect.Value, key string, tag reflect.StructTag) {
	if !d.plain(n, v, key) {
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.structure(n, v, key)
	case reflect.Map:
		d.mapping(n, v, key, tag)
	case reflect.Slice:
		d.list(n, v, key, tag)
	default:
		if d.scalar(n, v, key) {
			d.source(n, key)
		}
	}
}

// plain reports whether a node has a value of its own.
func (d *decoder) plain(n *yaml.Node, v reflect.Value, key string) bool {
	switch {
	case n.Kind == yaml.AliasNode:
		d.add(n, key, "alias *%.100s, want the value itself", n.Value)
	case n.Anchor != "":
		d.add(n, key, "anchor &%.100s, want a value without", n.Anchor)
	case !isNull(n):
		return true
	case !d.nulls:
		d.add(n, key, "no value, want %s", describe(v.Type()))
	}
	return false
}

// isNull reports whether a node is null.
func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == nullTag }

// join returns the key of a name below key.
func join(key, name string) string {
	if key == "" {
		return name
	}
	return key + "." + name
}

// pairs calls f with the keys and values of a mapping.
func (d *decoder) pairs(n *yaml.Node, key string, f func(k, v *yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		d.add(n, key, "found %s, want keys and values", found(n))
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		switch first, twice := seen[k.Value]; {
		case k.Kind != yaml.ScalarNode || k.Anchor != "":
			d.add(k, key, "found %s as a key, want a word", found(k))
		case twice:
			d.add(k, key, "key %q occurs twice, first on line %d", k.Value, first)
		default:
			seen[k.Value] = k.Line
			f(k, n.Content[i+1])
		}
	}
}

// structure puts a mapping into a struct. Keys that the struct does not have
// are errors.
func (d *decoder) structure(n *yaml.Node, v reflect.Value, key string) {
	d.source(n, key)
	given := map[string]bool{}
	d.pairs(n, key, func(k, value *yaml.Node) {
		f, ok := fieldOf(v.Type(), k.Value)
		if !ok {
			d.add(k, key, "%s", unknown("key", k.Value, names(v.Type())))
			return
		}
		given[k.Value] = !isNull(value)
		d.node(value, v.FieldByIndex(f.Index), join(key, k.Value), f.Tag)
	})
	for f := range v.Type().Fields() {
		if name := f.Tag.Get("yaml"); f.Tag.Get("required") != "" && !given[name] && n.Kind == yaml.MappingNode {
			d.add(n, key, "key %q is missing", name)
		}
	}
}

// fieldOf returns the field of a struct with a key.
func fieldOf(t reflect.Type, key string) (reflect.StructField, bool) {
	for f := range t.Fields() {
		if f.Tag.Get("yaml") == key && key != "" {
			return f, true
		}
	}
	return reflect.StructField{}, false
}

// names returns the keys of a struct.
func names(t reflect.Type) []string {
	var list []string
	for f := range t.Fields() {
		if name := f.Tag.Get("yaml"); name != "" {
			list = append(list, name)
		}
	}
	return list
}

// mapping puts a mapping, or a list of mappings with names, into a map.
func (d *decoder) mapping(n *yaml.Node, v reflect.Value, key string, tag reflect.StructTag) {
	if tag.Get("merge") == "" || v.IsNil() {
		v.Set(reflect.MakeMap(v.Type()))
		d.config.forget(key)
	}
	d.source(n, key)
	if name := tag.Get("list"); name != "" && n.Kind == yaml.SequenceNode {
		n = d.named(n, key, name)
	}
	d.pairs(n, key, func(k, value *yaml.Node) {
		if err := checkName(k.Value, tag); err != "" {
			d.add(k, key, "key %.100q: %s", k.Value, err)
			return
		}
		d.entry(value, v, k.Value, key, tag)
	})
}

// entry puts one value into a map.
func (d *decoder) entry(n *yaml.Node, m reflect.Value, name, key string, tag reflect.StructTag) {
	t, at := m.Type().Elem(), reflect.ValueOf(name)
	v := reflect.New(t).Elem()
	switch old := m.MapIndex(at); {
	case t.Kind() != reflect.Pointer:
		d.node(n, v, join(key, name), tag)
		m.SetMapIndex(at, v)
		return
	case old.IsValid():
		v.Set(old)
	default:
		v.Set(reflect.New(t.Elem()))
		setDefaults(v.Interface())
	}
	d.node(n, v.Elem(), join(key, name), tag)
	m.SetMapIndex(at, v)
}

// named turns a list of mappings that have their key under a name into a
// mapping.
func (d *decoder) named(list *yaml.Node, key, name string) *yaml.Node {
	m := &yaml.Node{Kind: yaml.MappingNode, Line: list.Line, Column: list.Column}
	for _, n := range list.Content {
		rest := *n
		i := slices.IndexFunc(n.Content, func(c *yaml.Node) bool { return c.Value == name })
		if n.Kind != yaml.MappingNode || i < 0 || i%2 == 1 {
			d.add(n, key, "entry without %q", name)
			continue
		}
		rest.Content = slices.Delete(slices.Clone(n.Content), i, i+2)
		m.Content = append(m.Content, n.Content[i+1], &rest)
	}
	return m
}

var (
	expertName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]*$`)
	otherName  = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_ +/-]*$`)
)

// checkName says what is wrong with the key of a map, "" if nothing is.
func checkName(name string, tag reflect.StructTag) string {
	pattern := otherName
	if tag.Get("keys") != "" {
		pattern = expertName
	}
	if len(name) > maxCompared || !pattern.MatchString(name) {
		return fmt.Sprintf("a name must match %s and have at most %d characters", pattern, maxCompared)
	}
	return ""
}

// list puts a list of scalars into a slice.
func (d *decoder) list(n *yaml.Node, v reflect.Value, key string, tag reflect.StructTag) {
	content := n.Content
	switch {
	case n.Kind == yaml.ScalarNode && tag.Get("single") != "":
		content = []*yaml.Node{n, n}
	case n.Kind != yaml.SequenceNode:
		d.add(n, key, "found %s, want a list", found(n))
		return
	}
	s := reflect.MakeSlice(v.Type(), len(content), len(content))
	for i, c := range content {
		if !d.scalar(c, s.Index(i), key) {
			return
		}
	}
	v.Set(s)
	d.source(n, key)
}

// scalar puts a scalar into v, and reports whether it fits.
func (d *decoder) scalar(n *yaml.Node, v reflect.Value, key string) bool {
	if n.Kind != yaml.ScalarNode || !fits(n.ShortTag(), v.Type()) {
		d.add(n, key, "found %s, want %s", found(n), describe(v.Type()))
		return false
	}
	if err := setText(v, n.Value); err != nil {
		d.add(n, key, "%v", err)
		return false
	}
	return true
}

// found says what a node is.
func found(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "keys and values"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	}
	kinds := map[string]string{stringIs: "the text", intIs: "the number", floatIs: "the number", boolIs: "the truth value"}
	kind := kinds[n.ShortTag()]
	if kind == "" {
		kind = "the " + strings.TrimPrefix(n.ShortTag(), "!!")
	}
	return fmt.Sprintf("%s %.100q", kind, n.Value)
}
