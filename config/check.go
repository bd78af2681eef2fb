package config

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"mole/expert"
)

// setDefaults gives a new entry of a map its defaults, if its type has any.
func setDefaults(v any) {
	if d, ok := v.(interface{ setDefaults() }); ok {
		d.setDefaults()
	}
}

// check checks all values, one by one and together, and makes the table of
// experts. jobs are the known jobs.
func (c *Config) check(jobs []string) error {
	errs := c.inRange(c.leaves())
	errs = append(errs, c.table()...)
	errs = append(errs, c.splits()...)
	errs = append(errs, c.origins()...)
	errs = append(errs, c.experts("dataset.adapters", keysOf(c.Dataset.Adapters))...)
	errs = append(errs, c.experts("generators.experts", keysOf(c.Generators.Experts))...)
	for _, name := range keysOf(c.Generators.Experts) {
		errs = append(errs, c.Generators.Experts[name].check(c, "generators.experts."+name)...)
	}
	b := &c.Jobs.Backends
	for key, names := range map[string][]string{
		"profiles": keysOf(c.Jobs.Profiles), "backends.local": keysOf(b.Local),
		"backends.kubernetes": keysOf(b.Kubernetes), "backends.modal": keysOf(b.Modal),
	} {
		errs = append(errs, c.among("job", key, names, jobs)...)
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(errs...)
}

// keysOf returns the keys of a map in order.
func keysOf[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// among returns an error for each name below a key that is not one of those
// known.
func (c *Config) among(what, key string, names, known []string) []error {
	var errs []error
	for _, name := range names {
		if !slices.Contains(known, name) {
			errs = append(errs, c.wrong(join(key, name), "%s", unknown(what, name, known)))
		}
	}
	return errs
}

// experts returns an error for each name that is not an expert's.
func (c *Config) experts(key string, names []string) []error {
	return c.among("expert", key, names, keysOf(c.Adapters.Experts))
}

// table makes the table of experts.
func (c *Config) table() []error {
	var errs []error
	var list []expert.Expert
	byLabel := map[int]string{}
	for _, name := range keysOf(c.Adapters.Experts) {
		e := c.Adapters.Experts[name]
		list = append(list, expert.Expert{Name: name, Label: e.Label, Kind: expert.Kind(e.Kind), Generator: e.Generator, Description: e.Description})
		if other, twice := byLabel[e.Label]; twice {
			errs = append(errs, c.wrong("adapters.experts."+name+".label", "label %d is that of %q, too", e.Label, other))
			continue
		}
		byLabel[e.Label] = name
	}
	if len(list) == 0 {
		errs = append(errs, c.wrong("adapters.experts", "no experts, want at least one"))
	}
	table, err := expert.NewTable(list)
	if err != nil && errs == nil {
		errs = append(errs, c.wrong("adapters.experts", "%v", err))
	}
	c.Experts = table
	return errs
}

// splits checks the sum of the splits.
func (c *Config) splits() []error {
	s := c.Dataset.Splits
	const most = 1 + 1e-9
	if sum := s.Train + s.Val; sum > most || sum == 0 {
		return []error{c.wrong("dataset.splits", "train %g and val %g add up to %g, want more than 0 and at most 1", s.Train, s.Val, sum)}
	}
	return nil
}

// origins checks where the pictures of a routing set and what is on the volumes
// come from.
func (c *Config) origins() []error {
	var errs []error
	for _, name := range keysOf(c.Dataset.Adapters) {
		e := c.Adapters.Experts[name]
		if e != nil && e.Kind != string(expert.OCR) && c.Dataset.Adapters[name].Source == OCRGenerated {
			errs = append(errs, c.wrong("dataset.adapters."+name+".source", "%s, and expert %s is of kind %s, want kind %s", OCRGenerated, name, e.Kind, expert.OCR))
		}
	}
	const alias = "adapters.volumes.training_data.name"
	if v := &c.Adapters.Volumes; c.Source(alias).IsDefault() {
		v.TrainingData = v.LoRATraining
	} else if v.TrainingData != v.LoRATraining {
		errs = append(errs, c.wrong(alias, "%q, want %q: it is another name of lora_training", v.TrainingData.Name, v.LoRATraining.Name))
	}
	return errs
}

// inRange checks values against the tags of their fields: min, max, above
// (greater than), below, oneof (texts with commas between them), match (a regular
// expression).
func (c *Config) inRange(list []leaf) []error {
	var errs []error
	for _, l := range list {
		reason := ""
		switch l.value.Kind() {
		case reflect.String:
			reason = checkText(l.value.String(), l.tag)
		case reflect.Slice:
			for i := 0; i < l.value.Len() && reason == ""; i++ {
				reason = checkNumber(l.value.Index(i), l.tag)
			}
		default:
			reason = checkNumber(l.value, l.tag)
		}
		if reason != "" {
			errs = append(errs, c.wrong(l.key, "%s", reason))
		}
	}
	return errs
}

// maxText is the longest text, in bytes.
const maxText = 4096

// checkText says what is wrong with a text, "" if nothing is.
func checkText(s string, tag reflect.StructTag) string {
	choices, chosen := tag.Lookup("oneof")
	pattern := tag.Get("match")
	switch {
	case len(s) > maxText:
		return fmt.Sprintf("%d bytes, want at most %d", len(s), maxText)
	case chosen && !slices.Contains(strings.Split(choices, ","), s):
		return unknown("value", s, strings.Split(choices, ",")) + ", want one of " + strings.TrimPrefix(choices, ",")
	case pattern == "." && s == "":
		return "found nothing, want a text"
	case pattern != "" && !regexp.MustCompile(pattern).MatchString(s):
		return fmt.Sprintf("found %.100q, want a text that matches %s", s, pattern)
	}
	return ""
}

// checkNumber says what is wrong with a number, "" if nothing is.
func checkNumber(v reflect.Value, tag reflect.StructTag) string {
	x, ok := number(v)
	if !ok {
		return ""
	}
	for _, bound := range []struct {
		tag, words string
		wrong      func(limit float64) bool
	}{
		{"min", "at least", func(limit float64) bool { return x < limit }},
		{"max", "at most", func(limit float64) bool { return x > limit }},
		{"above", "more than", func(limit float64) bool { return x <= limit }},
		{"below", "less than", func(limit float64) bool { return x >= limit }},
	} {
		text, ok := tag.Lookup(bound.tag)
		if !ok {
			continue
		}
		if limit, err := strconv.ParseFloat(text, 64); err != nil || bound.wrong(limit) {
			return fmt.Sprintf("found %v, want %s %s", v.Interface(), bound.words, text)
		}
	}
	return ""
}

// number returns a number of any type.
func number(v reflect.Value) (float64, bool) {
	switch v.Kind() {
	case reflect.Int, reflect.Int64:
		return float64(v.Int()), true
	case reflect.Uint64:
		return float64(v.Uint()), true
	case reflect.Float64:
		return v.Float(), true
	}
	return 0, false
}
