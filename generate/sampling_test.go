package generate

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"mole/batch"
)

// oracle returns the distribution that a token is drawn from, [V], as the
// comments of Sampling say, by sorting all of it.
func oracle(s Sampling, seen []int32, logits []float32, mask []uint64) []float64 {
	order := make([]ranked, 0, len(logits))
	for i := range logits {
		if mask == nil || mask[i/64]>>(i%64)&1 == 1 {
			order = append(order, ranked{logit(s, seen, logits, int32(i)), int32(i)})
		}
	}
	slices.SortFunc(order, compare)
	if s.Temperature == 0 {
		order, s.Temperature = order[:1], 1
	}
	if s.TopK > 0 {
		order = order[:min(s.TopK, len(order))]
	}
	top := order[0].value
	for i := range order {
		order[i].value = math.Exp((order[i].value - top) / s.Temperature)
	}
	slices.SortFunc(order, compare) // logits that differ may weigh the same
	order = fewest(order, s.TopP)
	out, total := make([]float64, len(logits)), 0.0
	for _, r := range order {
		if r.value >= s.MinP {
			out[r.id] = r.value
			total += r.value
		}
	}
	for i := range out {
		out[i] /= total
	}
	return out
}

// fewest returns the first tokens that have the share p, 0 for all.
func fewest(order []ranked, p float64) []ranked {
	total := 0.0
	for _, r := range order {
		total += r.value
	}
	sum := 0.0
	for i, r := range order {
		if sum += r.value; p > 0 && p < 1 && sum >= p*total {
			return order[:i+1]
		}
	}
	return order
}

// logit returns one logit after the penalty.
func logit(s Sampling, seen []int32, logits []float32, id int32) float64 {
	z := float64(logits[id])
	switch {
	case s.Repetition == 0 || !slices.Contains(seen, id):
		return z
	case z > 0:
		return z / s.Repetition
	}
	return z * s.Repetition
}

// drawLogits draws logits, some of them equal, and a mask that allows some.
func drawLogits(t *rapid.T) (logits []float32, mask []uint64) {
	v := rapid.IntRange(1, 300).Draw(t, "V")
	spread := rapid.Float32Range(0, 8).Draw(t, "spread")
	steps := rapid.SampledFrom([]int{2, 5, 1 << 20}).Draw(t, "steps")
	r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "logits"), 0))
	for range v {
		logits = append(logits, spread*float32(r.IntN(steps))/float32(steps)-spread/2)
	}
	if rapid.Bool().Draw(t, "masked") {
		mask = make([]uint64, (v+63)/64)
		for i := range mask {
			mask[i] = r.Uint64()
		}
		mask[0] |= 1
	}
	return logits, mask
}

// drawSampling draws settings, each of which may be left out.
func drawSampling(t *rapid.T) (s Sampling) {
	s.Repetition = rapid.SampledFrom([]float64{0, 1, 1.3, 0.7}).Draw(t, "repetition")
	s.Temperature = rapid.SampledFrom([]float64{0, 0.3, 1, 2.5}).Draw(t, "temperature")
	s.TopK = rapid.SampledFrom([]int{0, 1, 2, 7, 1000}).Draw(t, "k")
	s.TopP = rapid.SampledFrom([]float64{0, 0.1, 0.5, 0.93, 1}).Draw(t, "p")
	s.MinP = rapid.SampledFrom([]float64{0, 0.05, 0.5, 1}).Draw(t, "minp")
	s.Seed = rapid.Uint64().Draw(t, "seed")
	return s
}

// TestSampling draws tokens and holds each against the distribution that
// sorting gives: the draw must fall on the token whose share of [0, 1) it hits.
func TestSampling(t *testing.T) {
	space := new(scratch)
	rapid.Check(t, func(t *rapid.T) {
		logits, mask := drawLogits(t)
		r := &Request{Sampling: drawSampling(t), Prompt: batch.Example{Tokens: []int32{0, 3, 3, 400}}}
		s := newSampler(r)
		source := rand.NewPCG(r.Sampling.Seed, 0)
		seen := slices.Clone(r.Prompt.Tokens)
		for range 5 {
			want := oracle(r.Sampling, seen, logits, mask)
			got, err := s.next(logits, mask, space)
			if err != nil {
				t.Fatal(err)
			}
			if want[got.id] == 0 {
				t.Fatalf("got token %d, which the filters exclude: %v of %v", got.id, want, logits)
			}
			if r.Sampling.Temperature > 0 {
				u := float64(source.Uint64()>>11) * 0x1p-53
				checkShare(t, want, got.id, u)
			}
			seen = append(seen, got.id)
		}
	})
}

