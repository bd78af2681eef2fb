package shard

import (
	"math/bits"

	"mole/batch"
)

// Histogram counts lengths.
type Histogram struct {
	Min  int   `json:"min"`
	Max  int   `json:"max"`
	Bins []Bin `json:"bins"` // from the shortest to the longest
}

// Bin counts the lengths of one range: a quarter of what lies between two powers
// of two.
type Bin struct {
	From  int `json:"from"`
	To    int `json:"to"` // included
	Count int `json:"count"`
}

// finest is the binary logarithm of the number of bins between two powers of two.
const finest = 2

// binOf returns the range that a length, 1 or more, falls into.
func binOf(length int) Bin {
	exponent := bits.Len(uint(length)) - 1
	width := 1 << max(exponent-finest, 0)
	from := length / width * width
	return Bin{From: from, To: from + width - 1}
}

// histogram counts lengths in a growing set of bins.
type histogram struct {
	Histogram
	counts map[Bin]int
}

// add counts one length.
func (h *histogram) add(length int) {
	if h.counts == nil {
		h.counts = map[Bin]int{}
		h.Min = length
	}
	h.Min, h.Max = min(h.Min, length), max(h.Max, length)
	h.counts[binOf(length)]++
}

// result returns the bins from the shortest to the longest.
func (h *histogram) result() Histogram {
	out := h.Histogram
	for length := h.Min; length <= h.Max; {
		b := binOf(length)
		length = b.To + 1
		if b.Count = h.counts[b]; b.Count > 0 {
			out.Bins = append(out.Bins, b)
		}
	}
	return out
}

// countSplit counts what the shards of a split hold.
func (w *writer) countSplit(split string) (SplitMeta, error) {
	m := SplitMeta{Name: split}
	var lengths histogram
	for _, file := range w.of(split) {
		f, err := w.read(file)
		if err != nil {
			return m, err
		}
		s, err := parseSamples(f)
		if err != nil {
			return m, err
		}
		m.Samples += s.len()
		m.Tokens += int64(len(s.ids) / 4)
		for _, label := range ints(s.labels, 0, len(s.labels)/4) {
			if label != batch.Ignore {
				m.Supervised++
			}
		}
		for i := range s.len() {
			lengths.add(s.offsets[i+1] - s.offsets[i])
		}
		if err := f.Close(); err != nil {
			return m, err
		}
	}
	m.Lengths = lengths.result()
	return m, nil
}
