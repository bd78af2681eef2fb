package stage

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"mole/base"
	"mole/batch"
	"mole/lora"
	"mole/model/qwen3vl"
	"mole/router"
	"mole/shard"
)

// ErrMemory says that a run would not fit into the memory that it may take.
var ErrMemory = errors.New("not enough memory")

// Needs is how many bytes a run takes, computed from dimensions alone.
type Needs struct {
	Weights     int64 // of the base network, as they lie in its files
	Adapter     int64 // weights, gradients, moments, the best weights, and a checkpoint being written
	Activations int64 // of the largest pass, and of the gradient of its layer at hand
	Features    int64 // of pictures, kept for the next pass, and what heads and calibrations are fitted on
	Program     int64 // the program itself, with tokenizer and tables
	Tokens      int   // of the largest pass
}

// program is Needs.Program: what routing one picture with the embedded network
// takes beside its weights, measured.
const program = 40 << 20

// Total returns the sum.
func (n Needs) Total() int64 { return n.Weights + n.Adapter + n.Activations + n.Features + n.Program }

// String lists the parts.
func (n Needs) String() string {
	return fmt.Sprintf("weights %s, adapter states %s, activations of %d tokens %s, features %s, program %s",
		mebibytes(n.Weights), mebibytes(n.Adapter), n.Tokens, mebibytes(n.Activations), mebibytes(n.Features), mebibytes(n.Program))
}

