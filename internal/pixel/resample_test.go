package pixel

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// randomFilter returns a filter of size samples out of n, with weights of up to
// bits bits.
func randomFilter(r *rand.Rand, n, size, taps, bits int) *Filter {
	f := &Filter{Shift: uint(1 + r.IntN(bits))}
	for range size {
		k := make([]int32, 1+r.IntN(min(n, taps)))
		for i := range k {
			k[i] = int32(r.IntN(1<<bits)) - 1<<bits>>1
			if r.IntN(4) == 0 {
				k[i] = 0
			}
		}
		f.Weights = append(f.Weights, k)
		f.Start = append(f.Start, r.IntN(n-len(k)+1))
	}
	slices.Sort(f.Start)
	for i, k := range f.Weights {
		f.Start[i] = min(f.Start[i], n-len(k))
	}
	f.Prepare()
	return f
}

// sample is a sample as the comment of Filter defines it: at is that of the first
// weight, step the distance to the next.
func (f *Filter) sample(i int, src []uint8, at, step int) uint8 {
	sum := int64(1) << f.Shift >> 1
	for k, w := range f.Weights[i] {
		sum += int64(w) * int64(src[at+k*step])
	}
	return uint8(min(max(sum>>f.Shift, 0), 255))
}

var filterSizes = []struct{ n, size, taps, bits int }{
	{1, 1, 4, 16}, {2, 5, 4, 16}, {9, 4, 9, 16}, {40, 39, 5, 16}, {33, 70, 4, 16},
	{100, 20, 20, 16}, {64, 63, 6, 18}, {300, 3, 100, 12}, {50, 49, 4, 8},
}

// TestRow compares rows with the definition, with and without samples behind
// them.
func TestRow(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	for range 40 {
		for _, c := range filterSizes {
			f := randomFilter(r, c.n, c.size, c.taps, c.bits)
			src := noise(r, channels*(c.n+r.IntN(40)))
			got, want := make([]uint8, channels*c.size), make([]uint8, channels*c.size)
			for i := range want {
				want[i] = f.sample(i/channels, src, channels*f.Start[i/channels]+i%channels, channels)
			}
			if f.Row(got, src); !bytes.Equal(got, want) {
				t.Fatalf("%+v: got %v, want %v", c, got, want)
			}
			if f.row(got, src, 0); !bytes.Equal(got, want) {
				t.Fatalf("%+v: plain: got %v, want %v", c, got, want)
			}
		}
	}
}

// TestLine does the same for lines.
func TestLine(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 14))
	for range 10 {
		for _, c := range filterSizes {
			f := randomFilter(r, c.n, c.size, c.taps, c.bits)
			width := 1 + r.IntN(600)
			src := noise(r, width*c.n)
			got, want := make([]uint8, width), make([]uint8, width)
			y := r.IntN(c.size)
			for i := range want {
				want[i] = f.sample(y, src, f.Start[y]*width+i, width)
			}
			window := src[f.Start[y]*width:]
			if f.Line(got, window, width, y); !bytes.Equal(got, want) {
				t.Fatalf("%+v: got %v, want %v", c, got, want)
			}
			if f.line(got, window, width, f.Weights[y], 0); !bytes.Equal(got, want) {
				t.Fatalf("%+v: plain: got %v, want %v", c, got, want)
			}
		}
	}
}

// TestPatch compares what is computed with what is looked up, to the bit.
func TestPatch(t *testing.T) {
	r := rand.New(rand.NewPCG(15, 16))
	l := Levels{Linear: true, Mean: [channels]float32{127.5, 123.675, 1}, Std: [channels]float32{127.5, 58.395, 3}}
	for c := range channels {
		for v := range 256 {
			l.Table[c][v] = float32(float32(v)-l.Mean[c]) / l.Std[c]
		}
	}
	slow := l
	slow.Linear = false
	for _, size := range []int{1, 8, 14, 16, 24} {
		for _, more := range []int{0, 3, 4, 100} {
			const volume = 2 * 24 * 24
			stride := channels*size + more
			src := noise(r, size*stride)
			got, want := make([]float32, 3*volume), make([]float32, 3*volume)
			l.Patch(got, volume, src, stride, size)
			slow.Patch(want, volume, src, stride, size)
			if !slices.Equal(got, want) {
				t.Errorf("%d pixels a side, stride %d: got other numbers than those of the table", size, stride)
			}
		}
	}
}

func BenchmarkFilter(b *testing.B) {
	r := rand.New(rand.NewPCG(17, 18))
	for _, taps := range []int{4, 5, 16} {
		f := randomFilter(r, 1155, 1152, 1, 16)
		for i := range f.Weights {
			f.Weights[i] = slices.Repeat([]int32{int32(i)}, taps)
			f.Start[i] = min(i, 1155-taps)
		}
		f.Prepare()
		src, dst := noise(r, 3*1155*taps+64), make([]uint8, 3*1152)
		for _, way := range []struct {
			name string
			run  func()
		}{
			{"row", func() { f.Row(dst, src) }},
			{"row plain", func() { f.row(dst, src, 0) }},
			{"line", func() { f.Line(dst, src, len(src)/taps, 0) }},
			{"line plain", func() { f.line(dst, src, len(src)/taps, f.Weights[0], 0) }},
		} {
			b.Run(fmt.Sprintf("%d taps/%s", taps, way.name), func(b *testing.B) {
				b.SetBytes(int64(len(dst)))
				for b.Loop() {
					way.run()
				}
			})
		}
	}
}
