package dataset

import (
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"mole/expert"
)

// MergeSource is a JSONL file to be merged (specification mole, 5.14).
type MergeSource struct {
	Label     string // name of an expert, or its label in decimal
	JSONL     string
	ImageRoot string   // where pictures are looked for first, may be empty
	Name      string   // for metadata.source_dataset; the dataset's folder if empty
	Tasks     []string // task types that are taken; all if empty
	Limit     int      // records that are taken, the first; all if 0
}

// ParseMergeSource reads "label=calendar,jsonl=x/train.jsonl,tasks=a+b": keys
// label, jsonl, image_root, tasks, limit and name, of which the first two must be
// there and only tasks may be there more than once. A plus sign parts tasks.
func ParseMergeSource(text string) (MergeSource, error) {
	var s MergeSource
	seen := map[string]bool{}
	for part := range strings.SplitSeq(text, ",") {
		key, value, ok := strings.Cut(part, "=")
		switch {
		case !ok || value == "":
			return s, fmt.Errorf("source %q: %q, want KEY=VALUE", text, part)
		case seen[key] && key != "tasks":
			return s, fmt.Errorf("source %q: %s is there twice", text, key)
		}
		seen[key] = true
		if err := s.set(key, value); err != nil {
			return s, fmt.Errorf("source %q: %w", text, err)
		}
	}
	for _, key := range []string{"label", "jsonl"} {
		if !seen[key] {
			return s, fmt.Errorf("source %q: no %s=", text, key)
		}
	}
	return s, nil
}

// set sets a field by its key.
func (s *MergeSource) set(key, value string) error {
	fields := map[string]*string{"label": &s.Label, "jsonl": &s.JSONL, "image_root": &s.ImageRoot, "name": &s.Name}
	field, ok := fields[key]
	switch {
	case ok:
		*field = value
	case key == "tasks":
		s.Tasks = append(s.Tasks, strings.FieldsFunc(value, func(r rune) bool { return r == '+' })...)
	case key == "limit":
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 {
			return fmt.Errorf("limit %q: want a number above 0", value)
		}
		s.Limit = n
	default:
		return fmt.Errorf("key %q is not known, want label, jsonl, image_root, tasks, limit or name", key)
	}
	return nil
}

// MergeOptions say what Merge merges.
type MergeOptions struct {
	Sources []MergeSource // in the order of the result
	Experts expert.Table  // what labels mean
	Shuffle bool          // the records of all sources together
	Seed    uint64        // of Shuffle
}

// Merged are the records of several files as one.
type Merged struct {
	Records []Record
	Counts  []int    // of records, by source
	Missing []string // pictures that were not found: FILE:LINE: IMAGE
	Report  Report   // what reading changed
}

// Merge reads JSONL files of experts or of routing sets and makes routing
// records of their records: the answer is the expert's label, ids are unique,
// metadata say where the picture lies on this machine (image_path). A picture is
// looked for in the source's image root, in the folder of its file, and, if its
// path begins with the name of that folder, beside the folder; the record of one
// that is not found stays, with its path as it was. A broken line, a record
// of another expert, and a picture with two labels are errors.
func Merge(o MergeOptions) (*Merged, error) {
	m := &merger{names: naming{ids: map[string]bool{}}, labels: map[string]labelled{}}
	for _, s := range o.Sources {
		e, err := expertOf(o.Experts, s.Label)
		if err != nil {
			return nil, fmt.Errorf("source %s: %w", s.JSONL, err)
		}
		before := len(m.Records)
		if err := m.source(s, e); err != nil {
			return nil, err
		}
		n := len(m.Records) - before
		if n == 0 {
			return nil, fmt.Errorf("source %s: no records of the wanted tasks %s", s.JSONL, strings.Join(s.Tasks, ", "))
		}
		m.Counts = append(m.Counts, n)
	}
	if o.Shuffle {
		stream(o.Seed, "merge").Shuffle(len(m.Records), func(i, j int) { m.Records[i], m.Records[j] = m.Records[j], m.Records[i] })
	}
	return &m.Merged, nil
}

