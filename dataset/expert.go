package dataset

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
)

// maxJSON is the largest JSON file that is read whole, in bytes.
const maxJSON = 512 << 20

// Expert is an expert's dataset (4.5) in the present form: answers of tool
// calls in independent units, no system turns.
type Expert struct {
	Config              ExpertConfig
	Train, Val, HeldOut []Record
	Tests               []Test
}

// ExpertOptions says how OpenExpert reads.
type ExpertOptions struct {
	Name string // of the dataset, goes before the names of files in messages; may be empty
	// Lenient keeps records whose answer is not a good tool call or whose units
	// are unknown, and counts them, where only screen and instruction matter.
	// Otherwise they are errors.
	Lenient bool
}

// OpenExpert reads the dataset of an expert in a folder. What it changed is
// counted in the report. The first broken record is an error of type
// *[PlaceError]; so is a dataset whose units are neither independent nor
// max-side. Only train.jsonl has to be there: what else is missing is counted.
// Of the pictures no more than the headers are read.
func OpenExpert(fsys fs.FS, o ExpertOptions) (*Expert, *Report, error) {
	l := loader{fsys: fsys, prefix: o.Name, lenient: o.Lenient}
	l.note = l.report.note
	e, err := l.expert()
	if err != nil {
		return nil, nil, err
	}
	return e, &l.report, nil
}

// loader reads the files of a dataset.
type loader struct {
	fsys    fs.FS
	prefix  string
	lenient bool
	report  Report
	note    noter
	answers []answer
	sizes   map[string]sizeOrError
}

// sizeOrError is the size of a picture, or why it is unknown.
type sizeOrError struct {
	size [2]int
	err  error
}

// place returns the place in a file, with the dataset's name.
func (l *loader) place(file string, line int) place { return place{path.Join(l.prefix, file), line} }

// expert reads all files.
func (l *loader) expert() (*Expert, error) {
	var e Expert
	if _, err := fs.Stat(l.fsys, ".checkpoint.json"); err == nil {
		l.note(l.place(".checkpoint.json", WholeFile), Unfinished)
	}
	if err := l.config(&e.Config); err != nil {
		return nil, err
	}
	for _, f := range []struct {
		name     string
		records  *[]Record
		required bool
	}{{"train.jsonl", &e.Train, true}, {"val.jsonl", &e.Val, false}, {"held_out.jsonl", &e.HeldOut, false}} {
		if err := l.jsonl(f.name, f.records, f.required); err != nil {
			return nil, err
		}
	}
	if err := l.tests(&e.Tests); err != nil {
		return nil, err
	}
	l.collect(&e)
	return &e, l.units()
}

// config reads config.json.
func (l *loader) config(c *ExpertConfig) error {
	at := l.place("config.json", WholeFile)
	data, err := readJSON(l.fsys, "config.json")
	if errors.Is(err, fs.ErrNotExist) {
		l.note(at, FileMissing)
		return nil
	}
	if err != nil {
		return at.wrap(cause(err))
	}
	missing, err := c.parse(data)
	for range missing {
		l.note(at, ConfigKey)
	}
	return at.wrap(err)
}

// parse reads config.json and returns the keys that are missing or of another
// type.
func (c *ExpertConfig) parse(data []byte) (missing []string, err error) {
	if err := checkJSON(data); err != nil {
		return nil, err
	}
	o, err := parseObject(data)
	if err != nil {
		return nil, err
	}
	for _, f := range []struct {
		key string
		ok  bool
	}{
		{"name_prefix", take(o, "name_prefix", &c.NamePrefix)},
		{"seed", take(o, "seed", &c.Seed)},
		{"task_types", take(o, "task_types", &c.TaskTypes)},
		{"task_counts", take(o, "task_counts", &c.TaskCounts)},
		{"train_split", take(o, "train_split", &c.TrainSplit)},
		{"system_prompt", take(o, "system_prompt", &c.SystemPrompt)},
		{"task_distributions", take(o, "task_distributions", &c.TaskDistributions)},
		{"generated_at", take(o, "generated_at", &c.GeneratedAt)},
	} {
		if !f.ok {
			missing = append(missing, f.key)
		}
	}
	return missing, nil
}

// take reads the value of a key into dst and reports whether it is there and of
// dst's type.
func take[T any](o object, key string, dst *T) bool {
	var v T
	raw := o.get(key)
	if isNull(raw) || json.Unmarshal(raw, &v) != nil {
		return false
	}
	*dst = v
	return true
}

