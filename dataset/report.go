package dataset

import (
	"fmt"
	"io"
)

// Kinds of changes that a reader makes to data of older or other programs
// (section 4). A kind may be followed by ": " and a name.
const (
	SystemTurn     = "system turn dropped"
	LeadingNewline = "white space before the tool call dropped"
	ActionLine     = "Action: line before the tool call dropped"
	CallRewritten  = "tool call written anew in the usual form"
	ToolName       = "tool computer read as computer_use"
	WaitDuration   = "argument duration read as time"
	ScrollAmount   = "arguments direction and amount read as pixels"
	BoxElement     = "argument element read as label"
	FieldMoved     = "field beside metadata moved into it"
	NoTaskType     = "metadata.task_type missing, taken as unknown"
	NoMetadata     = "metadata missing, taken as empty"
	ConfigKey      = "config.json: key missing or not understood"
	FileMissing    = "file missing, taken as empty"
	FromMaxSide    = "coordinate converted from max-side units"
	FromPixels     = "coordinates of several calls converted from pixels"
	ScaleUnchecked = "units not checked: no record has a coordinate, real_coords and an image size"
	BadAnswer      = "answer not understood, kept as it is"
	NameLabel      = "name of an expert read as its label"
	EvalFile       = "eval.jsonl read as test.jsonl"
	LabelAdded     = "metadata.label or metadata.adapter taken from the answer"
	Unfinished     = "generation was not finished: .checkpoint.json is there"
	PathPrefix     = "leading datasets/ of an image path dropped"
)

// Change is one kind of change with how often it was made.
type Change struct {
	Kind  string
	Count int
	First string // the first place: "train.jsonl:3", or a file
}

// Report lists the changes that a reader made, in the order in which the kinds
// first occurred. The zero value is empty.
type Report struct {
	Changes []Change
	Scale   Scale // of the coordinates, as found
}

// Count returns how often a change of a kind was made.
func (r *Report) Count(kind string) int {
	for _, c := range r.Changes {
		if c.Kind == kind {
			return c.Count
		}
	}
	return 0
}

// Print writes a line for each change.
func (r *Report) Print(w io.Writer) error {
	for _, c := range r.Changes {
		if _, err := fmt.Fprintf(w, "%7d  %s (first: %s)\n", c.Count, c.Kind, c.First); err != nil {
			return err
		}
	}
	return nil
}

// note counts a change. It is a [noter].
func (r *Report) note(at place, kind string) {
	for i := range r.Changes {
		if r.Changes[i].Kind == kind {
			r.Changes[i].Count++
			return
		}
	}
	r.Changes = append(r.Changes, Change{kind, 1, at.String()})
}

// noter takes note of a change made to what stands at a place.
type noter func(at place, kind string)

// place is a line of a file, or a whole file.
type place struct {
	file string
	line int // from 1; in test.json the index of the record, from 0; WholeFile
}

// WholeFile stands for the line of what concerns a whole file.
const WholeFile = -1

// String returns "train.jsonl:3".
func (p place) String() string {
	if p.line == WholeFile {
		return p.file
	}
	return fmt.Sprintf("%s:%d", p.file, p.line)
}

// PlaceError is an error with its place in a dataset.
type PlaceError struct {
	File string
	Line int // from 1; in test.json the index of the record, from 0; WholeFile
	Err  error
}

// Error returns "train.jsonl:3: " and what is wrong.
func (e *PlaceError) Error() string {
	return fmt.Sprintf("%s: %v", place{e.File, e.Line}, e.Err)
}

// Unwrap returns what is wrong.
func (e *PlaceError) Unwrap() error { return e.Err }

// wrap adds the place to an error; nil stays nil.
func (p place) wrap(err error) error {
	if err == nil {
		return nil
	}
	return &PlaceError{p.file, p.line, err}
}
