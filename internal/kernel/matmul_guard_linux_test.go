package kernel

import (
	"math/rand/v2"
	"syscall"
	"testing"
	"unsafe"
)

// TestMatMulStaysInside runs products whose operands and scratch end, or
// begin, where memory that must not be touched begins, or ends: one byte too
// far is a fault.
func TestMatMulStaysInside(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	var cases []matMulCase
	for range 60 {
		cases = append(cases, randomCase(r, 1+r.IntN(40), 1+r.IntN(80), 1+r.IntN(80)))
	}
	cases = append(cases, narrowCases(r)...)
	eachTier(t, func(t *testing.T, tier Tier) { checkInside(t, cases, tier.MatMul) })
}

// TestMatVecStaysInside is TestMatMulStaysInside for few rows.
func TestMatVecStaysInside(t *testing.T) {
	cases := fewRows(rand.New(rand.NewPCG(13, 12)), 60)
	eachTier(t, func(t *testing.T, tier Tier) { checkInside(t, cases, tier.MatVec) })
}

// checkInside runs a product on plain memory, and then on guarded.
func checkInside(t *testing.T, cases []matMulCase, product func(*MatMul, *Scratch)) {
	for n, c := range cases {
		m := c.matMul()
		want := copyOf(m)
		var s Scratch
		product(want, &s)
		atEnd := n%2 == 0
		for _, p := range []*[]float32{&s.a, &s.b, &s.sums, &s.edge, &s.across, &m.A, &m.B32, &m.C, &m.Bias, &m.A2, &m.B2} {
			*p = guarded(t, *p, atEnd)
		}
		m.B16 = guarded(t, m.B16, atEnd)
		if s.second != nil {
			s.second.s.a, s.second.s.b = guarded(t, s.second.s.a, atEnd), guarded(t, s.second.s.b, atEnd)
		}
		product(m, &s)
		if i := firstDifference(m.C, want.C); i >= 0 {
			t.Fatalf("%v: element %d: got %x, want %x", c, i, m.C[i], want.C[i])
		}
	}
}

// guarded returns a copy of s that has pages without access before and behind
// it, and touches the one behind it or the one before. An empty s stays what
// it is.
func guarded[T float32 | uint16](t *testing.T, s []T, atEnd bool) []T {
	t.Helper()
	if len(s) == 0 {
		return s
	}
	size := len(s) * int(unsafe.Sizeof(s[0]))
	page := syscall.Getpagesize()
	inner := (size + page - 1) / page * page
	mem, err := syscall.Mmap(-1, 0, inner+2*page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Munmap(mem); err != nil {
			t.Error(err)
		}
	})
	for _, guard := range [][]byte{mem[:page], mem[page+inner:]} {
		if err := syscall.Mprotect(guard, syscall.PROT_NONE); err != nil {
			t.Fatal(err)
		}
	}
	start := page
	if atEnd {
		start += inner - size
	}
	dst := unsafe.Slice((*T)(unsafe.Pointer(&mem[start])), len(s))
	copy(dst, s)
	return dst
}
