package dataset

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"mole/expert"
)

// Severity says how bad a problem is.
type Severity string

// The severities.
const (
	Error   Severity = "error"   // the dataset is not valid
	Warning Severity = "warning" // readers put up with it
)

// Problem is one finding of a validation.
type Problem struct {
	File     string
	Line     int // from 1; in test.json the index of the record, from 0; WholeFile
	Message  string
	Severity Severity
}

// String returns "train.jsonl:3: message", after "warning: " for a warning.
func (p Problem) String() string {
	s := place{p.File, p.Line}.String() + ": " + p.Message
	if p.Severity == Warning {
		return "warning: " + s
	}
	return s
}

// ValidateOptions says what a validation looks at.
type ValidateOptions struct {
	// Own applies the rules for datasets that MOLE makes. In those of others
	// what readers put up with is a warning.
	Own bool
	// Pixels decodes every picture whole, which finds cut-off files, and tells
	// pictures of different splits apart by their pixels. Otherwise headers are
	// read, and pictures told apart by path and split_group.
	Pixels bool
	// Datasets is the folder in which the paths of a routing set's pictures
	// begin (4.6); nil leaves out what needs the pictures. Experts' datasets hold
	// theirs.
	Datasets fs.FS
	// Experts is the table of labels that a routing set must agree with; nil
	// takes the set's own.
	Experts expert.Table
}

// Valid reports whether no problem is an error.
func Valid(problems []Problem) bool {
	return !slices.ContainsFunc(problems, func(p Problem) bool { return p.Severity == Error })
}

// validator collects the problems of a dataset.
type validator struct {
	loader
	o        ValidateOptions
	problems []Problem
	ids      map[string]place
	asked    map[[2]string]asked
	shown    map[string]string // picture: what it is told apart by
	split    map[string]place  // where what is told apart was seen first
	broken   map[string]bool   // pictures with a problem, reported once
	badLines int               // of the splits
}

// newValidator returns a validator of the dataset in a folder.
func newValidator(fsys fs.FS, o ValidateOptions) *validator {
	v := &validator{
		loader: loader{fsys: fsys}, o: o,
		ids: map[string]place{}, asked: map[[2]string]asked{}, shown: map[string]string{}, split: map[string]place{}, broken: map[string]bool{},
	}
	v.note = func(at place, kind string) {
		if kind != NoMetadata && kind != NoTaskType { // are checked, as errors
			v.add(at, v.ours(), "%s", kind)
		}
	}
	return v
}

// ours returns the severity of what only others may do.
func (v *validator) ours() Severity {
	if v.o.Own {
		return Error
	}
	return Warning
}

// add adds a problem.
func (v *validator) add(at place, s Severity, format string, args ...any) {
	v.problems = append(v.problems, Problem{at.file, at.line, fmt.Sprintf(format, args...), s})
}

// addErr adds an error, if there is one.
func (v *validator) addErr(at place, err error) {
	if err != nil {
		v.add(at, Error, "%v", err)
	}
}

// sorted returns the problems by file and line.
func (v *validator) sorted() []Problem {
	slices.SortStableFunc(v.problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
	return v.problems
}

// id checks that an id occurs once.
func (v *validator) id(at place, id string, s Severity) {
	if first, ok := v.ids[id]; ok {
		v.add(at, s, "id %q: also in %s", id, first)
		return
	}
	v.ids[id] = at
}

// file reads a required file and says if it is not there.
func (v *validator) file(name string) ([]byte, bool) {
	at := place{name, WholeFile}
	data, err := readJSON(v.fsys, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		v.add(at, Error, "file is missing")
	case err != nil:
		v.add(at, Error, "%v", cause(err))
	}
	return data, err == nil
}

// records goes through the records of a file; broken is told of the lines that
// hold none.
func (v *validator) records(name string, required bool, note noter, each func(at place, r *Record), broken func(at place, err error)) {
	f, err := v.fsys.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		if required {
			v.add(place{name, WholeFile}, Error, "file is missing")
		}
		return
	}
	if err != nil {
		v.add(place{name, WholeFile}, Error, "%v", cause(err))
		return
	}
	defer closeRead(f)
	for at, rec := range records(f, name, note) {
		if rec.err != nil {
			broken(at, rec.err)
			continue
		}
		each(at, &rec.Record)
	}
}

// brokenLine takes note of a line of a split that holds no record.
func (v *validator) brokenLine(at place, err error) {
	v.badLines++
	v.addErr(at, err)
}

// copies goes through data.jsonl, which repeats the splits. Its broken lines
// are worth a word only if they are not those of the splits.
func (v *validator) copies(required bool, each func(at place, r *Record)) {
	var own []Problem
	v.records("data.jsonl", required, func(place, string) {}, each, func(at place, err error) {
		own = append(own, Problem{at.file, at.line, err.Error(), Error})
	})
	if len(own) != v.badLines {
		v.problems = append(v.problems, own...)
	}
}

// picture checks a picture and returns its size, 0 if it has none. A broken
// one is reported where it is used first.
func (v *validator) picture(at place, fsys fs.FS, name string) [2]int {
	if v.broken[name] {
		return [2]int{}
	}
	s, ok := v.sizes[name]
	if !ok {
		s.size, s.err = pictureSize(fsys, name)
		v.shown[name] = name
		if s.err == nil && v.o.Pixels {
			var l look
			l, s.err = lookAt(fsys, name)
			v.shown[name] = l.group()
		}
		if v.sizes == nil {
			v.sizes = map[string]sizeOrError{}
		}
		v.sizes[name] = s
	}
	if s.err != nil {
		v.broken[name] = true
		v.add(at, Error, "%v", s.err)
	}
	return s.size
}

// leak checks that what a picture shows is in one split only.
func (v *validator) leak(at place, shown string, s Severity) {
	first, ok := v.split[shown]
	switch {
	case !ok:
		v.split[shown] = at
	case first.file != at.file:
		v.add(at, s, "picture %s is also in %s: splits must not share pictures", shown, first)
	}
}

// human checks the turn with the instruction.
func (v *validator) human(at place, r *Record) {
	value := r.Conversations[0].Value
	prompt := r.Prompt()
	switch {
	case prompt == value:
		v.add(at, Error, "human turn begins with %s, want %s", abridged(quote(value)), quote(ImageMark))
	case fold(prompt) == "":
		v.add(at, Error, "instruction is empty")
	case containsMark(prompt):
		v.add(at, Error, "instruction holds a second <image>")
	}
}
