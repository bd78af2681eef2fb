package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"testing"

	"mole/device"
	"mole/tensor"
)

// longAttention is causal attention in the widths of the 2B network.
type longAttention struct {
	d                               *Device
	q, k, v, y, dy, lse, dq, dk, dv tensor.Tensor
	o                               device.Attention
}

func newLongAttention(d *Device, t int) *longAttention {
	a := &longAttention{d: d}
	r := rand.New(rand.NewPCG(1, 1))
	normal := func(n int) tensor.Tensor {
		x := d.Alloc(tensor.F32, tensor.Shape{t, n, 128})
		for i, s := 0, f32(x); i < len(s); i++ {
			s[i] = float32(r.NormFloat64())
		}
		return x
	}
	a.q, a.dy, a.k, a.v = normal(16), normal(16), normal(8), normal(8)
	a.y, a.dq, a.dk, a.dv = normal(16), normal(16), normal(8), normal(8)
	a.lse = d.Alloc(tensor.F32, tensor.Shape{t, 16})
	a.o = device.Attention{Scale: float32(1 / math.Sqrt(128)), Segments: []device.Segment{{End: int32(t), Causal: true}}}
	return a
}

func (a *longAttention) forward() { a.d.Attention(a.y, a.lse, a.q, a.k, a.v, a.o) }

func (a *longAttention) backward() {
	a.d.AttentionGrad(a.dq, a.dk, a.dv, a.dy, a.y, a.lse, a.q, a.k, a.v, a.o)
}

// want returns one element of the result in float64.
func (a *longAttention) want(i, h, c int) float64 {
	q, k, v := f32(a.q), f32(a.k), f32(a.v)
	var sum, total float64
	for j := range i + 1 {
		key := (j*8 + h/2) * 128
		var s float64
		for d := range 128 {
			s += float64(q[(i*16+h)*128+d]) * float64(k[key+d])
		}
		p := math.Exp(s * float64(a.o.Scale))
		total += p
		sum += p * float64(v[key+c])
	}
	return sum / total
}

// TestLongAttention runs both ways over 4096 tokens and checks that they take
// no memory that grows with the square of their number.
func TestLongAttention(t *testing.T) {
	if os.Getenv("MOLE_TEST_HEAVY") == "" {
		t.Skip("set MOLE_TEST_HEAVY=1: takes about a minute")
	}
	d, err := Open(Options{})
	if err != nil {
		t.Fatal(err)
	}
	a := newLongAttention(d, 4096)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	a.forward()
	a.backward()
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 4<<20 {
		t.Errorf("took %d bytes, want less than 4 MiB", got)
	}
	for _, at := range [][3]int{{0, 0, 0}, {17, 3, 100}, {4095, 15, 127}, {2048, 8, 64}} {
		got := float64(f32(a.y)[(at[0]*16+at[1])*128+at[2]])
		if want := a.want(at[0], at[1], at[2]); math.Abs(got-want) > 1e-7*(1+math.Abs(want)) {
			t.Errorf("row %d, head %d, element %d: got %v, want %v", at[0], at[1], at[2], got, want)
		}
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

// BenchmarkAttention measures one layer of the 2B network; pairs are those of a
// query of one head and a key that it sees.
func BenchmarkAttention(b *testing.B) {
	for _, t := range []int{256, 1024} {
		d, err := Open(Options{})
		if err != nil {
			b.Fatal(err)
		}
		a := newLongAttention(d, t)
		for _, way := range []struct {
			name string
			run  func()
		}{{"forward", a.forward}, {"backward", a.backward}} {
			b.Run(fmt.Sprintf("T=%d/%s/workers=%d", t, way.name, d.Workers()), func(b *testing.B) {
				for b.Loop() {
					way.run()
				}
				pairs := float64(t*(t+1)/2*16) * float64(b.N)
				b.ReportMetric(pairs/b.Elapsed().Seconds()/1e6, "Mpairs/s")
			})
		}
		if err := d.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
