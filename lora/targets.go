package lora

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// textNames are the linear layers of the language model. No vision module has
// these names.
var textNames = []string{"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}

// visionNames are the linear layers of vision blocks and mergers. The bare
// name "proj" would also hit the patch convolution.
var visionNames = []string{"attn.qkv", "attn.proj", "linear_fc1", "linear_fc2"}

// Preset returns the targets of that name (specification mole 8.3):
//
//	text       the seven linear layers of the language model
//	full       these, and every linear layer of the vision blocks and mergers
//	reference  text, attn.proj and the patch convolution, which is what the
//	           names of the Python predecessor hit; for interchange
func Preset(name string) (Targets, error) {
	switch name {
	case "text":
		return Targets{List: slices.Clone(textNames)}, nil
	case "full":
		return Targets{List: slices.Concat(textNames, visionNames)}, nil
	case "reference":
		return Targets{List: slices.Concat(textNames, []string{"proj"})}, nil
	}
	return Targets{}, fmt.Errorf("preset %q, want text, full or reference", name)
}

// Select returns the sites that c adapts, in their order. It is an error if
// there are none, or, unless c.AllowUnused is set, if an entry of the list of
// targets hits nothing.
func Select(c Config, sites []Site) ([]Site, error) {
	hits, err := c.selector()
	if err != nil {
		return nil, err
	}
	if unused := unusedEntries(c.Targets.List, sites); len(unused) > 0 && !c.AllowUnused {
		return nil, fmt.Errorf("target_modules: no layer of the network is named %s", strings.Join(unused, " or "))
	}
	var out []Site
	for _, s := range sites {
		if hits(s) {
			out = append(out, s)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("target_modules: %s hits none of the %d layers of the network", c.Targets.shown(), len(sites))
	}
	return out, nil
}

// shown returns t for a message.
func (t Targets) shown() string {
	if t.Regexp != "" {
		return fmt.Sprintf("%.100q", t.Regexp)
	}
	return fmt.Sprintf("%.100q", strings.Join(t.List, ", "))
}

// selector returns a function that reports whether c adapts a site.
func (c Config) selector() (func(Site) bool, error) {
	if len(c.Targets.List) == 0 && c.Targets.Regexp == "" {
		return nil, errors.New("target_modules: none given")
	}
	want, err := c.Targets.matcher()
	if err != nil {
		return nil, fmt.Errorf("target_modules: %w", err)
	}
	if strings.EqualFold(c.Targets.Regexp, allLinear) {
		want = isPlainLinear
	}
	if c.Layers != nil && c.Targets.Regexp != "" {
		return nil, errors.New("layers_to_transform: only with a list of target_modules")
	}
	exclude, err := c.Exclude.matcher()
	if err != nil {
		return nil, fmt.Errorf("exclude_modules: %w", err)
	}
	return func(s Site) bool { return want(s) && !exclude(s) && c.inLayers(s.Name) }, nil
}

// inLayers reports whether a site is in one of the layers that c is limited
// to. The number of its layer is the last part of its name that is one, after
// the name of the list of layers and before that of the module.
func (c Config) inLayers(site string) bool {
	if c.Layers == nil {
		return true
	}
	parts := strings.Split(site, ".")
	for i := len(parts) - 2; i >= 2; i-- {
		number, err := strconv.Atoi(parts[i])
		if err == nil && (c.LayerNames == nil || slices.Contains(c.LayerNames, parts[i-1])) {
			return slices.Contains(c.Layers, number)
		}
	}
	return false
}

// allLinear, as an expression for targets, selects what isPlainLinear reports.
const allLinear = "all-linear"

// isPlainLinear reports whether s is a linear layer proper: not a convolution
// and not the output head.
func isPlainLinear(s Site) bool {
	return s.Kernel == nil && s.Name != "lm_head" && !strings.HasSuffix(s.Name, ".lm_head")
}

// matcher returns a function that reports whether t selects a site.
func (t Targets) matcher() (func(Site) bool, error) {
	if t.Regexp != "" && len(t.List) > 0 {
		return nil, errors.New("both a list and a regular expression")
	}
	if t.Regexp != "" {
		p, err := compile(t.Regexp)
		if err != nil {
			return nil, err
		}
		return func(s Site) bool { return p.match(s.Name) }, nil
	}
	entries := map[string]bool{}
	for _, entry := range t.List {
		entries[entry] = true
	}
	return func(s Site) bool {
		return slices.ContainsFunc(tails(s.Name), func(t string) bool { return entries[t] })
	}, nil
}

// unusedEntries returns the quoted entries that match no site.
func unusedEntries(list []string, sites []Site) []string {
	known := map[string]bool{}
	for _, s := range sites {
		for _, t := range tails(s.Name) {
			known[t] = true
		}
	}
	var out []string
	for _, entry := range list {
		if !known[entry] {
			out = append(out, fmt.Sprintf("%.100q", entry))
		}
	}
	return out
}

// tails returns name and what follows each of its dots.
func tails(name string) []string {
	out := []string{name}
	for i := range len(name) {
		if name[i] == '.' {
			out = append(out, name[i+1:])
		}
	}
	return out
}
