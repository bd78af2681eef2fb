package pixel

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
)

// noise returns n random samples, half of them equal to their neighbours.
func noise(r *rand.Rand, n int) []uint8 {
	s := make([]uint8, n)
	for i := range s {
		s[i] = uint8(r.Uint32())
		if i > 0 && r.IntN(2) == 0 {
			s[i] = s[i-1]
		}
	}
	return s
}

// TestUnfilter compares with the definition of the filters.
func TestUnfilter(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, step := range []int{1, 2, 3, 4} {
		for _, pixels := range []int{1, 2, 3, 4, 7, 8, 9, 16, 31, 33, 70} {
			checkFilters(t, noise(r, step*pixels), noise(r, step*pixels), step)
		}
	}
	if Unfilter(5, make([]uint8, 3), make([]uint8, 3), make([]uint8, 3), 3) {
		t.Error("filter 5 is known, want it refused")
	}
}

// checkFilters undoes each filter on one row.
func checkFilters(t *testing.T, src, above []uint8, step int) {
	t.Helper()
	for filter := range uint8(5) {
		want := defined(filter, src, above, step)
		got := make([]uint8, len(src))
		if !Unfilter(filter, got, src, above, step) || !bytes.Equal(got, want) {
			t.Errorf("filter %d, %d bytes of %d a pixel: got %v, want %v", filter, len(src), step, got, want)
		}
	}
}

// defined undoes a filter as the standard says.
func defined(filter uint8, src, above []uint8, step int) []uint8 {
	dst := make([]uint8, len(src))
	for i, v := range src {
		var a, c int
		b := int(above[i])
		if i >= step {
			a, c = int(dst[i-step]), int(above[i-step])
		}
		dst[i] = v + uint8([]int{0, a, b, (a + b) / 2, predicted(a, b, c)}[filter])
	}
	return dst
}

// predicted is what Paeth predicts.
func predicted(a, b, c int) int {
	abs := func(v int) int { return max(v, -v) }
	p := a + b - c
	switch {
	case abs(p-a) <= abs(p-b) && abs(p-a) <= abs(p-c):
		return a
	case abs(p-b) <= abs(p-c):
		return b
	}
	return c
}

// TestNearest compares with the definition for all samples.
func TestNearest(t *testing.T) {
	for i := range 1 << 24 {
		a, b, c := i>>16, i>>8&255, i&255
		if got, want := nearest(a, b, c), predicted(a, b, c); got != want {
			t.Fatalf("left %d, above %d, above left %d: got %d, want %d", a, b, c, got, want)
		}
	}
}

// TestPaethRows gives the vector loop long rows of noise.
func TestPaethRows(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 50 {
		for _, step := range []int{3, 4} {
			src, above := noise(r, 2000*step), noise(r, 2000*step)
			got := make([]uint8, len(src))
			Unfilter(filterPaeth, got, src, above, step)
			if !bytes.Equal(got, defined(filterPaeth, src, above, step)) {
				t.Fatalf("%d bytes a pixel: other samples than defined", step)
			}
		}
	}
}

func BenchmarkUnfilter(b *testing.B) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, step := range []int{3, 4} {
		src, above := noise(r, 1155*step), noise(r, 1155*step)
		dst := make([]uint8, len(src))
		for filter := range uint8(5) {
			b.Run(fmt.Sprintf("%d/step%d", filter, step), func(b *testing.B) {
				b.SetBytes(int64(len(src)))
				for b.Loop() {
					Unfilter(filter, dst, src, above, step)
				}
			})
		}
	}
}
