package pixel

import (
	"bytes"
	"hash/adler32"
	"math/rand/v2"
	"testing"
	"time"
)

// TestAdler32 compares with the standard library, for the largest bytes too, and
// in parts.
func TestAdler32(t *testing.T) {
	r := rand.New(rand.NewPCG(31, 32))
	for _, n := range []int{0, 1, 31, 32, 33, 100, adlerMost - 1, adlerMost, adlerMost + 1, 3*adlerMost + 77} {
		for _, p := range [][]byte{noise(r, n), bytes.Repeat([]byte{255}, n), make([]byte, n)} {
			cut := r.IntN(n + 1)
			got := Adler32(Adler32(1, p[:cut]), p[cut:])
			if want := adler32.Checksum(p); got != want {
				t.Errorf("%d bytes, cut at %d: got %08x, want %08x", n, cut, got, want)
			}
		}
	}
	top := uint32(adlerBase-1)<<16 | (adlerBase - 1)
	p := bytes.Repeat([]byte{255}, 2*adlerMost)
	want := top
	for _, v := range p {
		a := (want&0xffff + uint32(v)) % adlerBase
		want = (want>>16+a)%adlerBase<<16 | a
	}
	if got := Adler32(top, p); got != want {
		t.Errorf("from the largest sums: got %08x, want %08x", got, want)
	}
}

// BenchmarkAdler32 runs the standard library in turn, and reports how many times
// longer that takes.
func BenchmarkAdler32(b *testing.B) {
	p := noise(rand.New(rand.NewPCG(33, 34)), 3466)
	var other time.Duration
	b.SetBytes(int64(100 * len(p)))
	for b.Loop() {
		for range 100 {
			Adler32(1, p)
		}
		b.StopTimer()
		start := time.Now()
		for range 100 {
			adler32.Checksum(p)
		}
		other += time.Since(start)
		b.StartTimer()
	}
	b.ReportMetric(other.Seconds()/b.Elapsed().Seconds(), "x-hash/adler32")
}