// closeRead closes a file that was only read, where an error has no meaning.
func closeRead(f fs.File) { _ = f.Close() }

// readJSON reads a file whole.
func readJSON(fsys fs.FS, name string) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer closeRead(f)
	data, err := io.ReadAll(io.LimitReader(f, maxJSON+1))
	if err == nil && len(data) > maxJSON {
		err = fmt.Errorf("more than %d bytes", maxJSON)
	}
	return data, err
}

// jsonl reads the records of one file and their answers.
func (l *loader) jsonl(name string, dst *[]Record, required bool) error {
	whole := l.place(name, WholeFile)
	f, err := l.fsys.Open(name)
	if err != nil {
		return l.absent(whole, err, required, name != "held_out.jsonl")
	}
	defer closeRead(f)
	for at, rec := range records(f, whole.file, l.note) {
		if rec.err == nil {
			rec.err = l.answer(at, &rec.Record)
		}
		if rec.err != nil {
			return at.wrap(rec.err)
		}
		*dst = append(*dst, rec.Record)
	}
	return nil
}

// absent says what a file that cannot be opened means: an error, or a note if
// it is merely not there.
func (l *loader) absent(at place, err error, required, noted bool) error {
	if required || !errors.Is(err, fs.ErrNotExist) {
		return at.wrap(cause(err))
	}
	if noted {
		l.note(at, FileMissing)
	}
	return nil
}

// cause returns what is wrong with a file, without its name.
func cause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// answer normalises the tool calls of a record.
func (l *loader) answer(at place, r *Record) error {
	if r.Metadata.TaskType == "" {
		l.note(at, NoTaskType)
		r.Metadata.TaskType = "unknown"
	}
	gpt := &r.Conversations[1]
	text, calls, err := normaliseAnswer(gpt.Value, at, l.note)
	if err != nil && !l.lenient {
		return fmt.Errorf("answer: %w", err)
	}
	if err != nil {
		l.note(at, BadAnswer)
	}
	gpt.Value = text
	l.answers = append(l.answers, answer{at: at, calls: calls, picture: r.Image})
	return nil
}

// collect connects the answers with the records and tests, which do not move
// any more.
func (l *loader) collect(e *Expert) {
	i := 0
	for _, list := range [][]Record{e.Train, e.Val, e.HeldOut} {
		for j := range list {
			r := &list[j]
			a := &l.answers[i]
			a.meta, a.set = &r.Metadata, func(calls []ToolCall) { r.Conversations[1].Value = RenderCalls(calls...) }
			i++
		}
	}
	for j := range e.Tests {
		t := &e.Tests[j]
		a := &l.answers[i]
		a.meta, a.box, a.set = &t.Metadata, &t.Tolerance, func(calls []ToolCall) { t.ExpectedAction = calls[0] }
		i++
	}
	for i := range l.answers {
		a := &l.answers[i]
		a.size, a.sizeErr = l.size(a.picture, a.meta.ImageSize)
	}
}

// size returns the size of a picture from its header, or else as the metadata
// gives it.
func (l *loader) size(picture string, stated []int) ([2]int, error) {
	s, ok := l.sizes[picture]
	if !ok {
		if l.sizes == nil {
			l.sizes = map[string]sizeOrError{}
		}
		s.size, s.err = pictureSize(l.fsys, picture)
		l.sizes[picture] = s
	}
	if s.err != nil && len(stated) == 2 && min(stated[0], stated[1]) > 0 {
		return [2]int(stated), nil
	}
	return s.size, s.err
}

// units finds the scale of the dataset, converts the answers and checks them.
func (l *loader) units() error {
	t := count(l.answers)
	scale, err := t.scale()
	whole := l.place("train.jsonl", WholeFile)
	switch {
	case err != nil && l.lenient:
		l.note(whole, BadAnswer)
	case err != nil:
		return whole.wrap(err)
	case t.voters == 0 && len(l.answers) > 0:
		l.note(whole, ScaleUnchecked)
	}
	l.report.Scale = scale
	for i := range l.answers {
		a := &l.answers[i]
		err := a.convert(scale, l.note)
		if err != nil && !l.lenient {
			return a.at.wrap(fmt.Errorf("answer: %w", err))
		}
		if err != nil {
			l.note(a.at, BadAnswer)
		}
	}
	return nil
}
