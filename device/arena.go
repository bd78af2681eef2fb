package device

import "mole/tensor"

// alignBytes is the alignment of the tensors of an arena: one cache line, and
// the widest vector register.
const alignBytes = 64

// Arena hands out memory for the tensors of one step, and takes all of it back
// at once. It grows by whole blocks, and after the first steps of a run it
// allocates nothing. An Arena is not safe for concurrent use.
type Arena struct {
	device Device
	blocks []tensor.Tensor // F32, one axis
	block  int             // the block in use
	used   int             // elements used of it
	filled int             // bytes handed out before it
	peak   int             // largest number of bytes in use
}

// blockElems is the smallest block, in F32 elements: 16 MiB.
const blockElems = 4 << 20

// NewArena returns an arena without memory.
func NewArena(d Device) *Arena { return &Arena{device: d} }

// Alloc returns a tensor with undefined contents. It lives until the next
// Reset, or the Release of an earlier Mark.
func (a *Arena) Alloc(d tensor.DType, s tensor.Shape) tensor.Tensor {
	bytes := (s.Len()*d.Size() + alignBytes - 1) &^ (alignBytes - 1)
	elems := bytes / tensor.F32.Size()
	a.reserve(elems)
	b := a.blocks[a.block]
	t := tensor.Tensor{DType: d, Shape: s, Buffer: b.Buffer, Offset: (b.Offset + a.used) * tensor.F32.Size() / d.Size()}
	a.used += elems
	a.peak = max(a.peak, a.filled+a.used*tensor.F32.Size())
	return t
}

// reserve makes block the index of a block with room for elems more elements.
func (a *Arena) reserve(elems int) {
	for a.block < len(a.blocks) {
		if a.used+elems <= a.blocks[a.block].Len() {
			return
		}
		a.filled += a.used * tensor.F32.Size()
		a.block++
		a.used = 0
	}
	a.blocks = append(a.blocks, a.device.Alloc(tensor.F32, tensor.Shape{max(elems, a.size(), blockElems)}))
}

// size returns the elements of all blocks together. A new block is as large, so
// that few are needed: at the end of each some memory stays unused. What nobody
// writes to costs nothing where the system gives memory by the page.
func (a *Arena) size() int {
	n := 0
	for _, b := range a.blocks {
		n += b.Len()
	}
	return n
}

// F32 is Alloc of an F32 tensor.
func (a *Arena) F32(extents ...int) tensor.Tensor {
	var s tensor.Shape
	copy(s[:], extents)
	return a.Alloc(tensor.F32, s)
}

// Mark is a point in the life of an arena.
type Mark struct{ block, used, filled int }

// Mark returns the present point, for Release.
func (a *Arena) Mark() Mark { return Mark{a.block, a.used, a.filled} }

// Release takes back all memory handed out since m.
func (a *Arena) Release(m Mark) { a.block, a.used, a.filled = m.block, m.used, m.filled }

// Reset takes back all memory. Blocks are kept; several are replaced by one
// that holds them all.
func (a *Arena) Reset() {
	if len(a.blocks) > 1 {
		elems := a.peak / tensor.F32.Size()
		a.Free()
		a.blocks = []tensor.Tensor{a.device.Alloc(tensor.F32, tensor.Shape{max(elems, blockElems)})}
	}
	a.block, a.used, a.filled = 0, 0, 0
}

// Peak returns the largest number of bytes that were in use at one time.
func (a *Arena) Peak() int { return a.peak }

// Free gives all memory back to the device. The arena may be used again.
func (a *Arena) Free() {
	for _, b := range a.blocks {
		a.device.Free(b)
	}
	a.blocks, a.block, a.used, a.filled = nil, 0, 0, 0
}
