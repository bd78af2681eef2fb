package stage

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"

	"mole/batch"
	"mole/device"
	"mole/device/cpu"
	"mole/model/qwen3vl"
	"mole/shard"
	"mole/vision"
)

// lessons is one run of training at work.
type lessons struct {
	*Train
	settings Settings
	set      *shard.Set
	model    *qwen3vl.Model
	features *shard.Features
	frozen   bool // the vision tower, by the adapter: features stand for pixels
	record   *record
}

// frozen reports whether an adapter of that preset, "" for none, leaves the
// vision tower as it is.
func frozen(preset string) bool { return preset == "" || preset == "text" }

// precisionOf returns the precision of a device's products.
func precisionOf(d device.Accelerator) cpu.Precision {
	if c, ok := d.(interface{ Precision() cpu.Precision }); ok {
		return c.Precision()
	}
	return cpu.F32
}

// openFeatures makes sure that the features of the frozen tower are there for
// every picture of the set.
func (l *lessons) openFeatures(ctx context.Context) (err error) {
	key := shard.FeatureKey{Base: l.Base.Digest, Image: l.set.Meta.ImagePolicy}
	if p := precisionOf(l.Device); p != cpu.F32 {
		key.Precision = p.String()
	}
	if l.features, err = shard.OpenFeatures(filepath.Join(l.State, "features"), key); err != nil {
		return err
	}
	net, err := l.model.With(nil)
	if err != nil {
		return err
	}
	defer net.Close()
	var todo []string
	for _, digest := range l.set.Images() {
		if !l.features.Has(digest) {
			todo = append(todo, digest)
		}
	}
	for lo := 0; lo < len(todo); lo += together {
		if err := ctx.Err(); err != nil {
			return err
		}
		l.progress("encode pictures", int64(lo), int64(len(todo)))
		if err := l.encode(net, todo[lo:min(lo+together, len(todo))]); err != nil {
			return err
		}
	}
	return l.features.Flush()
}

// encode keeps the features of some pictures.
func (l *lessons) encode(net *qwen3vl.Net, digests []string) error {
	var images []*vision.Patches
	for _, d := range digests {
		p, err := l.set.Patches(d)
		if err != nil {
			return err
		}
		images = append(images, p)
	}
	features, err := net.Encode(images)
	if err != nil {
		return err
	}
	for i, d := range digests {
		if err := l.features.Put(d, images[i].Grid.Tokens(l.Base.Config.Vision.Merge), features[i]); err != nil {
			return err
		}
	}
	return nil
}

// labelled is a split as examples, with the label of each.
type labelled struct {
	*shard.Examples
	split  *shard.Split
	labels []int // by sample
	// answers, if not nil, are the tokens that replace the answer of each sample.
	answers [][]int32
	// only, if not nil, are the samples that are the examples.
	only []int
	// part, if not nil, tells the parts of an answer apart.
	part func(*batch.Example) error
}

// Len returns the number of examples.
func (s *labelled) Len() int {
	if s.only != nil {
		return len(s.only)
	}
	return s.Examples.Len()
}

// Example returns example i, with another answer where the run has shuffled
// them, and the parts of the answer.
func (s *labelled) Example(i int) (batch.Example, error) {
	if s.only != nil {
		i = s.only[i]
	}
	e, err := s.Examples.Example(i)
	if err != nil {
		return e, err
	}
	if s.answers != nil {
		e = answered(e, s.answers[i])
	}
	if s.part != nil {
		err = s.part(&e)
	}
	return e, err
}

// answered returns e with another answer in place of its supervised tokens.
func answered(e batch.Example, answer []int32) batch.Example {
	begin := 0
	for e.Labels[begin] == batch.Ignore {
		begin++
	}
	end := begin
	for end < len(e.Labels) && e.Labels[end] != batch.Ignore {
		end++
	}
	tokens := append(append([]int32(nil), e.Tokens[:begin]...), answer...)
	labels := append(append([]int32(nil), e.Labels[:begin]...), answer...)
	e.Tokens, e.Labels = append(tokens, e.Tokens[end:]...), append(labels, e.Labels[end:]...)
	return e
}

// examples opens a split for training.
func (l *lessons) examples(name string) (*labelled, error) {
	split, err := l.set.Split(name)
	if err != nil {
		return nil, err
	}
	o := shard.ExampleOptions{}
	if l.frozen {
		o.Features = l.features
	}
	if err := l.checkCalls(split); err != nil {
		return nil, err
	}
	s := &labelled{Examples: split.Examples(o), split: split, part: l.parting()}
	if s.labels, err = l.labels(split); err == nil && l.settings.ShuffleLabels {
		s.answers = l.answers(s.labels)
	}
	if err == nil && name == "train" && l.settings.TrainMax > 0 {
		s.only = balanced(s.labels, l.settings.TrainMax)
	}
	return s, err
}

// labels returns the label of each sample of a split, in another order where
// the run is a control: then a picture says nothing about its label. For an
// expert it is the number of its task type.
func (l *lessons) labels(split *shard.Split) ([]int, error) {
	if l.expert != nil {
		return tasks(split)
	}
	var labels []int
	for i := range split.Len() {
		sample, err := split.Sample(i)
		if err != nil {
			return nil, err
		}
		if classOf(l.Experts, sample.Label) < 0 {
			return nil, fmt.Errorf("%s: label %d of %s is of no expert", split.Name, sample.Label, sample.ID)
		}
		labels = append(labels, sample.Label)
	}
	if l.settings.ShuffleLabels {
		permute(labels, l.settings.Seed)
	}
	return labels, nil
}

// complete refuses a routing set without samples that the heads and the
// calibration need, which are fitted last.
func (l *lessons) complete() error {
	split, err := l.set.Split("train")
	if err != nil {
		return err
	}
	labels, err := l.labels(split)
	if err != nil {
		return err
	}
	for _, e := range l.Experts {
		if !slices.Contains(labels, e.Label) {
			return fmt.Errorf("%s: no training sample of expert %q; give the set some, or leave the expert out of the table of experts", l.Dataset, e.Name)
		}
	}
	if l.set.Meta.ValSamples == 0 {
		return fmt.Errorf("%s: no validation samples, which the calibration needs; give the set some", l.Dataset)
	}
	return nil
}

// answers returns the tokens of the answers that labels stand for.
func (l *lessons) answers(labels []int) [][]int32 {
	all := l.View.Answers()
	answers := make([][]int32, len(labels))
	for i, label := range labels {
		answers[i] = all[classOf(l.Experts, label)]
	}
	return answers
}
