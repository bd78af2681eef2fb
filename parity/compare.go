package parity

import (
	"cmp"
	"maps"
	"math"
	"slices"
)

// sums for relative errors: of squares of the difference and of what is
// wanted.
type squares struct{ off, want float64 }

func (s *squares) add(got, want float64) {
	s.off += square(got - want)
	s.want += square(want)
}

func square(x float64) float64 { return x * x }

// relative returns norm(off) / norm(want). Where nothing but zeros are wanted,
// that is 0 if zeros are what there is, and infinite if not.
func (s squares) relative() float64 { return ratio(math.Sqrt(s.off), math.Sqrt(s.want)) }

// ratio returns off/size, where 0/0 is 0. A NaN stays one.
func ratio(off, size float64) float64 {
	if off == 0 && size == 0 {
		return 0
	}
	return off / size
}

// relative returns norm(got − want) / norm(want), NaN if the lengths differ.
func relative[T float32 | float64](got []T, want []float64) float64 {
	if len(got) != len(want) {
		return math.NaN()
	}
	var s squares
	for i, x := range got {
		s.add(float64(x), want[i])
	}
	return s.relative()
}

// differences counts the places where a and b differ; a missing element is
// one.
func differences[T comparable](a, b []T) float64 {
	n := max(len(a), len(b)) - min(len(a), len(b))
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			n++
		}
	}
	return float64(n)
}

// unequal is 0 if a and b are equal, and 1 if not: one difference.
func unequal[T comparable](a, b T) float64 {
	if a == b {
		return 0
	}
	return 1
}

// top returns the index of the largest number of each row of v, the first of
// equals, -1 for a row with a NaN.
func top[T float32 | float64](v []T, width int) []int {
	var out []int
	for row := range slices.Chunk(v, width) {
		out = append(out, slices.Index(row, slices.Max(row)))
	}
	return out
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

// add records the error of one value.
func (r *run) add(quantity string, tolerance float64, name string, err float64) {
	if !r.failed() {
		r.out.add(quantity, tolerance, name, err)
	}
}

// values compares a list of numbers under the relative error.
func (r *run) values(quantity, name string, got []float32, want []float64, tolerance float64) {
	r.add(quantity, tolerance, name, relative(got, want))
}

// number compares one number under the relative error.
func (r *run) number(quantity, name string, got, want, tolerance float64) {
	r.add(quantity, tolerance, name, relative([]float64{got}, []float64{want}))
}

// exact records a number of differences, of which there must be none.
func (r *run) exact(quantity, name string, differences float64) {
	r.add(quantity, 0, name, differences)
}

// choices compares which logit of each row is the largest. Where another one
// is, but the reference has the two so close that logits at the tolerance would
// change places (one standard deviation of a difference of two), that is a tie:
// either choice is right, and the report says how many there were.
func (r *run) choices(quantity, name string, logits []float32, want []float64, width int) {
	if r.failed() {
		return
	}
	got, best := top(logits, width), top(want, width)
	if len(got) != len(best) {
		r.add(quantity, 0, name, math.NaN())
		return
	}
	wrong, ties := 0.0, 0
	for i, choice := range got {
		row := want[i*width:][:width]
		near := math.Sqrt2 * r.limits.values * length(row) / math.Sqrt(float64(width))
		switch {
		case choice == best[i]:
		case choice >= 0 && row[best[i]]-row[choice] <= near:
			ties++
		default:
			wrong++
		}
	}
	r.exact(quantity, name, wrong)
	r.out.noteTies(quantity, ties)
}

// length returns the Euclidean norm.
func length(v []float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += x * x
	}
	return math.Sqrt(sum)
}
