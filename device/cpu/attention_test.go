package cpu

import (
	"math"
	"os"
	"runtime"
	"slices"
	"testing"

	"mole/device"
)

// attend returns element c of row i of head h of the result in float64.
func attend(a *attentionCall, s attentionShape, i, h, c int) float64 {
	q, k, v := f32(a.q), f32(a.k), f32(a.v)
	var sum, total float64
	for j := range i + 1 {
		key := (j*s.k + h*s.k/s.h) * s.d
		var score float64
		for d := range s.d {
			score += float64(q[(i*s.h+h)*s.d+d]) * float64(k[key+d])
		}
		p := math.Exp(score * float64(a.o.Scale))
		total += p
		sum += p * float64(v[key+c])
	}
	return sum / total
}

// TestLongAttention runs both ways over 4096 tokens and checks that they take
// no memory that grows with the square of their number: what they take is two
// gradients of one head for each worker, and blocks.
func TestLongAttention(t *testing.T) {
	if os.Getenv("MOLE_TEST_HEAVY") == "" {
		t.Skip("set MOLE_TEST_HEAVY=1: takes about a minute on the generic tier")
	}
	d, err := Open(Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := attentionShapes[1]
	a := newAttentionCall(d, s)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	a.forward()
	a.backward()
	runtime.ReadMemStats(&after)
	// Each worker has blocks, below 1 MiB, and two gradients with half as much
	// again in reserve.
	limit := uint64(d.Workers()) * uint64(1<<20+2*6*s.t*s.d)
	if got := after.TotalAlloc - before.TotalAlloc; got > limit {
		t.Errorf("took %d bytes, want less than %d", got, limit)
	}
	for _, at := range [][3]int{{0, 0, 0}, {17, 3, 100}, {4095, 15, 127}, {2048, 8, 64}} {
		got := float64(f32(a.y)[(at[0]*s.h+at[1])*s.d+at[2]])
		if want := attend(a, s, at[0], at[1], at[2]); math.Abs(got-want) > 2e-6*(1+math.Abs(want)) {
			t.Errorf("row %d, head %d, element %d: got %v, want %v", at[0], at[1], at[2], got, want)
		}
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

// TestTrees cuts segments into trees.
func TestTrees(t *testing.T) {
	own := func(start, end, key int32, past ...device.Span) device.Segment {
		return device.Segment{Start: start, End: end, Key: key, Causal: true, Past: past}
	}
	of := func(rows, end, keys, last int32) tree {
		return tree{device.Span{Start: rows, End: end}, device.Span{Start: keys, End: last}}
	}
	tests := []struct {
		name     string
		segments []device.Segment
		keys     int
		want     []tree
	}{
		{"one", []device.Segment{own(0, 5, 0)}, 5, []tree{of(0, 5, 0, 5)}},
		{"packed", []device.Segment{own(0, 5, 0), own(5, 9, 5)}, 9, []tree{of(0, 5, 0, 5), of(5, 9, 5, 9)}},
		{"keys of nobody", []device.Segment{own(0, 5, 2), own(5, 9, 10)}, 20, []tree{of(0, 5, 0, 10), of(5, 9, 10, 20)}},
		{"two trees", []device.Segment{
			own(0, 2, 0), own(2, 4, 2, device.Span{Start: 0, End: 2}), own(4, 6, 4, device.Span{Start: 0, End: 2}), own(6, 8, 6),
		}, 8, []tree{of(0, 6, 0, 6), of(6, 8, 6, 8)}},
		{"last sees first", []device.Segment{own(0, 2, 0), own(2, 4, 2), own(4, 6, 4, device.Span{Start: 0, End: 1})}, 6,
			[]tree{of(0, 6, 0, 6)}},
		{"keys out of order", []device.Segment{own(0, 2, 4), own(2, 4, 0)}, 6, []tree{of(0, 4, 0, 6)}},
		{"empty segment", []device.Segment{own(0, 0, 3), own(0, 2, 0)}, 3, []tree{of(0, 2, 0, 3)}},
	}
	var list []tree
	for _, tt := range tests {
		if list = trees(list, tt.segments, tt.keys); !slices.Equal(list, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, list, tt.want)
		}
	}
}
