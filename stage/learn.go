package stage

import (
	"context"

	"mole/base"
	"mole/batch"
	"mole/bundle"
	"mole/lora"
	"mole/model/qwen3vl"
	"mole/train"
)

// train trains a router's adapter, keeps its files in b, and returns it.
func (l *lessons) train(ctx context.Context, dir string, b *bundle.Bundle) (*lora.Adapter, error) {
	a, err := l.adapt(ctx, dir)
	if err != nil {
		return nil, err
	}
	b.Preset, b.Step = l.settings.Targets, first(l.record.result.BestStep, l.record.result.Steps)
	b.Config, b.Weights, err = a.Encode()
	return a, err
}

// adapt trains an adapter and returns it.
func (l *lessons) adapt(ctx context.Context, dir string) (*lora.Adapter, error) {
	a, err := l.newAdapter()
	if err != nil {
		return nil, err
	}
	net, err := l.model.With(a)
	if err != nil {
		return nil, err
	}
	defer net.Close()
	trainer, err := l.trainer(ctx, net, dir)
	if err != nil {
		return nil, err
	}
	if !l.frozen {
		if err := checkGradients(net, trainer.Layout, trainer.Examples); err != nil {
			return nil, err
		}
	}
	result, err := trainer.Run(ctx)
	if err != nil {
		return nil, err
	}
	if err := net.Download(a); err != nil {
		return nil, err
	}
	l.record.finish(result)
	return a, nil
}

// newAdapter returns an adapter to begin with.
func (l *lessons) newAdapter() (*lora.Adapter, error) {
	c, err := l.settings.adapter()
	if err != nil {
		return nil, err
	}
	c.BaseModel, c.Revision = base.SplitName(l.Base.Name)
	return lora.New(c, l.model.Sites(), l.settings.Seed)
}

// adapter returns the configuration of the adapter: the vision tower has a rank
// of its own.
func (s Settings) adapter() (lora.Config, error) {
	targets, err := lora.Preset(s.Targets)
	c := lora.Config{Rank: s.Rank, Alpha: float64(s.Alpha), Targets: targets, InitWeights: true}
	if s.Targets != "text" { // readers warn about patterns that hit nothing
		const tower = `model\.visual\..*`
		c.RankFor = []lora.Override{{Key: tower, Value: float64(s.VisionRank)}}
		c.AlphaFor = []lora.Override{{Key: tower, Value: float64(s.VisionAlpha)}}
	}
	return c, err
}

// trainer sets a run of package train up.
func (l *lessons) trainer(ctx context.Context, net *qwen3vl.Net, dir string) (*train.Trainer, error) {
	s := l.settings
	examples, err := l.examples("train")
	if err != nil {
		return nil, err
	}
	val, err := l.examples("val")
	if err != nil {
		return nil, err
	}
	t := &train.Trainer{
		Network: net, Layout: l.model.Layout(), Examples: l.inOrder(examples), Dir: dir, Log: l.log(),
		Options: train.Options{
			Steps: s.Steps, BatchExamples: s.Batch * s.Accumulation, PassTokens: s.PassTokens, Rate: s.Rate, Warmup: s.Warmup, Shape: s.Shape,
			Optimizer: train.OptimizerOptions{Decay: max(s.Decay, 0), ClipNorm: s.ClipNorm}, Seed: s.Seed,
			SaveEvery: s.SaveEvery, EvalEvery: s.EvalEvery, Patience: max(s.Patience, 0), MinGain: s.MinGain,
			Settings: map[string]string{"base": l.Base.Digest, l.specName(): l.specHash(), "data": l.set.Meta.Identity},
		},
		Report: l.stepped, Evaluated: l.Evaluated,
	}
	if s.Loss.On() {
		t.Options.Settings["loss_weights"] = s.Loss.String()
	}
	if val.Len() > 0 {
		exam := &exam{lessons: l, ctx: ctx, net: net, val: val, held: balanced(val.labels, s.EvalMax)}
		t.Evaluate = exam.evaluate
	}
	return t, nil
}

// inOrder returns the examples of an expert grouped by picture, others as they
// are.
func (l *lessons) inOrder(all *labelled) train.Examples {
	if l.expert == nil || l.settings.PerPicture < 2 {
		return all
	}
	return &byPicture{labelled: all, most: l.settings.PerPicture}
}

// stepped tells the record, and the caller, about a step.
func (l *lessons) stepped(s train.Step) {
	l.record.step(s)
	if l.Report != nil {
		l.Report(s, l.settings)
	}
}

// meanLoss returns the mean loss in nats over the supervised tokens of some
// examples, each counted once, in passes of about budget tokens.
func meanLoss(net *qwen3vl.Net, which []int, from train.Examples, budget int) (mean float64, parts batch.Losses, err error) {
	var sum float64
	var n int
	for len(which) > 0 {
		ex, err := taken(which, from, budget)
		if err != nil {
			return 0, parts, err
		}
		which = which[len(ex):]
		b, err := batch.Share(net.Layout(), ex)
		if err != nil {
			return 0, parts, err
		}
		losses, err := net.Forward(b)
		if err != nil {
			return 0, parts, err
		}
		parts.Add(ex, losses)
		for _, loss := range losses {
			sum += float64(loss)
		}
		n += len(losses)
	}
	return sum / float64(n), parts, nil
}

// taken returns the leading examples that fit into a pass, at least one.
func taken(which []int, from train.Examples, budget int) (ex []batch.Example, err error) {
	tokens := 0
	for _, i := range which {
		e, err := from.Example(i)
		if err != nil {
			return nil, err
		}
		if tokens += len(e.Tokens); tokens > budget && len(ex) > 0 {
			break
		}
		ex = append(ex, e)
	}
	return ex, nil
}

// balanced returns the numbers of at most limit examples, given the label of
// each, as many of each label as can be, always the same. A negative limit is
// none.
func balanced(labels []int, limit int) []int {
	if limit < 0 {
		limit = len(labels)
	}
	byLabel := map[int][]int{}
	var order []int
	for i, label := range labels {
		if byLabel[label] == nil {
			order = append(order, label)
		}
		byLabel[label] = append(byLabel[label], i)
	}
	var out []int
	for round := 0; len(out) < min(limit, len(labels)); round++ {
		for _, label := range order {
			if list := byLabel[label]; round < len(list) && len(out) < limit {
				out = append(out, list[round])
			}
		}
	}
	return out
}
