package cpu

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"unsafe"

	"mole/tensor"
)

// isMapped reports whether the system has memory of the process at an address.
func isMapped(t *testing.T, at uintptr) bool {
	t.Helper()
	text, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var from, to uintptr
		if n, err := fmt.Sscanf(line, "%x-%x", &from, &to); n == 2 && err == nil && from <= at && at < to {
			return true
		}
	}
	return false
}

// TestMapped checks that large memory is zero, goes back to the system at Free
// and at Close, and that freeing twice, or late, is harmless.
func TestMapped(t *testing.T) {
	d, err := Open(Options{Workers: 2})
	if err != nil {
		t.Fatal(err)
	}
	a, b := d.Alloc(tensor.F32, tensor.Shape{8, 1 << 20}), d.Alloc(tensor.F32, tensor.Shape{8, 1 << 20})
	start := func(x tensor.Tensor) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(bytesOf(x)))) }
	first, second := start(a), start(b)
	for i, v := range f32(a) {
		if v != 0 {
			t.Fatalf("element %d: got %v, want 0", i, v)
		}
	}
	d.Fill(b, 1)
	if !isMapped(t, first) || !isMapped(t, second) {
		t.Fatal("large memory is not a mapping")
	}
	d.Free(a.Rows(1, 2))
	d.Free(a)
	if isMapped(t, first) {
		t.Error("memory is mapped after Free")
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if isMapped(t, second) {
		t.Error("memory is mapped after Close")
	}
	d.Free(b)
}
