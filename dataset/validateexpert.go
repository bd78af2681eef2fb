package dataset

import (
	"cmp"
	"crypto/sha256"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
)

// ValidateExpert checks the dataset of an expert (4.3, 4.4, 4.5, 5.14) and
// returns its problems by file and line.
func ValidateExpert(fsys fs.FS, o ValidateOptions) []Problem {
	v := newValidator(fsys, o)
	if _, err := fs.Stat(fsys, ".checkpoint.json"); err == nil {
		v.add(place{".checkpoint.json", WholeFile}, Error, "generation of the dataset was not finished")
	}
	v.expertConfig()
	sums := map[string][]recordSum{}
	for _, name := range []string{"train.jsonl", "val.jsonl", "held_out.jsonl"} {
		v.records(name, name != "held_out.jsonl", v.note, func(at place, r *Record) {
			sums[r.ID] = append(sums[r.ID], recordSum{at, r.sum()})
			v.expertRecord(at, r)
		}, v.brokenLine)
	}
	v.dataFile(sums)
	v.testFile()
	v.units()
	return v.sorted()
}

// expertConfig checks config.json.
func (v *validator) expertConfig() {
	at := place{"config.json", WholeFile}
	data, ok := v.file("config.json")
	if !ok {
		return
	}
	var c ExpertConfig
	missing, err := c.parse(data)
	v.addErr(at, err)
	for _, key := range missing {
		v.add(at, v.ours(), "key %s is missing or of another type", key)
	}
}

var expertImage = regexp.MustCompile(`(?i)^images/[^/]+\.(jpg|jpeg|png)$`)

// expertRecord checks one record.
func (v *validator) expertRecord(at place, r *Record) {
	v.id(at, r.ID, Error)
	if !expertImage.MatchString(r.Image) {
		v.add(at, Error, "image %q: want images/<file>", r.Image)
		v.broken[r.Image] = true // one word about it is enough
	}
	v.human(at, r)
	text, calls, err := normaliseAnswer(r.Conversations[1].Value, at, v.note)
	if err != nil {
		v.add(at, Error, "answer: %v", err)
	}
	r.Conversations[1].Value = text
	a := answer{at: at, calls: calls, meta: &r.Metadata, picture: r.Image, set: func([]ToolCall) {}}
	if r.Metadata.RealCoords == nil {
		v.add(at, Error, "metadata.real_coords is missing")
	}
	v.about(&a, r.Prompt())
	if a.size[0] > 0 {
		v.leak(at, v.shown[r.Image], v.ours())
	}
}

// about checks what records and tests have in common, and keeps the answer for
// the check of its units.
func (v *validator) about(a *answer, prompt string) {
	m := a.meta
	if m.TaskType == "" {
		v.add(a.at, Error, "metadata.task_type is missing")
	}
	a.size = v.picture(a.at, v.fsys, a.picture)
	w, h := a.size[0], a.size[1]
	if w > 0 && m.ImageSize != nil && [2]int(m.ImageSize) != a.size {
		v.add(a.at, Error, "metadata.image_size is %v, the picture has %dx%d pixels", m.ImageSize, w, h)
	}
	if px := m.RealCoords; w > 0 && px != nil && (min(px[0], px[1]) < 0 || px[0] >= w || px[1] >= h) {
		v.add(a.at, Error, "metadata.real_coords %v is outside the picture of %dx%d pixels", px, w, h)
	}
	v.tolerance(a.at, "metadata.tolerance", m.Tolerance)
	v.contradiction(a, prompt)
	v.answers = append(v.answers, *a)
}

// maxTolerance is the largest plausible half-width: a quarter of the image
// (5.14).
const maxTolerance = ruMax / 4

// tolerance checks half-widths; nil is none.
func (v *validator) tolerance(at place, key string, t []int) {
	switch {
	case t == nil:
	case min(t[0], t[1]) < 0:
		v.add(at, Error, "%s %v is negative", key, t)
	case max(t[0], t[1]) > maxTolerance:
		v.add(at, v.ours(), "%s %v: half-widths above %d RU cover more than half of the image", key, t, maxTolerance)
	}
}

// recordSum is a record of a split: its place and hash.
type recordSum struct {
	at  place
	sum [sha256.Size]byte
}

