package stage

import (
	"context"
	"fmt"
	"io/fs"
	"os"

	"mole/base"
	"mole/batch"
	"mole/dataset"
	"mole/shard"
	"mole/store"
	"mole/view"
	"mole/vision"
)

// expertData is the dataset of an expert on its way to training: found,
// published, preprocessed (specification mole, 4.5, 5.3 and 7).
type expertData struct {
	expertSet
	View    *view.Expert
	Base    *base.Base
	Workers int
}

// prepare returns the preprocessed dataset, or finds what was made before.
func (d *expertData) prepare(ctx context.Context) (store.Tree, error) {
	raw, err := d.find(ctx)
	if err != nil {
		return store.Tree{}, err
	}
	digest, err := raw.Digest()
	if err != nil {
		return store.Tree{}, err
	}
	key := store.Key{Stage: "preprocess-expert", Inputs: map[string]string{"dataset": digest}, Settings: map[string]any{
		"expert_spec": d.View.Spec.Hash(), "processor": d.Base.Processor, "layout": shard.Version, "name": d.Dataset,
	}}
	tree, _, err := d.once(ctx, key, false, func(dir, digest string) (store.Tree, error) {
		return d.preprocess(ctx, dir, digest, raw.FS(ctx, d.Store))
	})
	if err != nil {
		return tree, err
	}
	path := "preprocessed/" + d.Dataset
	if before, err := d.training().Tree(ctx, path); err == nil && sameTree(before, tree) {
		return tree, nil
	}
	return tree, d.training().Publish(ctx, path, tree, store.Always)
}

// preprocess makes the folder of shards in work, and stores it.
func (d *expertData) preprocess(ctx context.Context, work, digest string, raw fs.FS) (store.Tree, error) {
	set, report, err := dataset.OpenExpert(raw, dataset.ExpertOptions{Name: d.Dataset})
	if err != nil {
		return store.Tree{}, err
	}
	for _, c := range report.Changes {
		d.log().Info("changed on reading", "dataset", d.Dataset, "what", c.Kind, "count", c.Count, "first", c.First)
	}
	c := d.Base.Config
	splits := []shard.Input{{Name: "train", Records: records(set.Train)}, {Name: "val", Records: records(set.Val)}}
	_, err = shard.Write(ctx, work, raw, splits, shard.Options{
		Input: digest, Dataset: d.Dataset, Model: d.Base.Name, Vision: d.View.Vision, Settings: d.View.Spec.Hash(),
		Layout: batch.Layout{ImageToken: c.ImageToken, VideoToken: c.VideoToken, Merge: c.Vision.Merge},
		Build:  d.lesson, Tokenizer: d.Base.Tokenizer.Digest(), Processor: d.Base.Processor, RUVersion: 2, Workers: d.Workers,
		Progress: func(s shard.Progress) { d.progress("preprocess "+s.Phase, int64(s.Done), int64(s.Total)) },
	})
	if err != nil {
		return store.Tree{}, err
	}
	return store.Add(ctx, d.Store, os.DirFS(work), store.AddOptions{})
}

// lesson returns a record as the expert is to learn it.
func (d *expertData) lesson(r *dataset.Record, im *vision.Patches) (batch.Example, error) {
	return d.View.Lesson(im, instruction(r), r.Conversations[len(r.Conversations)-1].Value)
}

// tasks returns the task type of each sample as a number, by the order in which
// they first occur.
func tasks(split *shard.Split) ([]int, error) {
	numbers := map[string]int{}
	var out []int
	for i := range split.Len() {
		s, err := split.Sample(i)
		if err != nil {
			return nil, err
		}
		n, ok := numbers[s.TaskType]
		if !ok {
			n = len(numbers)
			numbers[s.TaskType] = n
		}
		out = append(out, n)
	}
	return out, nil
}

// sharedPictures returns how many samples of validation show a picture of
// training: datasets of experts are split by record, not by picture.
func sharedPictures(set *shard.Set) (n int, err error) {
	seen := map[string]bool{}
	for _, name := range []string{"train", "val"} {
		split, err := set.Split(name)
		if err != nil {
			return 0, err
		}
		for i := range split.Len() {
			s, err := split.Sample(i)
			switch {
			case err != nil:
				return 0, err
			case name == "train":
				seen[s.Image] = true
			case seen[s.Image]:
				n++
			}
		}
	}
	return n, nil
}

// byPicture are examples, up to most about one picture to a group.
type byPicture struct {
	*labelled
	most   int
	groups []int // by example; nil before the first call of Group
}

// Group implements train.Grouped. What cannot be read is an error of Example.
func (p *byPicture) Group(i int) int {
	if p.groups == nil {
		p.divide()
	}
	return p.groups[i]
}

// divide sets the groups. The number of one is that of its first example.
func (p *byPicture) divide() {
	type place struct{ group, left int }
	at := map[string]*place{}
	for k := range p.Len() {
		n := k
		if p.only != nil {
			n = p.only[k]
		}
		key := fmt.Sprint(k)
		if s, err := p.split.Sample(n); err == nil {
			key = s.Image
		}
		if at[key] == nil || at[key].left == 0 {
			at[key] = &place{k, p.most}
		}
		at[key].left--
		p.groups = append(p.groups, at[key].group)
	}
}
