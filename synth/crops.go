package synth

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"mole/dataset"
)

// cropTypes are the types of regions in a set of crops, with the task of the
// ocr expert that asks for them.
var cropTypes = []struct{ name, task string }{
	{"grid", "ocr-grid"}, {"dropdown", "ocr-list"}, {"block", "ocr-block"}, {"line", "ocr-line"},
}

// CropOptions say what Crops cuts out. A number of 0 leaves a type out.
type CropOptions struct {
	Experts   []string  // whose screens are cut up; all that declare texts if empty
	Grids     int       // crops of tables, at most
	Dropdowns int       // of open lists
	Blocks    int       // of blocks of text
	Lines     int       // of single lines
	Seed      uint64    // of all that is drawn
	Label     int       // of the expert that reads text
	Workers   int       // that draw at the same time; default the processors
	Time      time.Time // of config.json; default now
}

// CropConfig is config.json of a set of crops (4.10).
type CropConfig struct {
	Name      string `json:"name"`         // "ocr-crops"
	Generated string `json:"generated_at"` // RFC 3339
	Grids     int    `json:"grid_count"`
	Dropdowns int    `json:"dropdown_count"`
	Blocks    int    `json:"block_count"`
	Lines     int    `json:"line_count"`
	Total     int    `json:"total_count"`
	Seed      uint64 `json:"seed"`
}

// cropJob is one crop to make.
type cropJob struct {
	kind, task string
	owners     []*screen
	index      int
}

// crop is a crop that was made.
type crop struct {
	sum    [sha256.Size]byte // of the file
	record dataset.Record
}

