package synth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"

	"mole/dataset"
)

// Generate makes one dataset directory for each expert in the folder out and
// returns them in the order of the experts. A dataset is built in a hidden
// folder beside its place, checked, and renamed: a killed run leaves nothing
// that could be taken for a dataset, and finished ones are kept by the next
// run. A directory of the same name that was made with other options is an
// error. progress, if not nil, is called after each picture, by one goroutine
// at a time.
func Generate(ctx context.Context, out string, o Options, progress func(done, total int)) ([]string, error) {
	o, err := o.fill()
	if err != nil {
		return nil, fmt.Errorf("synth: %w", err)
	}
	if err := os.MkdirAll(out, 0o777); err != nil {
		return nil, err
	}
	sweep(out)
	plans, total := make([]plan, len(o.Experts)), 0
	for i, name := range o.Experts {
		s, _ := screenOf(name)
		plans[i] = newPlan(s, &o)
		total += len(plans[i].jobs)
	}
	count := counter{total: total, report: progress}
	var dirs []string
	for i := range plans {
		b := builder{plan: &plans[i], o: &o, count: &count}
		dir, err := b.build(ctx, out)
		if err != nil {
			return dirs, fmt.Errorf("synth %s: %w", o.Experts[i], err)
		}
		dirs = append(dirs, dir)
	}
	return dirs, nil
}

// counter counts pictures.
type counter struct {
	mu          sync.Mutex
	done, total int
	report      func(done, total int)
}

// add counts n more pictures.
func (c *counter) add(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done += n
	if c.report != nil {
		c.report(c.done, c.total)
	}
}

// Folders under construction have this prefix. Those that a killed run left
// are removed after a day: before that, another run may be at work there.
const (
	partial    = ".synth-"
	partialAge = 24 * time.Hour
)

// sweep removes what killed runs left behind.
func sweep(out string) {
	old, _ := filepath.Glob(filepath.Join(out, partial+"*"))
	for _, dir := range old {
		if info, err := os.Stat(dir); err == nil && time.Since(info.ModTime()) > partialAge {
			discard(dir)
		}
	}
}

// discard removes an unfinished folder, if it is still there. What cannot be
// removed stays hidden and harms nobody.
func discard(dir string) { _ = os.RemoveAll(dir) }

// builder makes one dataset.
type builder struct {
	plan  *plan
	o     *Options
	count *counter
	dir   string
	made  []made // by job
}

// made is what became of a job.
type made struct {
	records []dataset.Record
	test    *dataset.Test
}

// build makes a dataset in the folder out and returns its directory.
func (b *builder) build(ctx context.Context, out string) (string, error) {
	name := dataset.Name{Expert: b.plan.screen.name, Researcher: b.o.Researcher, Experiment: b.o.Exp, Time: b.o.Time}
	if _, err := dataset.ParseName(name.String()); err != nil {
		return "", err
	}
	final := filepath.Join(out, name.String())
	config, err := json.MarshalIndent(b.config(), "", "  ")
	if err != nil {
		return "", err
	}
	if finished, err := b.finished(final, config); finished || err != nil {
		b.count.add(len(b.plan.jobs))
		return final, err
	}
	if b.dir, err = os.MkdirTemp(out, partial+b.plan.screen.name+"-"); err != nil {
		return "", err
	}
	defer discard(b.dir)
	if err := b.fill(ctx, config); err != nil {
		return "", err
	}
	if err := os.Chmod(b.dir, 0o755); err != nil {
		return "", err
	}
	return final, os.Rename(b.dir, final)
}

// finished reports whether the dataset was made before, by the same options.
func (b *builder) finished(final string, config []byte) (bool, error) {
	have, err := os.ReadFile(filepath.Join(final, "config.json"))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Lstat(final); err == nil {
			return false, fmt.Errorf("%s exists and is no dataset: it has no config.json", final)
		}
		return false, nil
	case err != nil:
		return false, err
	case !bytes.Equal(have, config):
		return false, fmt.Errorf("%s exists and was made with other options: choose another time or experiment", final)
	}
	return true, nil
}

// SystemPrompt is the id of the prompt that the experts' records are made for.
const SystemPrompt = "computer-use"

// config describes the dataset (4.5). task_counts are pictures.
func (b *builder) config() dataset.ExpertConfig {
	c := dataset.ExpertConfig{
		NamePrefix: b.plan.set.Prefix, Seed: b.plan.set.Seed, TaskCounts: map[string]int{}, TrainSplit: b.plan.set.Train,
		SystemPrompt: SystemPrompt, TaskDistributions: map[string]map[string]float64{},
		GeneratedAt: b.o.Time.Format(time.RFC3339),
	}
	for i, s := range b.plan.shares {
		c.TaskTypes = append(c.TaskTypes, s.task)
		c.TaskCounts[s.task] = b.plan.pictures[i]
		c.TaskDistributions[s.task] = s.odds
		if s.odds == nil {
			c.TaskDistributions[s.task] = map[string]float64{normal: 1}
		}
	}
	return c
}

