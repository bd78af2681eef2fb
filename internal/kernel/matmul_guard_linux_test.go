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
	eachTier(t, func(t *testing.T, tier Tier) {
		for n := range 60 {
			c := randomCase(r, 1+r.IntN(40), 1+r.IntN(80), 1+r.IntN(80))
			m := c.matMul()
			want := copyOf(m)
			var s Scratch
			tier.MatMul(want, &s)
			atEnd := n%2 == 0
			s.a, s.b = guarded(t, s.a, atEnd), guarded(t, s.b, atEnd)
			s.sums, s.edge = guarded(t, s.sums, atEnd), guarded(t, s.edge, atEnd)
			m.A, m.C = guarded(t, m.A, atEnd), guarded(t, m.C, atEnd)
			m.B32, m.B16, m.Bias = guarded(t, m.B32, atEnd), guarded(t, m.B16, atEnd), guarded(t, m.Bias, atEnd)
			tier.MatMul(m, &s)
			if i := firstDifference(m.C, want.C); i >= 0 {
				t.Fatalf("%v: element %d: got %x, want %x", c, i, m.C[i], want.C[i])
			}
		}
	})
}

// guarded returns a copy of s that has pages without access before and behind
// it, and touches the one behind it or the one before. A nil s stays nil.
func guarded[T float32 | uint16](t *testing.T, s []T, atEnd bool) []T {
	t.Helper()
	if s == nil {
		return nil
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
