package tbevents

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math"
	"path"
	"slices"
	"strings"
	"time"
)

// Run is a folder with event files.
type Run struct {
	Name     string // path of the folder below the root, "." for the root
	Files    []string
	Bytes    int64 // of all files
	Modified time.Time
}

// isEventFile reports whether a file of this name holds events.
func isEventFile(name string) bool { return strings.Contains(name, "tfevents") }

// Runs lists the folders of fsys that hold event files, at any depth, by name.
func Runs(fsys fs.FS) ([]Run, error) {
	runs := map[string]*Run{}
	err := fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || !isEventFile(d.Name()) {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil // removed since it was listed
		}
		if err != nil {
			return err
		}
		run := runs[path.Dir(p)]
		if run == nil {
			run = &Run{Name: path.Dir(p)}
			runs[run.Name] = run
		}
		run.Files = append(run.Files, p)
		run.Bytes += info.Size()
		if info.ModTime().After(run.Modified) {
			run.Modified = info.ModTime()
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var list []Run
	for _, name := range slices.Sorted(maps.Keys(runs)) {
		slices.Sort(runs[name].Files) // the time is in the names
		list = append(list, *runs[name])
	}
	return list, nil
}

// Point is a scalar at a step.
type Point struct {
	Step  int64
	Wall  float64 // seconds since 1970
	Value float64
}

// is reports whether two points are the same one, whatever the value is: NaN
// differs from itself.
func (p Point) is(q Point) bool {
	return p.Step == q.Step && p.Wall == q.Wall && math.Float64bits(p.Value) == math.Float64bits(q.Value)
}

// Note is a text at a step.
type Note struct {
	Step int64
	Wall float64 // seconds since 1970
	Text string
}

// Picture is a picture at a step. A Log holds only where it lies: [ReadPicture]
// reads it.
type Picture struct {
	Step   int64
	Wall   float64 // seconds since 1970
	file   string
	offset int64 // of its record
	value  int   // of the record
	image  int   // of the value
}

// Series are the values of one tag.
type Series struct {
	Tag      string
	Kind     Kind
	Points   []Point   // of a Scalar
	Notes    []Note    // of a Text, the last ones
	Pictures []Picture // of an Image, the last ones
	Count    int       // values that no restart made void, estimated where points were left out
	stride   int       // of the scalars, one in so many is kept
	last     Point
}

// Bounds of what a Log keeps in memory.
const (
	maxTags     = 4096
	maxPoints   = 8192 // of a tag; beyond, evenly fewer
	maxNotes    = 64   // of a tag
	maxNote     = 256 << 10
	maxPictures = 64 // of a tag
)

// Log is what the event files of one run say.
type Log struct {
	Series  []*Series // by tag
	Dropped int       // values of tags beyond the first few thousand
	Torn    []string  // files that end inside a record
	Damaged []error   // files that were read up to a damaged record
	byTag   map[string]*Series
}

// Load reads the event files of a run in order. A restart makes void what was
// written for its step and later ones. Files are read up to a damaged record.
func Load(fsys fs.FS, run Run) (*Log, error) {
	l := &Log{byTag: map[string]*Series{}}
	for _, name := range run.Files {
		if err := l.read(fsys, name); err != nil {
			return nil, err
		}
	}
	for _, tag := range slices.Sorted(maps.Keys(l.byTag)) {
		s := l.byTag[tag]
		if n := len(s.Points); n > 0 && !s.Points[n-1].is(s.last) {
			s.Points = append(s.Points, s.last)
		}
		l.Series = append(l.Series, s)
	}
	return l, nil
}

// read takes the events of one file.
func (l *Log) read(fsys fs.FS, name string) (err error) {
	f, err := fsys.Open(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	r := NewReader(f)
	from := place{file: name}
	for e, err := range r.All() {
		if errors.Is(err, ErrDamaged) {
			l.Damaged = append(l.Damaged, fmt.Errorf("%s: %w", name, err))
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		l.take(e, from)
		from.offset = r.Offset()
	}
	if r.Torn() {
		l.Torn = append(l.Torn, name)
	}
	return nil
}

// place is where the search for a record begins: records that are passed over
// may lie between.
type place struct {
	file   string
	offset int64
}

// take takes one event.
func (l *Log) take(e Event, from place) {
	if e.Start {
		for _, s := range l.byTag {
			s.cut(e.Step)
		}
	}
	for i, v := range e.Values {
		s := l.byTag[v.Tag]
		if s == nil {
			if len(l.byTag) == maxTags {
				l.Dropped++
				continue
			}
			s = &Series{Tag: v.Tag, Kind: v.Kind, stride: 1}
			l.byTag[v.Tag] = s
		}
		s.add(e, v)
		if v.Kind == Image && s.Kind == Image {
			s.addPictures(e, i, from)
		}
	}
}

// addPictures adds where the pictures of a value lie.
func (s *Series) addPictures(e Event, value int, from place) {
	for i := range e.Values[value].Images {
		s.Pictures = append(s.Pictures, Picture{e.Step, e.Wall, from.file, from.offset, value, i})
	}
	s.Pictures = slices.Delete(s.Pictures, 0, max(0, len(s.Pictures)-maxPictures))
}

// ReadPicture reads the file of a picture, as it was when the Log was loaded.
func ReadPicture(fsys fs.FS, p Picture) (data []byte, err error) {
	f, err := fsys.Open(p.file)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := io.CopyN(io.Discard, f, p.offset); err != nil {
		return nil, fmt.Errorf("%s: %w", p.file, err)
	}
	e, err := NewReader(f).Next()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.file, err)
	}
	if p.value >= len(e.Values) || p.image >= len(e.Values[p.value].Images) {
		return nil, fmt.Errorf("%s: %w: no picture at byte %d any more", p.file, fs.ErrNotExist, p.offset)
	}
	return e.Values[p.value].Images[p.image], nil
}

// add adds a value. Values of another kind than the first one's only count.
func (s *Series) add(e Event, v Value) {
	s.Count++
	switch {
	case v.Kind != s.Kind || v.Kind == Other || v.Kind == Image:
	case v.Kind == Text:
		if len(s.Notes) == maxNotes {
			s.Notes = slices.Delete(s.Notes, 0, 1)
		}
		s.Notes = append(s.Notes, Note{e.Step, e.Wall, strings.ToValidUTF8(v.Text[:min(len(v.Text), maxNote)], "")})
	default:
		s.last = Point{e.Step, e.Wall, v.Scalar}
		if (s.Count-1)%s.stride == 0 {
			s.Points = append(s.Points, s.last)
		}
		if len(s.Points) > maxPoints {
			s.thin()
		}
	}
}

// thin drops every second point.
func (s *Series) thin() {
	s.stride *= 2
	for i := range (len(s.Points) + 1) / 2 {
		s.Points[i] = s.Points[2*i]
	}
	s.Points = s.Points[:(len(s.Points)+1)/2]
}

// cut removes what was written for a step and later ones.
func (s *Series) cut(step int64) {
	before := len(s.Points) + len(s.Notes) + len(s.Pictures)
	s.Points = slices.DeleteFunc(s.Points, func(p Point) bool { return p.Step >= step })
	s.Notes = slices.DeleteFunc(s.Notes, func(n Note) bool { return n.Step >= step })
	s.Pictures = slices.DeleteFunc(s.Pictures, func(p Picture) bool { return p.Step >= step })
	if s.last.Step >= step {
		s.last = Point{}
		if n := len(s.Points); n > 0 {
			s.last = s.Points[n-1]
		}
	}
	s.Count = max(0, s.Count-(before-len(s.Points)-len(s.Notes)-len(s.Pictures))*s.stride)
}