// fill draws the pictures, checks the records and writes the files.
func (b *builder) fill(ctx context.Context, config []byte) error {
	for _, dir := range []string{"images", "test/images", "test/annotated", "ocr/images"} {
		if dir == "ocr/images" && !cropOwners[b.plan.screen.name] {
			continue
		}
		if err := os.MkdirAll(filepath.Join(b.dir, dir), 0o755); err != nil {
			return err
		}
	}
	if err := b.drawAll(ctx); err != nil {
		return err
	}
	if err := b.index(config); err != nil {
		return err
	}
	return b.verify()
}

// drawAll does the jobs with the wanted number of workers.
func (b *builder) drawAll(ctx context.Context) error {
	b.made = make([]made, len(b.plan.jobs))
	return parallel(ctx, b.o.Workers, len(b.plan.jobs), func(i int) error {
		defer b.count.add(1)
		return b.draw(b.plan.jobs[i], &b.made[i])
	})
}

// parallel calls do for 0 to n-1, by so many workers, until one of the calls
// gives an error or ctx ends.
func parallel(ctx context.Context, workers, n int, do func(i int) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	next := make(chan int)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for i := range next {
				if err := do(i); err != nil {
					stop(err)
				}
			}
		})
	}
	for i := 0; i < n && ctx.Err() == nil; i++ {
		select {
		case next <- i:
		case <-ctx.Done():
		}
	}
	close(next)
	wg.Wait()
	return context.Cause(ctx)
}

// draw does one job.
func (b *builder) draw(j job, out *made) error {
	r := stream(b.plan.set.Seed, j.screen.name, j.share.task, j.split, j.i)
	if j.split == cropSplit {
		return b.crop(j, r)
	}
	p := pool(j.split == testSplit)
	sc, img, v := compose(j.screen, r, p, j.share.task, j.share.odds, b.o)
	for len(sc.items) == 0 { // a rare state in which nothing can be asked
		sc, img, v = compose(j.screen, r, p, j.share.task, j.share.odds, b.o)
	}
	if j.split == testSplit {
		return b.test(j, r, sc, img, v, out)
	}
	file := b.file(fmt.Sprintf("%s_%05d", b.plan.set.Prefix, j.index))
	for n, it := range sc.items {
		id := fmt.Sprintf("%s_%05d", b.plan.set.Prefix, j.index)
		if len(sc.items) > 1 {
			id = fmt.Sprintf("%s_%d", id, n)
		}
		rec, err := v.train(it, id, file)
		if err != nil {
			return err
		}
		out.records = append(out.records, rec)
	}
	return b.save("images/"+file, img, r)
}

// test writes a test of one of the items of a scene.
func (b *builder) test(j job, r *rand.Rand, sc *scene, img *image.RGBA, v view, out *made) error {
	file := b.file(fmt.Sprintf("test_%05d", j.index))
	it := pick(r, sc.items)
	t, err := v.test(it, j.index, file, b.plan.set.Tolerance)
	if err != nil {
		return err
	}
	out.test = &t
	if err := b.save("test/images/"+file, img, r); err != nil || !j.mark {
		return err
	}
	return b.encode(fmt.Sprintf("test/annotated/test_%05d_annotated.png", j.index), annotate(img, v, it), 0)
}

// crop writes a picture of text for the ocr class.
func (b *builder) crop(j job, r *rand.Rand) error {
	for {
		sc := newKit(r, trainPool, j.screen.size).cropOf(j.screen, "")
		if sc != nil {
			file := b.file(fmt.Sprintf("%s_%05d", b.plan.set.Prefix, j.index))
			return b.save("ocr/images/"+file, scaleDown(sc.img, b.o.Scale), r)
		}
	}
}

// file adds the ending of the format.
func (b *builder) file(stem string) string { return stem + "." + b.plan.set.ImageFormat }

// save writes a picture in the format of the options.
func (b *builder) save(name string, img *image.RGBA, r *rand.Rand) error {
	quality := between(r, leastQuality, mostQuality)
	if b.plan.set.Quality != 0 {
		quality = b.plan.set.Quality
	}
	if b.plan.set.ImageFormat == "png" {
		quality = 0
	}
	return b.encode(name, img, quality)
}

// encode writes a picture as JPEG of a quality, or as PNG if that is 0.
func (b *builder) encode(name string, img *image.RGBA, quality int) error {
	data, err := encode(img, quality)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return os.WriteFile(filepath.Join(b.dir, name), data, 0o644)
}

// encode returns a picture as JPEG of a quality, or as PNG if that is 0.
func encode(img *image.RGBA, quality int) ([]byte, error) {
	var buf bytes.Buffer
	if quality == 0 {
		e := png.Encoder{CompressionLevel: png.BestSpeed}
		err := e.Encode(&buf, img)
		return buf.Bytes(), err
	}
	err := jpeg.Encode(&buf, img, &jpeg.Options{Quality: quality})
	return buf.Bytes(), err
}