// checkShare checks that u, in [0, 1), lies in the share of a token.
func checkShare(t *rapid.T, p []float64, id int32, u float64) {
	below := 0.0
	for _, v := range p[:id] {
		below += v
	}
	if off := 1e-9; u < below-off || u > below+p[id]+off {
		t.Fatalf("drew token %d with %v, want it in [%v, %v)", id, u, below, below+p[id])
	}
}

// TestLogProbs compares probabilities and alternatives with a softmax of all.
func TestLogProbs(t *testing.T) {
	space := new(scratch)
	rapid.Check(t, func(t *rapid.T) {
		logits, mask := drawLogits(t)
		r := &Request{Sampling: drawSampling(t), LogProbs: true, Top: rapid.IntRange(0, 20).Draw(t, "top")}
		got, err := newSampler(r).next(logits, mask, space)
		if err != nil {
			t.Fatal(err)
		}
		all := oracle(Sampling{Temperature: 1}, nil, logits, mask)
		if want := math.Log(all[got.id]); math.Abs(got.logProb-want) > 1e-9 {
			t.Fatalf("token %d: got %v, want %v", got.id, got.logProb, want)
		}
		var want []ranked
		for id, p := range all {
			if p > 0 {
				want = append(want, ranked{float64(logits[id]), int32(id)})
			}
		}
		slices.SortFunc(want, compare)
		want = want[:min(r.Top, len(want))]
		if len(got.top) != len(want) {
			t.Fatalf("got %d alternatives, want %d", len(got.top), len(want))
		}
		for i, w := range want {
			if got.top[i].id != w.id || math.Abs(got.top[i].value-math.Log(all[w.id])) > 1e-9 {
				t.Fatalf("alternative %d: got %v, want token %d with %v", i, got.top[i], w.id, math.Log(all[w.id]))
			}
		}
	})
}

func TestSamplingRefuses(t *testing.T) {
	nan := math.NaN()
	for _, s := range []Sampling{
		{Repetition: -1}, {Repetition: nan}, {Repetition: math.Inf(1)}, {Temperature: -0.1}, {Temperature: nan},
		{TopK: -1}, {TopP: 1.1}, {TopP: nan}, {MinP: -1}, {MinP: nan},
	} {
		if err := s.check(); !errors.Is(err, ErrRequest) {
			t.Errorf("%+v: got %v, want ErrRequest", s, err)
		}
	}
	if err := (Sampling{Repetition: 1.1, Temperature: 1, TopK: 5, TopP: 1, MinP: 1}).check(); err != nil {
		t.Error(err)
	}
}

// TestSamplingHostile gives logits that are not numbers.
func TestSamplingHostile(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	hot := &Request{Sampling: Sampling{Temperature: 1}}
	if got, err := newSampler(hot).next([]float32{nan, -inf, -3, nan}, nil, new(scratch)); err != nil || got.id != 2 {
		t.Errorf("got token %d, %v, want the only number", got.id, err)
	}
	for _, bad := range [][]float32{{}, {nan, -inf}, {1, inf}} {
		if got, err := newSampler(hot).next(bad, nil, new(scratch)); err == nil {
			t.Errorf("%v: got token %d, want an error", bad, got.id)
		}
	}
}

// BenchmarkSampling chooses among as many tokens as Qwen3-VL has, beside a sort
// of all of them.
func BenchmarkSampling(b *testing.B) {
	logits := make([]float32, 151936)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range logits {
		logits[i] = float32(r.NormFloat64() * 3)
	}
	space := new(scratch)
	for _, tt := range []struct {
		name string
		r    Request
	}{
		{"greedy", Request{}},
		{"temperature", Request{Sampling: Sampling{Temperature: 1}}},
		{"k50", Request{Sampling: Sampling{Temperature: 1, TopK: 50}}},
		{"p0.9", Request{Sampling: Sampling{Temperature: 1, TopP: 0.9}}},
		{"p0.9-hot", Request{Sampling: Sampling{Temperature: 20, TopP: 0.9}}},
		{"k50-p0.9-logprobs", Request{Sampling: Sampling{Temperature: 1, TopK: 50, TopP: 0.9}, LogProbs: true, Top: 20}},
	} {
		b.Run(tt.name, func(b *testing.B) {
			s := newSampler(&tt.r)
			for b.Loop() {
				if _, err := s.next(logits, nil, space); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("sort", func(b *testing.B) {
		for b.Loop() {
			all := slices.Clone(space.all(space.load(logits, nil)))
			slices.SortFunc(all, compare)
		}
	})
}