// Crops draws screens, cuts one of the texts that they declare out of each, and
// writes the crops with the label of the expert that reads text into the new
// folder out (4.10, 13.9). Equal crops are kept once, so there may be fewer than
// asked for, and there are none of a type that the experts' screens do not have.
// The folder appears when it is complete.
func Crops(ctx context.Context, out string, o CropOptions) (*CropConfig, error) {
	jobs, err := o.jobs()
	if err != nil {
		return nil, fmt.Errorf("ocr crops: %w", err)
	}
	if _, err := os.Lstat(out); err == nil {
		return nil, fmt.Errorf("ocr crops: %s: %w", out, fs.ErrExist)
	}
	parent := filepath.Dir(out)
	if err := os.MkdirAll(parent, 0o777); err != nil {
		return nil, err
	}
	sweep(parent)
	dir, err := os.MkdirTemp(parent, partial+"crops-")
	if err != nil {
		return nil, err
	}
	defer discard(dir)
	c, err := o.fill(ctx, dir, jobs)
	if err != nil {
		return nil, fmt.Errorf("ocr crops: %w", err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return nil, err
	}
	return c, os.Rename(dir, out)
}

// jobs lists the crops that are wanted and can be had.
func (o *CropOptions) jobs() ([]cropJob, error) {
	for _, name := range o.Experts {
		if _, err := find(name); err != nil {
			return nil, err
		}
		if !cropOwners[name] {
			return nil, fmt.Errorf("expert %q: its screen declares no texts, want one of %s", name, strings.Join(CropExperts(), ", "))
		}
	}
	var jobs []cropJob
	for i, n := range []int{o.Grids, o.Dropdowns, o.Blocks, o.Lines} {
		kind := cropTypes[i]
		if n < 0 || n > mostPictures {
			return nil, fmt.Errorf("%ss: %d, want 0 to %d", kind.name, n, mostPictures)
		}
		from := slices.DeleteFunc(slices.Clone(owners[kind.task]), func(s *screen) bool {
			return len(o.Experts) > 0 && !slices.Contains(o.Experts, s.name)
		})
		for i := range n {
			if len(from) > 0 {
				jobs = append(jobs, cropJob{kind.name, kind.task, from, i})
			}
		}
	}
	return jobs, nil
}

// CropExperts returns the experts whose screens declare texts.
func CropExperts() []string {
	return slices.DeleteFunc(Screens(), func(name string) bool { return !cropOwners[name] })
}

// fill makes the crops and writes the files of the set into dir.
func (o *CropOptions) fill(ctx context.Context, dir string, jobs []cropJob) (*CropConfig, error) {
	if err := os.MkdirAll(filepath.Join(dir, "images", "ocr"), 0o755); err != nil {
		return nil, err
	}
	crops, err := o.drawAll(ctx, dir, jobs)
	if err != nil {
		return nil, err
	}
	c := &CropConfig{Name: "ocr-crops", Seed: o.Seed, Generated: o.Time.Format(time.RFC3339)}
	if o.Time.IsZero() {
		c.Generated = time.Now().Format(time.RFC3339)
	}
	counts := map[string]*int{"grid": &c.Grids, "dropdown": &c.Dropdowns, "block": &c.Blocks, "line": &c.Lines}
	seen := map[[sha256.Size]byte]bool{}
	var records []dataset.Record
	for i, one := range crops {
		if seen[one.sum] {
			if err := os.Remove(filepath.Join(dir, one.record.Image)); err != nil {
				return nil, err
			}
			continue
		}
		seen[one.sum] = true
		records = append(records, one.record)
		*counts[jobs[i].kind]++
		c.Total++
	}
	return c, writeCropIndex(dir, c, records)
}

// writeCropIndex writes the files that list the crops.
func writeCropIndex(dir string, c *CropConfig, records []dataset.Record) error {
	var lines bytes.Buffer
	if err := dataset.WriteRecords(&lines, records); err != nil {
		return err
	}
	config, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	b := builder{dir: dir}
	return errors.Join(b.write("train.jsonl", lines.Bytes()), b.write("config.json", append(config, '\n')))
}

// drawAll makes the crops with the wanted number of workers.
func (o *CropOptions) drawAll(ctx context.Context, dir string, jobs []cropJob) ([]crop, error) {
	workers := o.Workers
	if workers < 1 {
		workers = runtime.GOMAXPROCS(0)
	}
	crops := make([]crop, len(jobs))
	err := parallel(ctx, min(workers, mostWorkers), len(jobs), func(i int) (err error) {
		crops[i], err = o.draw(dir, jobs[i])
		return err
	})
	return crops, err
}

// draw makes one crop and writes its picture. It depends on the seed and on
// which crop it is alone.
func (o *CropOptions) draw(dir string, j cropJob) (crop, error) {
	r := stream(o.Seed, "ocr-crops", j.task, strings.Join(o.Experts, ","), j.index)
	var sc *scene
	for sc == nil { // a picture without such a text
		s := pick(r, j.owners)
		sc = newKit(r, trainPool, s.size).cropOf(s, j.task)
	}
	data, err := encode(sc.img, 0)
	if err != nil {
		return crop{}, err
	}
	name := fmt.Sprintf("%s_%05d", j.kind, j.index)
	c := crop{sum: sha256.Sum256(data)}
	if c.record, err = o.record(j, name, sc); err != nil {
		return crop{}, err
	}
	return c, os.WriteFile(filepath.Join(dir, c.record.Image), data, 0o644)
}

// record writes a crop as a record for the router.
func (o *CropOptions) record(j cropJob, name string, sc *scene) (dataset.Record, error) {
	it := sc.items[0]
	m := dataset.Metadata{
		TaskType: j.task, ImageSize: []int{sc.img.Rect.Dx(), sc.img.Rect.Dy()}, Adapter: "ocr", Label: &o.Label,
		Extra: map[string]json.RawMessage{},
	}
	for key, value := range map[string]any{
		"source": it.meta["screen"], "region_type": j.kind, "ground_truth": it.meta["ground_truth"], "crop_region": it.meta["crop_region"],
	} {
		data, err := json.Marshal(value)
		if err != nil {
			return dataset.Record{}, fmt.Errorf("metadata %s of crop %s: %w", key, name, err)
		}
		m.Extra[key] = data
	}
	return dataset.Record{
		ID: "ocr_" + name, Image: "images/ocr/" + name + ".png", Metadata: m,
		Conversations: []dataset.Turn{{From: "human", Value: dataset.ImageMark + it.prompt}, {From: "gpt", Value: strconv.Itoa(o.Label)}},
	}, nil
}