// dataFile checks that data.jsonl holds the records of the splits, and each as
// often as they do.
func (v *validator) dataFile(sums map[string][]recordSum) {
	found := false
	v.copies(true, func(at place, r *Record) {
		found = true
		list, ok := sums[r.ID]
		sum := r.sum()
		i := slices.IndexFunc(list, func(s recordSum) bool { return s.sum == sum })
		switch {
		case !ok:
			v.add(at, Error, "id %q is in none of train, val and held_out", r.ID)
			return
		case len(list) == 0:
			v.add(at, Error, "id %q occurs more often than in train, val and held_out", r.ID)
			return
		case i < 0:
			v.add(at, Error, "id %q: another record than in %s", r.ID, list[0].at)
			i = 0
		}
		sums[r.ID] = slices.Delete(list, i, i+1)
	})
	var missing []place
	for _, list := range sums {
		for _, s := range list {
			missing = append(missing, s.at)
		}
	}
	if found && missing != nil {
		first := slices.MinFunc(missing, func(a, b place) int { return cmp.Or(cmp.Compare(a.file, b.file), a.line-b.line) })
		v.add(place{"data.jsonl", WholeFile}, Error, "records of train, val and held_out that are missing: %d, the first is %s", len(missing), first)
	}
}

// sum returns a hash of all that a record says.
func (r *Record) sum() [sha256.Size]byte {
	text, err := encode(r)
	if err != nil {
		text = []byte(err.Error()) // cannot be: the record was JSON
	}
	return sha256.Sum256(text)
}

// testFile checks test/test.json.
func (v *validator) testFile() {
	data, ok := v.file(testFile)
	if !ok {
		return
	}
	v.addErr(place{testFile, WholeFile}, parseTests(data, func(i int, t Test, err error) bool {
		at := place{testFile, i}
		if err != nil {
			v.addErr(at, err)
			return true
		}
		v.test(at, &t)
		return true
	}))
}

// test checks one test.
func (v *validator) test(at place, t *Test) {
	v.id(at, t.ID, Error)
	if !expertImage.MatchString(t.Screenshot) {
		v.add(at, Error, "screenshot %q: want images/<file>", t.Screenshot)
	}
	switch {
	case containsMark(t.Prompt):
		v.add(at, Error, "prompt holds <image>, which only training records have")
	case fold(t.Prompt) == "":
		v.add(at, Error, "prompt is empty")
	}
	if t.Tolerance == nil {
		v.add(at, Error, "tolerance is missing")
	}
	v.tolerance(at, "tolerance", t.Tolerance)
	call, kinds := t.ExpectedAction.Normalise()
	for _, kind := range kinds {
		v.note(at, kind)
	}
	a := answer{
		at: at, calls: []ToolCall{call}, meta: &t.Metadata, box: &t.Tolerance,
		picture: path.Join("test", t.Screenshot), set: func([]ToolCall) {},
	}
	if _, hasPoint := call.point(); hasPoint && t.Metadata.RealCoords == nil {
		v.add(at, Error, "metadata.real_coords is missing, the action has a coordinate")
	}
	v.about(&a, t.Prompt)
	if a.size[0] > 0 {
		v.leak(at, v.shown[a.picture], v.ours())
	}
}

// containsMark reports whether a text holds the mark of a picture.
func containsMark(s string) bool { return strings.Contains(s, strings.TrimSpace(ImageMark)) }

// units checks the calls in independent units, and each coordinate against
// real_coords.
func (v *validator) units() {
	t := count(v.answers)
	scale := Independent
	if t.maxSide > t.independent {
		scale = MaxSide
		v.add(place{"train.jsonl", WholeFile}, v.ours(), "coordinates are in max-side units, as before 2025-12-11")
	}
	unknown := 2*max(t.independent, t.maxSide) < t.voters
	if unknown {
		_, err := t.scale()
		v.addErr(place{"train.jsonl", WholeFile}, err)
	}
	for i := range v.answers {
		a := &v.answers[i]
		agrees := unknown || !a.votes() || a.agrees(scale)
		p, _, _ := a.target()
		switch err := a.convert(scale, v.noteUnits); {
		case err != nil:
			v.add(a.at, Error, "answer: %v", err)
		case !agrees:
			v.add(a.at, Error, "coordinate %v: real_coords %v of %dx%d pixels is %v", p, a.meta.RealCoords, a.size[0], a.size[1], a.pixelIn(scale))
		}
	}
}

// noteUnits takes note of a conversion, but for that from max-side units, which
// is said once for all.
func (v *validator) noteUnits(at place, kind string) {
	if kind != FromMaxSide {
		v.note(at, kind)
	}
}