// expertOf returns the expert of a name or label.
func expertOf(t expert.Table, label string) (expert.Expert, error) {
	for _, e := range t {
		if e.Name == label || strconv.Itoa(e.Label) == label {
			return e, nil
		}
	}
	return expert.Expert{}, fmt.Errorf("label %q: neither a label nor an expert in the table: %s", label, t)
}

// merger merges.
type merger struct {
	Merged
	names  naming
	labels map[string]labelled // by picture that was found
}

// labelled is a picture's label and where that was said first.
type labelled struct {
	label int
	at    place
}

// source takes the records of one file.
func (m *merger) source(s MergeSource, e expert.Expert) error {
	f, err := os.Open(s.JSONL)
	if err != nil {
		return err
	}
	defer closeRead(f)
	taken := 0
	for at, r := range records(f, s.JSONL, m.Report.note) {
		if r.err != nil {
			return at.wrap(r.err)
		}
		if len(s.Tasks) > 0 && !slices.Contains(s.Tasks, r.Metadata.TaskType) {
			continue
		}
		if err := m.take(s, e, at, &r.Record); err != nil {
			return at.wrap(err)
		}
		if taken++; taken == s.Limit {
			break
		}
	}
	return nil
}

// take takes a record.
func (m *merger) take(s MergeSource, e expert.Expert, at place, r *Record) error {
	if a := r.Metadata.Adapter; a != "" && a != e.Name {
		return fmt.Errorf("metadata.adapter is %q, the source is of %q", a, e.Name)
	}
	found, dataset, err := s.find(r.Image)
	if err != nil {
		return err
	}
	meta := Metadata{TaskType: r.Metadata.TaskType, SplitGroup: r.Metadata.SplitGroup, Adapter: e.Name, Label: &e.Label}
	meta.SourceDataset = firstOf(s.Name, firstOf(dataset, strings.TrimSuffix(filepath.Base(s.JSONL), filepath.Ext(s.JSONL))))
	if found == "" {
		m.Missing = append(m.Missing, fmt.Sprintf("%s: %s", at, r.Image))
	} else {
		if err := m.agree(found, e.Label, at); err != nil {
			return err
		}
		meta.Extra = map[string]json.RawMessage{"image_path": quote(found)}
		r.Image = inSet(r.Image, dataset)
	}
	m.Records = append(m.Records, Record{
		ID: m.names.unique(r.ID, e.Name), Image: r.Image, Metadata: meta,
		Conversations: []Turn{r.Conversations[0], {"gpt", strconv.Itoa(e.Label)}},
	})
	return nil
}

// agree refuses another label for a picture that has one.
func (m *merger) agree(picture string, label int, at place) error {
	first, ok := m.labels[picture]
	if ok && first.label != label {
		return fmt.Errorf("picture %s has label %d here and %d in %s", picture, label, first.label, first.at)
	}
	if !ok {
		m.labels[picture] = labelled{label, at}
	}
	return nil
}

// find returns the absolute path of a picture and the name of the dataset's
// folder that it lies in, both "" if it is nowhere.
func (s MergeSource) find(image string) (found, dataset string, err error) {
	folder, err := filepath.Abs(filepath.Dir(s.JSONL))
	if err != nil {
		return "", "", err
	}
	var roots []string
	if s.ImageRoot != "" {
		root, err := filepath.Abs(s.ImageRoot)
		if err != nil {
			return "", "", err
		}
		roots = append(roots, root)
	}
	roots = append(roots, folder)
	first, _, _ := strings.Cut(image, "/")
	if first == filepath.Base(folder) {
		roots = append(roots, filepath.Dir(folder))
	}
	for _, root := range roots {
		file := filepath.Join(root, filepath.FromSlash(image))
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() {
			return file, datasetOf(root, image), nil
		}
	}
	return "", "", nil
}

// datasetOf returns the folder of the dataset of a picture: the root itself,
// or, in a folder of datasets, the beginning of the path.
func datasetOf(root, image string) string {
	first, _, _ := strings.Cut(image, "/")
	if first == "images" || first == "ocr" || path.Dir(image) == "." {
		return filepath.Base(root)
	}
	return first
}

// inSet returns the path of a picture from the folder of datasets.
func inSet(image, dataset string) string {
	if strings.HasPrefix(image, dataset+"/") {
		return image
	}
	return path.Join(dataset, image)
}
