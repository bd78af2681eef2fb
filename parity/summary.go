package parity

import (
	"math"
)

// entryCount is how many elements of a large tensor a case keeps.
const entryCount = 64

// summary is what a case keeps of a tensor that is too large to record.
type summary struct {
	norm, sum float64
	entries   []float64 // at the indices of entryIndices
}

// entryIndices returns which elements of a tensor of that name are kept.
func entryIndices(name string, size int) []int {
	s := newStream("entries/"+name, 0)
	out := make([]int, entryCount)
	for i := range out {
		out[i] = int(s.word(i) % uint64(size))
	}
	return out
}

// summarise returns what would be kept of v.
func summarise(name string, v []float32) summary {
	var s summary
	if len(v) == 0 {
		return summary{norm: math.NaN(), sum: math.NaN()} // never computed
	}
	for _, x := range v {
		s.norm += float64(x) * float64(x)
		s.sum += float64(x)
	}
	s.norm = math.Sqrt(s.norm)
	for _, i := range entryIndices(name, len(v)) {
		s.entries = append(s.entries, float64(v[i]))
	}
	return s
}

// readSummary reads what a case kept of a tensor.
func (r *run) readSummary(m *record) summary {
	s := summary{norm: m.number("norm"), sum: m.number("sum"), entries: m.numbers("entries")}
	if len(s.entries) != entryCount && !r.failed() {
		r.fail(m.errorf("entries: %d of them, want %d", len(s.entries), entryCount))
	}
	if s.norm < 0 {
		r.fail(m.errorf("norm: %v is negative", s.norm))
	}
	return s
}

// deviation is how far a tensor is from the recorded one, in three measures
// relative to scale, the norm that an error counts against.
//
// The entries are a sample: the norm of their difference stands for that of
// the whole tensor, so it is held against the share of the norm that as many
// elements have on average, or against their own norm if that is larger. A sum
// over n elements is held against scale·√n: by the inequality of Cauchy and
// Schwarz it moves no further than the tensor does on that scale, and errors
// that all have one sign, as behind a LayerNorm, do move it as far.
type deviation struct{ norm, sum, entries float64 }

func (want summary) deviation(got summary, scale float64, size int) deviation {
	var s squares
	for i, x := range want.entries {
		s.add(at(got.entries, i), x)
	}
	share := scale * math.Sqrt(entryCount/float64(size))
	if scale == 0 {
		s.want = 0 // the entries of a zero tensor are zero
	}
	return deviation{
		norm:    ratio(math.Abs(got.norm-want.norm), scale),
		sum:     ratio(math.Abs(got.sum-want.sum), scale*math.Sqrt(float64(size))),
		entries: ratio(math.Sqrt(s.off), max(share, math.Sqrt(s.want))),
	}
}

// at returns element i, NaN beyond the end.
func at(v []float64, i int) float64 {
	if i < len(v) {
		return v[i]
	}
	return math.NaN()
}
