// Package spec holds the router specification: everything about a router's
// input that must be the same in preprocessing, training, evaluation and
// serving. It travels in every dataset, checkpoint and bundle; who consumes one
// compares it with its own and refuses a difference by name (specification
// mole, 6.3).
package spec

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"mole/expert"
)

// Version is the version of the layout of Router.
const Version = 1

// Router is the specification of a router. Two routers with the same Hash see
// the same numbers for the same image.
type Router struct {
	Version      int    `json:"version"`
	PromptID     string `json:"prompt_id"`      // template of package prompt: "router-v1"
	PromptSHA256 string `json:"prompt_sha256"`  // of the rendered system prompt
	LabelMode    string `json:"label_mode"`     // "digit", or "name" for old datasets
	Labels       Labels `json:"labels"`         // expert to label
	MaskUserText bool   `json:"mask_user_text"` // the instruction is left out: image-only routing
	Supervise    string `json:"supervise"`      // "answer+eot"
	Image        Image  `json:"image"`
	Tokenizer    string `json:"tokenizer_sha256"`
	Base         string `json:"base_model"` // digest of the base model's weights
}

// Labels maps the names of experts to their labels.
type Labels map[string]int

// Image says how pictures become patches.
type Image struct {
	Patch     int    `json:"patch"`
	Merge     int    `json:"merge"`
	MinTokens int    `json:"min_tokens"` // merged cells of an image, at least
	MaxTokens int    `json:"max_tokens"` // at most
	Resample  string `json:"resample"`   // rule of package vision: "bicubic-torchvision", "bicubic-pillow"
}

// LabelsOf returns the labels of a table.
func LabelsOf(t expert.Table) Labels {
	l := Labels{}
	for _, e := range t {
		l[e.Name] = e.Label
	}
	return l
}

// Hash returns the SHA-256 of r in its canonical JSON form, in hexadecimal.
func (r Router) Hash() string { return hash(r) }

// hash returns the SHA-256 of a specification in its canonical JSON form.
func hash(v any) string {
	text, err := json.Marshal(v) // struct order, map keys sorted
	if err != nil {
		panic(fmt.Sprintf("spec: %v", err)) // specifications hold nothing that JSON cannot
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// MismatchError says in which fields two specifications differ.
type MismatchError struct {
	What   string   // whose specification is not as wanted: "checkpoint run-1"
	Fields []string // "image.max_tokens is 64, want 256"
	Labels bool     // the labels are among them, which nothing may override
	Expert bool     // the specifications are of experts, not of routers
}

// Error lists the fields.
func (e *MismatchError) Error() string {
	kind := "router"
	if e.Expert {
		kind = "expert"
	}
	return fmt.Sprintf("%s specification of %s: %s", kind, e.What, strings.Join(e.Fields, "; "))
}

// Check returns a *MismatchError that names every field in which got, the
// specification of what, differs from want; nil if there is none.
func Check(what string, got, want Router) error {
	return check(&MismatchError{What: what}, got, want)
}

// check is Check for two structs of one type.
func check(e *MismatchError, got, want any) error {
	e.compare("", reflect.ValueOf(got), reflect.ValueOf(want))
	if e.Fields == nil {
		return nil
	}
	return e
}

// compare appends the fields of two structs that differ.
func (e *MismatchError) compare(path string, got, want reflect.Value) {
	for i := range got.NumField() {
		name := path + got.Type().Field(i).Tag.Get("json")
		g, w := got.Field(i), want.Field(i)
		if g.Kind() == reflect.Struct {
			e.compare(name+".", g, w)
			continue
		}
		if reflect.DeepEqual(g.Interface(), w.Interface()) {
			continue
		}
		e.Fields = append(e.Fields, fmt.Sprintf("%s is %v, want %v", name, g, w))
		e.Labels = e.Labels || name == "labels"
	}
}
