package cpu

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"unsafe"

	"mole/tensor"
)

// align is the alignment of allocated memory in bytes: a cache line, and the
// widest vector register.
const align = 64

// buffer is a block of host memory, of the device or borrowed by Import.
type buffer struct {
	bytes    []byte // nil once freed
	imported bool   // never written to
	mapped   bool   // of the system, not of the Go heap
}

// Bytes implements [tensor.Buffer].
func (b *buffer) Bytes() int { return len(b.bytes) }

// mapLeast is the size in bytes from which memory is taken from the system, and
// goes back to it at Free. The collector of the Go heap would keep freed blocks
// until the heap has grown to twice what lives, which with blocks of gigabytes
// is what a run takes most.
const mapLeast = 2 << 20

// Alloc implements [device.Device]. The memory starts at a cache line.
func (d *Device) Alloc(t tensor.DType, s tensor.Shape) tensor.Tensor {
	size := d.sizeOf("alloc", t, s)
	if size >= mapLeast {
		if b := d.mapped.alloc(size); b != nil {
			return tensor.Tensor{DType: t, Shape: s, Buffer: b}
		}
	}
	// make clears memory only where the system has not just done so.
	raw := make([]byte, size+align-1)
	pad := -int(uintptr(unsafe.Pointer(unsafe.SliceData(raw)))) & (align - 1)
	return tensor.Tensor{DType: t, Shape: s, Buffer: &buffer{bytes: raw[pad:][:size:size]}}
}

// Import implements [device.Device]. The tensor is data itself if that is
// aligned for its elements, and else a copy.
func (d *Device) Import(t tensor.DType, s tensor.Shape, data []byte) tensor.Tensor {
	if size := d.sizeOf("import", t, s); len(data) != size {
		panic(fmt.Sprintf("cpu: import: %d bytes for %v%v, want %d", len(data), t, s, size))
	}
	if uintptr(unsafe.Pointer(unsafe.SliceData(data)))%uintptr(t.Size()) != 0 {
		c := d.Alloc(t, s)
		b, _ := c.Buffer.(*buffer)
		copy(b.bytes, data)
		b.imported = true
		return c
	}
	return tensor.Tensor{DType: t, Shape: s, Buffer: &buffer{bytes: data, imported: true}}
}

// sizeOf returns the bytes of a new tensor. It panics if there can be none.
func (d *Device) sizeOf(op string, t tensor.DType, s tensor.Shape) int {
	if d.closed {
		panic("cpu: " + op + " on a closed device")
	}
	if t > tensor.I32 || !positive(s) {
		panic(fmt.Sprintf("cpu: %s of %v%v", op, t, s))
	}
	return s.Len() * t.Size()
}

// positive reports whether all extents of s are.
func positive(s tensor.Shape) bool {
	for _, e := range s[:s.Rank()] {
		if e < 1 {
			return false
		}
	}
	return true
}

// Free implements [device.Device]: it lets go of the memory. To free a view
// frees all of its buffer.
func (d *Device) Free(t tensor.Tensor) {
	b, ok := t.Buffer.(*buffer)
	if !ok {
		panic(fmt.Sprintf("cpu: free of %v, which is not of this kind of device", t))
	}
	if b.mapped {
		d.mapped.free(b)
	}
	b.bytes = nil
}

// mappings are the buffers of a device that came from the system. It is safe for
// concurrent use.
type mappings struct {
	mu   sync.Mutex
	live map[*buffer]struct{}
}

// alloc returns a buffer of zeros, or nil if the system gives none.
func (m *mappings) alloc(size int) *buffer {
	data := mapMemory(size)
	if data == nil {
		return nil
	}
	b := &buffer{bytes: data, mapped: true}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.live == nil {
		m.live = map[*buffer]struct{}{}
	}
	m.live[b] = struct{}{}
	return b
}

// free gives the memory of b back, once.
func (m *mappings) free(b *buffer) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.live[b]; ok {
		delete(m.live, b)
		unmapMemory(b.bytes)
		b.bytes = nil
	}
}

// close gives everything back.
func (m *mappings) close() {
	m.mu.Lock()
	live := slices.Collect(maps.Keys(m.live))
	m.mu.Unlock()
	for _, b := range live {
		m.free(b)
	}
}

// Write implements [device.Device].
func (d *Device) Write(dst tensor.Tensor, src []byte) {
	d.check("write", like("dst", dst, dst).of(dst.DType).result())
	to := bytesOf(dst)
	if len(src) != len(to) {
		panic(fmt.Sprintf("cpu: write of %d bytes to %v, want %d", len(src), dst, len(to)))
	}
	copy(to, src)
}

// Read implements [device.Device].
func (d *Device) Read(dst []byte, src tensor.Tensor) {
	d.check("read", like("src", src, src).of(src.DType))
	from := bytesOf(src)
	if len(dst) != len(from) {
		panic(fmt.Sprintf("cpu: read of %v into %d bytes, want %d", src, len(dst), len(from)))
	}
	copy(dst, from)
}

// bytesOf returns the memory of t, which must have been checked.
func bytesOf(t tensor.Tensor) []byte {
	b, _ := t.Buffer.(*buffer)
	size := t.DType.Size()
	return b.bytes[t.Offset*size:][:t.Len()*size]
}

// f32 returns the elements of t, which must have been checked, or nil for the
// zero tensor.
func f32(t tensor.Tensor) []float32 {
	if t.IsZero() {
		return nil
	}
	b := bytesOf(t)
	return unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/4)
}

// bf16 is [f32] for elements in BF16.
func bf16(t tensor.Tensor) []uint16 {
	b := bytesOf(t)
	return unsafe.Slice((*uint16)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/2)
}

// i32 is [f32] for elements in I32.
func i32(t tensor.Tensor) []int32 {
	b := bytesOf(t)
	return unsafe.Slice((*int32)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/4)
}
