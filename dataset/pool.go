package dataset

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path"
	"slices"
	"strconv"
	"strings"

	"mole/expert"
)

// cropTask is the task type of a text crop that comes without a record.
const cropTask = "ocr-crop"

// pool is what the records of one expert are drawn from.
type pool struct {
	expert     expert.Expert
	name       string // of its own dataset; "" if it has none
	reading    Report
	data       *Expert // its own dataset; nil if it has none
	files      []pictureFile
	candidates []*candidate // one for each distinct picture, in the order of the draw
	repeated   int
	want, take SplitCounts
	picked     [3][]*candidate // train, val, test
}

// pictureFile is a picture of a source with the records that show it. A text
// crop may have none.
type pictureFile struct {
	source  *Source
	path    string // in the source
	records []Record
	look    look
}

// candidate is a distinct picture with the record that speaks for it.
type candidate struct {
	file    *pictureFile
	record  Record
	stratum string // what the draw spreads over: the task type, or the source of a crop
	group   int    // of pictures that look alike
	split   int    // in splitNames; unused
}

// unused marks a candidate that is in no split.
const unused = -1

// sourceName returns what the metadata call the source of a pool.
func (p *pool) sourceName() string {
	if p.name == "" {
		return "ocr-generated" // the name that older sets use (4.6)
	}
	return p.name
}

// gather lists the pictures of every expert that has a count, by label.
func gather(in []Source, o AssembleOptions) ([]*pool, error) {
	var pools []*pool
	for i := range in {
		s := &in[i]
		if o.Counts[s.Expert.Name] <= 0 {
			continue
		}
		p := &pool{expert: s.Expert}
		if err := p.add(s, o.IncludeVal); err != nil {
			return nil, fmt.Errorf("expert %s: %w", s.Expert.Name, err)
		}
		if s.Expert.Kind == expert.OCR && (p.name == "" || !o.OwnOnly[s.Expert.Name]) {
			if err := p.addCrops(in); err != nil {
				return nil, fmt.Errorf("expert %s: %w", s.Expert.Name, err)
			}
		}
		pools = append(pools, p)
	}
	slices.SortFunc(pools, func(a, b *pool) int { return a.expert.Label - b.expert.Label })
	return pools, nil
}

// add takes the records of the expert's own dataset. A text-recognition expert
// need not have any: crops will do.
func (p *pool) add(s *Source, includeVal bool) error {
	if s.FS == nil {
		return nil
	}
	p.name = s.Name
	e, report, err := OpenExpert(s.FS, ExpertOptions{Name: s.Name, Lenient: true})
	if errors.Is(err, fs.ErrNotExist) && s.Expert.Kind == expert.OCR {
		return nil
	}
	if err != nil {
		return err
	}
	p.reading, p.data = *report, e
	records := e.Train
	if includeVal {
		records = append(records, e.Val...)
	}
	at := map[string]int{}
	for _, r := range records {
		i, ok := at[r.Image]
		if !ok {
			i = len(p.files)
			at[r.Image] = i
			p.files = append(p.files, pictureFile{source: s, path: r.Image})
		}
		p.files[i].records = append(p.files[i].records, r)
	}
	return nil
}

// addCrops takes the text crops of all sources.
func (p *pool) addCrops(in []Source) error {
	const folder = "ocr/images"
	for i := range in {
		if in[i].FS == nil {
			continue
		}
		entries, err := fs.ReadDir(in[i].FS, folder)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", in[i].Name, err)
		}
		for _, e := range entries { // sorted by name
			if name := path.Join(folder, e.Name()); !e.IsDir() && checkImagePath(name) == nil && !strings.HasPrefix(e.Name(), ".") {
				p.files = append(p.files, pictureFile{source: &in[i], path: name})
			}
		}
	}
	return nil
}

// owner is an expert that has a picture, with the first file that shows it.
type owner struct {
	pool *pool
	file *pictureFile
}

// ownersOf returns the experts that have each picture, by its pixels. An
// expert's files of the same pixels become one.
func ownersOf(pools []*pool) map[[sha256.Size]byte][]owner {
	owners := map[[sha256.Size]byte][]owner{}
	for _, p := range pools {
		for i := range p.files {
			f := &p.files[i]
			list := owners[f.look.pixels]
			if n := len(list); n > 0 && list[n-1].pool == p {
				first := list[n-1].file
				first.records = append(first.records, f.records...)
				p.repeated++
				continue
			}
			owners[f.look.pixels] = append(list, owner{p, f})
		}
	}
	return owners
}

