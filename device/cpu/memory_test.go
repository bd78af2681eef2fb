package cpu

import (
	"runtime"
	"testing"
	"unsafe"
	"weak"

	"mole/tensor"
)

// TestAlign checks that memory starts at a cache line.
func TestAlign(t *testing.T) {
	d, err := Open(Options{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	for n := 1; n < 200_000; n = n*2 + 1 {
		x := d.Alloc(tensor.BF16, tensor.Shape{n})
		b := bytesOf(x)
		if at := uintptr(unsafe.Pointer(&b[0])); at%align != 0 || len(b) != 2*n || x.Buffer.Bytes() != 2*n {
			t.Errorf("%d elements: %d bytes at %#x", n, len(b), at)
		}
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

// TestFree checks that nothing holds memory after Free, even that of operands
// of the last operation.
func TestFree(t *testing.T) {
	d, err := Open(Options{Workers: 2})
	if err != nil {
		t.Fatal(err)
	}
	x := d.Alloc(tensor.F32, tensor.Shape{300, 300})
	memory := weak.Make(&bytesOf(x)[0])
	d.Fill(x, 1)
	d.Add(x, x, x)
	d.Free(x)
	runtime.GC()
	if memory.Value() != nil {
		t.Error("memory is still held after Free")
	}
	runtime.KeepAlive(x)
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}
