package dataset

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"

	"mole/expert"
)

// RoutingOptions says how OpenRouting reads.
type RoutingOptions struct {
	Name    string       // of the dataset, goes before the names of files in messages; may be empty
	Experts expert.Table // labels of the experts that the dataset's metadata do not know; may be nil
}

// OpenRouting reads the routing set in a folder (4.6, 4.7). Answers that are
// names become labels by the label map of the dataset, or else by that of the
// options; eval.jsonl stands for test.jsonl in older sets; a leading "datasets/"
// of a picture's path is dropped. All this is counted in the report. The first
// broken record is an error of type *[PlaceError]. Pictures are not looked at.
func OpenRouting(fsys fs.FS, o RoutingOptions) (*Routing, *Report, error) {
	l := loader{fsys: fsys, prefix: o.Name}
	l.note = l.report.note
	var r Routing
	if err := l.routingMetadata(&r.Metadata); err != nil {
		return nil, nil, err
	}
	labels := newLabelMap(r.Metadata.Labels, o.Experts)
	for _, f := range []struct {
		name    string
		records *[]Record
	}{{"train.jsonl", &r.Train}, {"val.jsonl", &r.Val}, {l.testName(), &r.Test}} {
		if err := l.routing(f.name, f.records, labels); err != nil {
			return nil, nil, err
		}
	}
	if len(r.Metadata.Labels) == 0 {
		r.Metadata.Labels = labels.byName
	}
	return &r, &l.report, nil
}

// testName returns the name of the test split's file.
func (l *loader) testName() string {
	if _, err := fs.Stat(l.fsys, "test.jsonl"); !errors.Is(err, fs.ErrNotExist) {
		return "test.jsonl"
	}
	if _, err := fs.Stat(l.fsys, "eval.jsonl"); err != nil {
		return "test.jsonl"
	}
	l.note(l.place("eval.jsonl", WholeFile), EvalFile)
	return "eval.jsonl"
}

// routingMetadata reads metadata.json.
func (l *loader) routingMetadata(m *RoutingMetadata) error {
	at := l.place("metadata.json", WholeFile)
	data, err := readJSON(l.fsys, "metadata.json")
	if err != nil {
		return l.absent(at, err, false, true)
	}
	if err := checkJSON(data); err != nil {
		return at.wrap(err)
	}
	return at.wrap(m.UnmarshalJSON(data))
}

// routing reads one split.
func (l *loader) routing(name string, dst *[]Record, labels *labelMap) error {
	whole := l.place(name, WholeFile)
	f, err := l.fsys.Open(name)
	if err != nil {
		return l.absent(whole, err, name == "train.jsonl", true)
	}
	defer closeRead(f)
	for at, rec := range records(f, whole.file, l.note) {
		if rec.err == nil {
			rec.err = labels.normalise(&rec.Record, at, l.note)
		}
		if rec.err != nil {
			return at.wrap(rec.err)
		}
		*dst = append(*dst, rec.Record)
	}
	return nil
}

// labelMap knows the label of each expert, and learns those that only the
// records tell.
type labelMap struct {
	byName  map[string]int
	byLabel map[int]string
}

// newLabelMap takes the labels of a dataset, and of the table those that clash
// with none of them.
func newLabelMap(labels map[string]int, table expert.Table) *labelMap {
	m := &labelMap{map[string]int{}, map[int]string{}}
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		m.learn(name, labels[name])
	}
	for _, e := range table {
		m.learn(e.Name, e.Label)
	}
	return m
}

// learn adds a pair unless one of the two is known.
func (m *labelMap) learn(name string, label int) {
	_, known := m.byName[name]
	if _, taken := m.byLabel[label]; known || taken {
		return
	}
	m.byName[name], m.byLabel[label] = label, name
}

// normalise makes the answer of a routing record its label in decimal, and
// completes its metadata. Statements that contradict one another are errors.
func (m *labelMap) normalise(r *Record, at place, note noter) error {
	if image, ok := strings.CutPrefix(r.Image, "datasets/"); ok {
		r.Image = image
		note(at, PathPrefix)
	}
	label, err := m.label(r, at, note)
	if err != nil {
		return err
	}
	name, err := m.adapter(&r.Metadata, label)
	if err != nil {
		return err
	}
	if r.Metadata.Adapter == "" || r.Metadata.Label == nil {
		note(at, LabelAdded)
	}
	r.Metadata.Adapter, r.Metadata.Label = name, &label
	r.Conversations[1].Value = strconv.Itoa(label)
	return nil
}

// adapter returns the expert of a label, which the metadata must not contradict.
func (m *labelMap) adapter(d *Metadata, label int) (string, error) {
	if d.Label != nil && *d.Label != label {
		return "", fmt.Errorf("answer is label %d, metadata.label %d", label, *d.Label)
	}
	if d.Adapter != "" {
		m.learn(d.Adapter, label)
	}
	name, ok := m.byLabel[label]
	switch {
	case !ok:
		return "", fmt.Errorf("answer: label %d is not in the table: %s", label, m)
	case d.Adapter != "" && d.Adapter != name:
		return "", fmt.Errorf("answer is label %d, %s, metadata.adapter is %q", label, name, d.Adapter)
	}
	return name, nil
}

// label reads the answer of a record: a number, or a name.
func (m *labelMap) label(r *Record, at place, note noter) (int, error) {
	text := strings.TrimSpace(r.Answer())
	if n, err := strconv.Atoi(text); err == nil {
		if n < 0 {
			return 0, fmt.Errorf("answer: label %d is negative", n)
		}
		return n, nil
	}
	if r.Metadata.Label != nil && text == r.Metadata.Adapter {
		m.learn(text, *r.Metadata.Label)
	}
	n, ok := m.byName[text]
	if !ok {
		return 0, fmt.Errorf("answer %s: neither a label nor an expert in the table: %s", abridged(quote(text)), m)
	}
	note(at, NameLabel)
	return n, nil
}

// String returns "0 calendar, 1 claim-window", for messages.
func (m *labelMap) String() string {
	if len(m.byLabel) == 0 {
		return "no labels are known"
	}
	const most = 20 // of a table that was made up
	var parts []string
	for i, label := range slices.Sorted(maps.Keys(m.byLabel)) {
		if i == most {
			parts = append(parts, fmt.Sprintf("and %d more", len(m.byLabel)-most))
			break
		}
		parts = append(parts, fmt.Sprintf("%d %s", label, m.byLabel[label]))
	}
	return strings.Join(parts, ", ")
}