func mebibytes(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

// lengths are the sizes of the samples of a set.
type lengths struct {
	longest   int     // tokens
	shared    int     // of them, those that every sample begins with
	mean      float64 // of the others in a training sample
	deviation float64 // of their number
	cells     int     // merged cells of the largest picture
	mostly    float64 // merged cells of a training sample's picture, on average
	samples   int     // to train on, at least 1
	pictures  int     // distinct ones
	fitted    int     // samples that heads and calibrations are fitted on
	rows      int     // of an example that have logits, at most
}

// lengths returns the sizes of the samples of a set.
func (t *Train) lengths(set *shard.Set) (lengths, error) {
	m, v := &set.Meta, &t.Base.Config.Vision
	l := lengths{pictures: m.Images.Distinct, rows: rowsPerExample}
	if t.expert == nil {
		l.fitted = min(m.TrainSamples, perClass*len(t.Experts)) + m.ValSamples
	}

	for _, s := range m.Splits {
		l.longest = max(l.longest, s.Lengths.Max)
	}
	cell := v.Patch * v.Merge
	l.cells = min(m.ImagePolicy.MaxPixels/(cell*cell), l.longest)
	split, err := set.Split("train")
	if err != nil {
		return l, err
	}
	var sum, squares, cells float64
	for i := range split.Len() {
		s, err := split.Sample(i)
		if err != nil {
			return l, err
		}
		if i == 0 {
			l.shared = max(0, slices.Index(s.Tokens, t.Base.Config.ImageToken))
		}
		rows, own := 0, float64(len(s.Tokens)-l.shared)
		sum, squares = sum+own, squares+own*own
		for k, id := range s.Tokens {
			if id == t.Base.Config.ImageToken {
				cells++
			}
			if s.Labels[k] != batch.Ignore {
				rows++
			}
		}
		l.rows = max(l.rows, rows)
	}
	l.samples = max(split.Len(), 1)
	n := float64(l.samples)
	l.mean, l.mostly = sum/n, cells/n
	l.deviation = math.Sqrt(max(0, squares/n-l.mean*l.mean))
	return l, nil
}

// tokens returns how many tokens n samples have in one pass, where those that
// they share count once: of their own, hardly ever more than two deviations
// above the mean. The more of the set is drawn, the less it deviates.
func (l lengths) tokens(n int) int {
	left := max(0, 1-float64(n)/float64(l.samples))
	own := float64(n)*l.mean + 2*l.deviation*math.Sqrt(float64(n)*left)
	return l.shared + min(int(math.Ceil(own)), n*(l.longest-l.shared))
}

// passTokens is the size of a pass where memory does not matter.
const passTokens = 4096

// resolve fills in the settings and finds a size of pass that fits into the
// memory. A size that was asked for is kept, or refused.
func (t *Train) resolve(set *shard.Set) (Settings, error) {
	s, err := t.Settings.Resolve(set.Meta.TrainSamples)
	if err != nil {
		return s, err
	}
	l, err := t.lengths(set)
	if err != nil {
		return s, err
	}
	for {
		n, err := needsOf(t.Base, s, l)
		switch {
		case err != nil:
			return s, err
		case t.Memory == 0 || n.Total() <= t.Memory:
			return s, nil
		case t.Settings.PassTokens != 0 || s.PassTokens <= l.longest:
			return s, fmt.Errorf("%w: the run takes %s, %s may be taken: %v; fewer image tokens, a lower rank or a smaller base model take less",
				ErrMemory, mebibytes(n.Total()), mebibytes(t.Memory), n)
		}
		s.PassTokens /= 2
	}
}

// Needs returns what the run would take, and touches nothing.
func (t *Train) Needs(ctx context.Context) (n Needs, err error) {
	_, set, err := t.open(ctx)
	if err != nil {
		return n, err
	}
	defer func() { err = errors.Join(err, set.Close()) }()
	return t.needs(set)
}

// needs is Needs for an opened set.
func (t *Train) needs(set *shard.Set) (n Needs, err error) {
	s, err := t.Settings.Resolve(set.Meta.TrainSamples)
	if err != nil {
		return n, err
	}
	l, err := t.lengths(set)
	if err != nil {
		return n, err
	}
	return needsOf(t.Base, s, l)
}

// needsOf computes what a run takes.
func needsOf(b *base.Base, s Settings, l lengths) (Needs, error) {
	const float = 4
	n := Needs{Tokens: l.pass(s), Program: program}
	for _, name := range b.Weights.Names() {
		t, err := b.Weights.Tensor(name)
		if err != nil {
			return n, err
		}
		n.Weights += int64(len(t.Data))
	}
	deep := int64(len(b.Config.Vision.DeepStack))
	cells := int64(together * l.cells)
	n.Activations = float * forward(b.Config, cells)
	width := b.Config.Text.Hidden
	cell := int64(width) * (1 + deep)
	if !frozen(s.Targets) {
		cell = int64(b.Config.Vision.PatchWidth() * b.Config.Vision.Merge * b.Config.Vision.Merge)
	}
	n.Features = heapRoom * min(exampleCache, int64(float*float64(l.pictures)*l.mostly*float64(cell))) / 100
	n.Features += 2 * float * int64(l.fitted*(s.Features.Width(width)+width))
	if s.Rung == router.Linear || s.Rung == router.Prototype {
		return n, nil
	}
	params, err := adapterParams(b.Config, s)
	// Weights, gradients, two moments and the best weights; a checkpoint holds
	// all but the gradients once more.
	n.Adapter = float * 9 * params
	rank, examples := int64(max(s.Rank, s.VisionRank)), l.examples(s)
	floats := decoder(b.Config, rank)*int64(n.Tokens) + int64(l.rows*examples*b.Config.Text.Vocab)
	if !frozen(s.Targets) {
		floats += int64(float64(tower(b.Config, rank)) * min(float64(n.Tokens), float64(examples)*l.mostly))
	}
	n.Activations = max(n.Activations, float*floats)
	return n, err
}

// heapRoom is what the Go heap takes for what it holds, in percent, with the
// setting of the collector that command mole makes.
const heapRoom = 125

// exampleCache is what shard.Examples keeps of pictures, in bytes.
const exampleCache = 256 << 20

// rowsPerExample is how many rows of a router's example have logits: those
// before the label and before the end of the answer.
const rowsPerExample = 2

// examples returns how many examples a pass may have: those of a step, or those
// of an evaluation, whose passes are cut without a look at what they share.
func (l lengths) examples(s Settings) int {
	fit := s.PassTokens/max(1, l.shared+int(l.mean)) + 1
	if s.EvalMax >= 0 {
		fit = min(fit, s.EvalMax)
	}
	return max(s.Batch*s.Accumulation, fit)
}

// pass returns the tokens of the largest pass.
func (l lengths) pass(s Settings) int {
	return max(l.longest, min(s.PassTokens, l.tokens(l.examples(s))))
}

// adapterParams returns the number of elements of an adapter.
func adapterParams(c *qwen3vl.Config, s Settings) (int64, error) {
	config, err := s.adapter()
	if err != nil {
		return 0, err
	}
	var sites []lora.Site
	for _, t := range c.Tensors() {
		name, isWeight := strings.CutSuffix(t.Name, ".weight")
		if isWeight && len(t.Shape) > 1 {
			sites = append(sites, lora.Site{Name: name, Out: t.Shape[0], In: tensorWidth(t)})
		}
	}
	sites, err = lora.Select(config, sites)
	var n int64
	for _, site := range sites {
		rank := s.Rank
		if strings.HasPrefix(site.Name, "model.visual.") {
			rank = s.VisionRank
		}
		n += int64(rank * (site.In + site.Out))
	}
	return n, err
}

// tensorWidth returns the elements of a row.
func tensorWidth(t qwen3vl.TensorSpec) int {
	n := 1
	for _, extent := range t.Shape[1:] {
		n *= extent
	}
	return n
}

// decoder returns the floats that training keeps for each token: the tape of
// every layer, what all of them work in, and the gradients of the layer at hand
// (specification qwen3-vl, 4.2).
func decoder(c *qwen3vl.Config, rank int64) int64 {
	t := &c.Text
	hidden, inner := int64(t.Hidden), int64(t.Intermediate)
	queries, keys := int64(t.Heads*t.HeadDim), int64(t.KVHeads*t.HeadDim)
	layer := 2*hidden + 3*queries + 3*keys + 2*inner + int64(2*t.Heads+t.KVHeads+2) + 7*rank
	return layer*int64(t.Layers) + 7*hidden + 3*inner + 2*queries + 2*keys + 7*rank
}

// tower returns the same for the vision tower, for each merged cell.
func tower(c *qwen3vl.Config, rank int64) int64 {
	v := &c.Vision
	hidden, inner := int64(v.Hidden), int64(v.Intermediate)
	block := 6*hidden + inner + int64(v.Heads+4) + 4*rank
	atHand := 6*hidden + 2*inner + 4*rank
	patches := int64(v.Merge*v.Merge) * (block*int64(v.Depth) + atHand + int64(v.PatchWidth()) + 3*hidden)
	mergers := 4 * int64(v.MergedWidth()) * int64(len(v.DeepStack)+1)
	return patches + mergers
}

// forward returns the floats of the tower for a number of merged cells that no
// gradient is taken of: one block, and the features.
func forward(c *qwen3vl.Config, cells int64) int64 {
	v := &c.Vision
	block := 9*int64(v.Hidden) + 2*int64(v.Intermediate) + int64(v.Heads+4+v.PatchWidth())
	return cells * (int64(v.Merge*v.Merge)*block + 4*int64(v.MergedWidth()) + int64(c.Text.Hidden*(1+len(v.DeepStack))))
}