// resolve makes the candidates of every pool from its pictures, and leaves out
// those that several experts have.
func resolve(pools []*pool, seed uint64) []Conflict {
	owners := ownersOf(pools)
	var conflicts []Conflict
	for _, p := range pools {
		for i := range p.files {
			f := &p.files[i]
			switch list := owners[f.look.pixels]; {
			case len(list) == 1 && list[0].file == f:
				p.candidates = append(p.candidates, &candidate{file: f, split: unused})
			case len(list) > 1 && list[0].file == f:
				conflicts = append(conflicts, conflict(list))
			}
		}
		p.order(seed)
	}
	return conflicts
}

// conflict reports the owners of one picture.
func conflict(owners []owner) Conflict {
	var c Conflict
	for _, o := range owners {
		c.Experts = append(c.Experts, o.pool.expert.Name)
		c.Images = append(c.Images, o.file.fullPath())
	}
	return c
}

// fullPath returns the path of a picture below the folder of datasets.
func (f *pictureFile) fullPath() string { return path.Join(f.source.Name, f.path) }

// order chooses a record for each candidate and brings the candidates into the
// order of the draw: within a stratum by chance, and such that every stretch of
// the list holds each stratum in about its share.
func (p *pool) order(seed uint64) {
	strata := map[string][]*candidate{}
	for _, c := range p.candidates {
		c.choose(stream(seed, "record", p.expert.Name, c.file.fullPath()))
		strata[c.stratum] = append(strata[c.stratum], c)
	}
	at := map[*candidate]float64{}
	for name, list := range strata {
		r := stream(seed, "stratum", p.expert.Name, name)
		r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		for i, c := range list {
			at[c] = (float64(i) + r.Float64()) / float64(len(list))
		}
	}
	slices.SortFunc(p.candidates, func(a, b *candidate) int {
		return cmp.Or(cmp.Compare(at[a], at[b]), cmp.Compare(a.file.fullPath(), b.file.fullPath()))
	})
}

// choose picks one of the records that show the picture.
func (c *candidate) choose(r *rand.Rand) {
	if len(c.file.records) == 0 {
		c.stratum = "ocr/" + c.file.source.Name
		c.record.Metadata.TaskType = cropTask
		return
	}
	c.record = c.file.records[r.IntN(len(c.file.records))]
	c.stratum = c.record.Metadata.TaskType
}

// naming holds what the records of a set must not repeat.
type naming struct {
	ids   map[string]bool
	crops int // text crops so far
}

// routing makes the routing record of a candidate.
func (c *candidate) routing(p *pool, n *naming) Record {
	prompt, id := c.record.Prompt(), c.record.ID
	if id == "" { // a crop
		prompt = ocrPrompts[n.crops%len(ocrPrompts)]
		id = fmt.Sprintf("ocr_%04d", n.crops)
		n.crops++
	}
	r := relabelled(id, c.file.fullPath(), prompt, p.expert.Name, p.expert.Label)
	r.ID = n.unique(id, p.expert.Name)
	r.Metadata.TaskType, r.Metadata.SourceDataset, r.Metadata.SplitGroup = c.record.Metadata.TaskType, c.file.source.Name, c.file.look.group()
	return r
}

// relabelled returns a routing record: a screen, what is asked about it, and the
// label of its expert as the answer.
func relabelled(id, image, prompt, name string, label int) Record {
	return Record{
		ID: id, Image: image,
		Conversations: []Turn{{"human", ImageMark + prompt}, {"gpt", strconv.Itoa(label)}},
		Metadata:      Metadata{Adapter: name, Label: &label},
	}
}

// unique returns an id that is not in use, and enters it: the given one, or
// that with the expert's name before it and a number behind it.
func (n *naming) unique(id, name string) string {
	out := id
	for i := 1; n.ids[out]; i++ {
		out = name + "_" + id
		if i > 1 {
			out += "_" + strconv.Itoa(i)
		}
	}
	n.ids[out] = true
	return out
}

// stream returns a source of chance that depends on the seed and on what it is
// for, not on what was drawn before.
func stream(seed uint64, purpose ...string) *rand.Rand {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d\x00%s", seed, strings.Join(purpose, "\x00")))
	return rand.New(rand.NewPCG(binary.LittleEndian.Uint64(sum[:]), binary.LittleEndian.Uint64(sum[8:])))
}
