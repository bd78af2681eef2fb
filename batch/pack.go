package batch

import (
	"errors"
	"fmt"
	"math"

	"mole/vision"
)

// Layout holds what packing must know of the network.
type Layout struct {
	ImageToken int32 // placeholder of one merged cell of an image
	VideoToken int32 // placeholder of videos, which are refused
	Merge      int   // spatial merge size: Merge by Merge patches become one token
}

// check returns an error if nothing can be packed for l, or if there is nothing.
func (l Layout) check(ex []Example) error {
	if len(ex) == 0 {
		return errors.New("no examples")
	}
	if l.Merge < 1 {
		return fmt.Errorf("merge size %d, want at least 1", l.Merge)
	}
	return nil
}

// Pack lays examples end to end, each a segment without parent, so that the
// batch computes for each what it would compute alone. An image that occurs
// several times, in one example or in many, is listed once. An example that
// does not fit its images or labels is an error that names it and the token.
func Pack(l Layout, ex []Example) (*Batch, error) {
	if err := l.check(ex); err != nil {
		return nil, err
	}
	p := newPacker(l)
	for i, e := range ex {
		if err := p.add(e); err != nil {
			return nil, fmt.Errorf("example %d: %w", i, err)
		}
	}
	return &p.batch, nil
}

// Take returns how many of the leading examples have together at most the
// given number of tokens, but at least one unless there is none.
func Take(ex []Example, tokens int) int {
	n := 0
	for _, e := range ex {
		tokens -= len(e.Tokens)
		if tokens < 0 && n > 0 {
			break
		}
		n++
	}
	return n
}

// packer is a batch that grows.
type packer struct {
	layout   Layout
	batch    Batch
	first    map[*vision.Patches]int32 // first feature of each image of batch
	features int32                     // of all images of batch
}

func newPacker(l Layout) *packer { return &packer{layout: l, first: map[*vision.Patches]int32{}} }

// add appends one example.
func (p *packer) add(e Example) error {
	if err := checkExample(e); err != nil {
		return err
	}
	b := &p.batch
	start := int32(len(b.Tokens))
	if err := checkRoom(e, int(start)); err != nil {
		return err
	}
	b.Segments = append(b.Segments, Segment{Start: start, Parent: NoParent})
	count := int32(0)
	err := p.layout.units(e, func(_ int, u unit) {
		p.place(u, count)
		count += p.layout.steps(u)
	})
	if err != nil {
		return err
	}
	b.Labels = appendLabels(b.Labels, e, start)
	b.Ends = append(b.Ends, int32(len(b.Tokens))-1)
	return nil
}

// checkRoom returns an error if e after that many tokens would be more than can
// be counted.
func checkRoom(e Example, tokens int) error {
	if len(e.Tokens) > math.MaxInt32-tokens {
		return fmt.Errorf("%d tokens after %d, want at most %d in a batch", len(e.Tokens), tokens, math.MaxInt32)
	}
	return nil
}

// checkExample checks what concerns neither images nor positions.
func checkExample(e Example) error {
	switch {
	case len(e.Tokens) == 0:
		return errors.New("no tokens")
	case e.Labels != nil && len(e.Labels) != len(e.Tokens):
		return fmt.Errorf("%d labels, want %d, one for each token", len(e.Labels), len(e.Tokens))
	case !isWeight(e.Weight):
		return fmt.Errorf("weight %v, want a finite number, at least 0", e.Weight)
	}
	if err := checkWeights(e); err != nil {
		return err
	}
	for i, id := range e.Tokens {
		if id < 0 {
			return fmt.Errorf("token %d: id %d is negative", i, id)
		}
	}
	return checkLabels(e)
}

// isWeight reports whether a loss can be multiplied by v.
func isWeight(v float32) bool { return v >= 0 && !math.IsInf(float64(v), 1) } // NaN is not >= 0

// checkWeights checks weights and parts of the labels.
func checkWeights(e Example) error {
	switch {
	case e.Weights != nil && len(e.Weights) != len(e.Tokens):
		return fmt.Errorf("%d weights, want %d, one for each token", len(e.Weights), len(e.Tokens))
	case e.Parts != nil && len(e.Parts) != len(e.Tokens):
		return fmt.Errorf("%d parts, want %d, one for each token", len(e.Parts), len(e.Tokens))
	}
	for i, v := range e.Weights {
		if !isWeight(v) {
			return fmt.Errorf("token %d: weight %v, want a finite number, at least 0", i, v)
		}
	}
	for i, p := range e.Parts {
		if p >= parts {
			return fmt.Errorf("token %d: part %d, want one below %d", i, p, parts)
		}
	}
	return nil
}

// checkLabels checks that every label is the token itself and has a row.
func checkLabels(e Example) error {
	for i, label := range e.Labels {
		if label == Ignore {
			continue
		}
		if label != e.Tokens[i] {
			return fmt.Errorf("token %d: label %d, want %d, the token itself, or %d", i, label, e.Tokens[i], Ignore)
		}
		if i == 0 {
			return errors.New("token 0: supervised, but no token before it could predict it")
		}
	}
	return nil
}

// appendLabels appends the labels of e, whose first token has row start: row
// i−1 predicts token i.
func appendLabels(labels []Label, e Example, start int32) []Label {
	for i, label := range e.Labels {
		if label != Ignore {
			labels = append(labels, Label{Row: start + int32(i) - 1, Target: label, Weight: e.weight(i)})
		}
	}
	return labels
}

// weight returns what the label of token i counts.
func (e *Example) weight(i int) float32 {
	weight := e.Weight
	if weight == 0 {
		weight = 1
	}
	if e.Weights != nil {
		weight *= e.Weights[i]
	}
	return weight
}
