package generate

import (
	"fmt"
	"math"
	"math/rand/v2"
)

// check refuses settings that mean nothing.
func (s Sampling) check() error {
	switch {
	case !(s.Repetition >= 0) || math.IsInf(s.Repetition, 1): // a NaN compares false
		return fmt.Errorf("%w: repetition penalty %v, want a number above 0", ErrRequest, s.Repetition)
	case !(s.Temperature >= 0) || math.IsInf(s.Temperature, 1):
		return fmt.Errorf("%w: temperature %v, want 0 or more", ErrRequest, s.Temperature)
	case s.TopK < 0:
		return fmt.Errorf("%w: top-k %d, want 0 or more", ErrRequest, s.TopK)
	case !(s.TopP >= 0 && s.TopP <= 1):
		return fmt.Errorf("%w: top-p %v, want 0 to 1", ErrRequest, s.TopP)
	case !(s.MinP >= 0 && s.MinP <= 1):
		return fmt.Errorf("%w: min-p %v, want 0 to 1", ErrRequest, s.MinP)
	}
	return nil
}

// sampler chooses the tokens of one answer. All arithmetic is in float64, sums
// run in the order of ids, and ties go to the lower id, so that logits and seed
// decide alone.
type sampler struct {
	Sampling
	source *rand.PCG
	seen   map[int32]struct{} // tokens of prompt and answer, where a penalty looks at them
	logs   bool               // probabilities are wanted
	top    int                // alternatives with them
}

// newSampler returns the sampler of a request.
func newSampler(r *Request) *sampler {
	s := &sampler{Sampling: r.Sampling, source: rand.NewPCG(r.Sampling.Seed, 0), logs: r.LogProbs, top: r.Top}
	if s.Repetition != 0 && s.Repetition != 1 {
		s.seen = make(map[int32]struct{}, len(r.Prompt.Tokens))
		for _, id := range r.Prompt.Tokens {
			s.seen[id] = struct{}{}
		}
	}
	return s
}

// choice is a token with the probabilities that were asked for.
type choice struct {
	id      int32
	logProb float64
	top     []ranked
}

// next chooses a token. Only those in mask are allowed, bit id%64 of word
// id/64; nil allows all. The logits [V] are read only; scratch may hold anything.
func (s *sampler) next(logits []float32, mask []uint64, scratch *scratch) (choice, error) {
	z := scratch.load(logits, mask)
	best := largest(z)
	if best < 0 {
		return choice{}, fmt.Errorf("none of %d logits is a number above minus infinity", len(logits))
	}
	if math.IsInf(z[best], 1) {
		return choice{}, fmt.Errorf("logit of token %d is infinite", best)
	}
	var c choice
	var norm float64
	if s.logs {
		norm = logSum(z, z[best])
		c.top = highest(z, s.top)
		for i := range c.top {
			c.top[i].value -= norm
		}
	}
	c.id = s.choose(z, scratch)
	if s.logs {
		c.logProb = float64(logits[c.id]) - norm
	}
	if s.seen != nil {
		s.seen[c.id] = struct{}{}
	}
	return c, nil
}

// choose applies the penalty and the filters to z and draws. Of the logits of
// z at least one is finite.
func (s *sampler) choose(z []float64, scratch *scratch) int32 {
	s.penalise(z)
	best := largest(z)
	if s.Temperature == 0 {
		return best
	}
	kept := scratch.all(z)
	if s.TopK > 0 && s.TopK < len(kept) {
		kept = firstCount(kept, s.TopK)
	}
	kept = weigh(kept, z[best], s.Temperature)
	if s.TopP > 0 && s.TopP < 1 {
		kept = firstMass(kept, s.TopP)
	}
	if s.MinP > 0 {
		kept = atLeast(kept, s.MinP) // the greatest weight is 1
	}
	return s.draw(kept)
}

// penalise applies the penalty for repetitions.
func (s *sampler) penalise(z []float64) {
	for id := range s.seen {
		switch {
		case int(id) >= len(z):
		case z[id] > 0:
			z[id] /= s.Repetition
		default:
			z[id] *= s.Repetition
		}
	}
}

// draw returns one of the tokens, each as often as it weighs. It takes the sum
// in the order of ids, whatever order a selection left.
func (s *sampler) draw(kept []ranked) int32 {
	byID(kept)
	total := 0.0
	for _, r := range kept {
		total += r.value
	}
	at := float64(s.source.Uint64()>>11) * 0x1p-53 * total // 53 bits, in [0, total)
	for _, r := range kept {
		if at < r.value {
			return r.id
		}
		at -= r.value
	}
	for i := len(kept) - 1; ; i-- { // rounding left a little
		if kept[i].value > 0 {
			return kept[i].id
		}
	}
}
