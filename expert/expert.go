// Package expert holds the table of experts: which label, a small number,
// stands for which adapter. It is the only place where labels live at run time;
// config/adapters.yaml is the only place where they are written down, and a
// copy travels with every dataset, checkpoint and deployed router.
package expert

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Kind says what answers for an expert.
type Kind string

// The kinds of experts.
const (
	LoRA Kind = "lora" // an adapter on the base model
	OCR  Kind = "ocr"  // a text-recognition model
)

// Expert is one row of the table.
type Expert struct {
	Name        string // [a-z0-9][a-z0-9-]*
	Label       int    // 0 or more; what the router answers
	Kind        Kind   // LoRA if empty
	Generator   string // the program that draws its screens, for information
	Description string // one line for the router's prompt and for people
}

// Table is a set of experts in the order of their labels, without duplicates.
// Make one with NewTable.
type Table []Expert

var namePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9-]*$`)

// ValidName reports whether a text may be the name of an expert.
func ValidName(name string) bool { return namePattern.MatchString(name) }

// NewTable returns the experts in the order of their labels. Names and labels
// must be unique and well formed.
func NewTable(experts []Expert) (Table, error) {
	t := slices.Clone(experts)
	slices.SortStableFunc(t, func(a, b Expert) int { return a.Label - b.Label })
	names := map[string]bool{}
	for i := range t {
		e := &t[i]
		if e.Kind == "" {
			e.Kind = LoRA
		}
		if err := e.check(); err != nil {
			return nil, err
		}
		if names[e.Name] {
			return nil, fmt.Errorf("expert %q occurs twice", e.Name)
		}
		if i > 0 && t[i-1].Label == e.Label {
			return nil, fmt.Errorf("experts %q and %q have the same label %d", t[i-1].Name, e.Name, e.Label)
		}
		names[e.Name] = true
	}
	return t, nil
}

// check looks at one row alone.
func (e *Expert) check() error {
	switch {
	case !namePattern.MatchString(e.Name):
		return fmt.Errorf("expert %q: name must match %s", e.Name, namePattern)
	case e.Label < 0:
		return fmt.Errorf("expert %q: label %d is negative", e.Name, e.Label)
	case e.Kind != LoRA && e.Kind != OCR:
		return fmt.Errorf("expert %q: kind %q, want %q or %q", e.Name, e.Kind, LoRA, OCR)
	}
	return nil
}

// ByName returns the expert of that name.
func (t Table) ByName(name string) (Expert, bool) {
	i := slices.IndexFunc(t, func(e Expert) bool { return e.Name == name })
	if i < 0 {
		return Expert{}, false
	}
	return t[i], true
}

// ByLabel returns the expert with that label.
func (t Table) ByLabel(label int) (Expert, bool) {
	i := slices.IndexFunc(t, func(e Expert) bool { return e.Label == label })
	if i < 0 {
		return Expert{}, false
	}
	return t[i], true
}

// Names returns the names in the order of the labels.
func (t Table) Names() []string {
	names := make([]string, len(t))
	for i, e := range t {
		names[i] = e.Name
	}
	return names
}

// String returns "0 calendar, 1 claim-window", for messages.
func (t Table) String() string {
	parts := make([]string, len(t))
	for i, e := range t {
		parts[i] = fmt.Sprintf("%d %s", e.Label, e.Name)
	}
	return strings.Join(parts, ", ")
}
