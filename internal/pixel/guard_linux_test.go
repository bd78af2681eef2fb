package pixel

import (
	"math/rand/v2"
	"syscall"
	"testing"
	"unsafe"
)

// TestStaysInside runs the loops on slices that end where memory that must not be
// touched begins: one byte too far is a fault.
func TestStaysInside(t *testing.T) {
	r := rand.New(rand.NewPCG(21, 22))
	for _, pixels := range []int{1, 2, 3, 8, 9, 33, 100} {
		for _, step := range []int{1, 2, 3, 4} {
			n := pixels * step
			dst, src, above := guarded[uint8](t, n), guarded[uint8](t, n), guarded[uint8](t, n)
			for filter := range uint8(5) {
				Unfilter(filter, dst, src, above, step)
			}
		}
		f := randomFilter(r, pixels, 50, 7, 16)
		f.Row(guarded[uint8](t, channels*50), guarded[uint8](t, channels*pixels))
		const width = 67
		f.Line(guarded[uint8](t, width), guarded[uint8](t, width*pixels)[f.Start[3]*width:], width, 3)
	}
	l := Levels{Linear: true, Std: [channels]float32{1, 1, 1}}
	for _, size := range []int{8, 16} {
		l.Patch(guarded[float32](t, 3*size*size), size*size, guarded[uint8](t, size*size*channels), size*channels, size)
	}
}

// guarded returns n elements with a page without access behind them.
func guarded[T uint8 | float32](t *testing.T, n int) []T {
	t.Helper()
	size := n * int(unsafe.Sizeof(T(0)))
	page := syscall.Getpagesize()
	inner := (size + page - 1) / page * page
	mem, err := syscall.Mmap(-1, 0, inner+page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Munmap(mem); err != nil {
			t.Error(err)
		}
	})
	if err := syscall.Mprotect(mem[inner:], syscall.PROT_NONE); err != nil {
		t.Fatal(err)
	}
	return unsafe.Slice((*T)(unsafe.Pointer(&mem[inner-size])), n)
}
