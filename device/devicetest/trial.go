package devicetest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"

	"mole/device"
	"mole/tensor"
)

// trial runs one check on one device.
type trial struct {
	t     *testing.T
	dev   device.Accelerator
	rng   *rand.Rand
	check string // its name
	label string // of the configuration that is being tried
	count int    // of the results that were expected so far

	live      []*array // since the last settle
	recording bool     // keep results rather than compare them
	results   []result
}

// result is what an operation wrote.
type result struct {
	name  string
	bytes []byte
}

// array is a tensor that lies somewhere in a larger one, with the values it
// was given. The elements around it are NaN, so that an operation that reads
// them shows it.
type array struct {
	tensor.Tensor
	name    string
	values  []float64
	whole   tensor.Tensor
	bytes   []byte // of whole, as written
	start   int    // of the tensor in bytes
	changes bool   // an operation may write to it
}

// nan is repeated to fill memory: a NaN in F32 and BF16, and as I32 the number
// of no row.
var nan = []byte{0xa5, 0x7f}

// guard is the largest number of elements before and after an array. It makes
// every position in a cache line possible.
const guard = 19

// place allocates an array. content is nil for undefined contents.
func (x *trial) place(name string, d tensor.DType, s tensor.Shape, content []byte) *array {
	before, after := x.rng.IntN(guard), 1+x.rng.IntN(guard)
	whole := x.dev.Alloc(d, tensor.Shape{before + s.Len() + after})
	a := &array{
		Tensor: tensor.Tensor{DType: d, Shape: s, Buffer: whole.Buffer, Offset: whole.Offset + before},
		name:   name, whole: whole, start: before * d.Size(),
		bytes:   bytes.Repeat(nan, whole.Len()*d.Size()/len(nan)),
		changes: content == nil,
	}
	copy(a.bytes[a.start:], content)
	x.dev.Write(whole, a.bytes)
	x.live = append(x.live, a)
	return a
}

// source returns an F32 array with these values, rounded. No operation may
// change it.
func (x *trial) source(name string, values []float64, extents ...int) *array {
	a := x.place(name, tensor.F32, shapeOf(extents), encodeF32(values))
	a.values = decodeF32(a.bytes[a.start:][:4*len(values)])
	return a
}

// normal returns a source with values of the standard normal distribution.
func (x *trial) normal(name string, extents ...int) *array {
	return x.source(name, x.draw(shapeOf(extents).Len()), extents...)
}

// inout is normal for an array that an operation reads and writes.
func (x *trial) inout(name string, extents ...int) *array {
	a := x.normal(name, extents...)
	a.changes = true
	return a
}

// empty returns an F32 array of undefined contents, for an operation to write.
func (x *trial) empty(name string, extents ...int) *array {
	return x.place(name, tensor.F32, shapeOf(extents), nil)
}

// frozen is normal with elements of type d, F32 or BF16.
func (x *trial) frozen(name string, d tensor.DType, extents ...int) *array {
	if d == tensor.F32 {
		return x.normal(name, extents...)
	}
	values := x.draw(shapeOf(extents).Len())
	for i, v := range values {
		values[i] = roundBF16(v)
	}
	a := x.place(name, d, shapeOf(extents), encodeBF16(values))
	a.values = values
	return a
}

// ints returns an I32 source.
func (x *trial) ints(name string, values []int32, extents ...int) *array {
	b := make([]byte, 0, 4*len(values))
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, uint32(v))
	}
	return x.place(name, tensor.I32, shapeOf(extents), b)
}

// draw returns n values of the standard normal distribution.
func (x *trial) draw(n int) []float64 {
	values := make([]float64, n)
	for i := range values {
		values[i] = x.rng.NormFloat64()
	}
	return values
}

// read returns the present values of an F32 array.
func (x *trial) read(a *array) []float64 {
	b := make([]byte, 4*a.Len())
	x.dev.Read(b, a.Tensor)
	return decodeF32(b)
}

// references holds the bounds of the n-th result of each check. A check draws the
// same numbers on every device, so they are computed once only.
var references = struct {
	sync.Mutex
	bounds map[reference][]bound
}{bounds: map[reference][]bound{}}

type reference struct {
	check string
	n     int
}

// bounds returns what want returns, or what it returned on an earlier device.
func (x *trial) bounds(want func() []bound) []bound {
	references.Lock()
	defer references.Unlock()
	key := reference{x.check, x.count}
	x.count++
	if _, ok := references.bounds[key]; !ok {
		references.bounds[key] = want()
	}
	return references.bounds[key]
}

// expect compares the present values of an F32 array with what want returns,
// one bound per element. want must depend on nothing but the drawn numbers.
func (x *trial) expect(a *array, want func() []bound) {
	x.t.Helper()
	if x.recording {
		b := make([]byte, 4*a.Len())
		x.dev.Read(b, a.Tensor)
		x.results = append(x.results, result{x.label + ": " + a.name, b})
		return
	}
	x.compare(a, x.bounds(want))
}

// compare compares the present values of an F32 array with bounds.
func (x *trial) compare(a *array, bounds []bound) {
	x.t.Helper()
	got := x.read(a)
	if len(got) != len(bounds) {
		x.t.Fatalf("%s: %s: %d bounds for %v", x.label, a.name, len(bounds), a.Tensor)
	}
	wrong := 0
	for i, b := range bounds {
		if !(math.Abs(got[i]-b.want) <= b.tol) { // true for NaN
			if wrong == 0 {
				x.t.Errorf("%s: %s %v [%d]: got %v, want %v ± %.1e", x.label, a.name, a.Tensor, i, got[i], b.want, b.tol)
			}
			wrong++
		}
	}
	if wrong > 1 {
		x.t.Errorf("%s: %s %v: %d of %d elements wrong", x.label, a.name, a.Tensor, wrong, len(bounds))
	}
}

// settle ends a configuration: it checks what no operation may have written to
// and frees everything.
func (x *trial) settle() {
	x.t.Helper()
	for _, a := range x.live {
		now := make([]byte, len(a.bytes))
		x.dev.Read(now, a.whole)
		end := a.start + a.Len()*a.DType.Size()
		if !bytes.Equal(now[:a.start], a.bytes[:a.start]) || !bytes.Equal(now[end:], a.bytes[end:]) {
			x.t.Errorf("%s: elements around %s %v were written to", x.label, a.name, a.Tensor)
		}
		if !a.changes && !bytes.Equal(now[a.start:end], a.bytes[a.start:end]) {
			x.t.Errorf("%s: source %s %v was written to", x.label, a.name, a.Tensor)
		}
		x.dev.Free(a.whole)
	}
	x.live = nil
	if err := x.dev.Sync(); err != nil {
		x.t.Errorf("%s: sync: %v", x.label, err)
	}
}

// sizes returns list or, where results are compared with another device's and
// no reference has to be computed, its last element and large ones: enough work
// for many workers.
func sizes[S any](x *trial, list []S, large ...S) []S {
	if x.recording {
		return append(large, list[len(list)-1])
	}
	return list
}

// try names a configuration; it ends the one before.
func (x *trial) try(format string, args ...any) {
	x.t.Helper()
	x.settle()
	x.label = fmt.Sprintf(format, args...)
}

func shapeOf(extents []int) tensor.Shape {
	var s tensor.Shape
	copy(s[:], extents)
	return s
}

func encodeF32(values []float64) []byte {
	b := make([]byte, 0, 4*len(values))
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(v)))
	}
	return b
}

func decodeF32(b []byte) []float64 {
	values := make([]float64, len(b)/4)
	for i := range values {
		values[i] = float64(math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:])))
	}
	return values
}

// encodeBF16 needs values that BF16 can hold.
func encodeBF16(values []float64) []byte {
	b := make([]byte, 0, 2*len(values))
	for _, v := range values {
		b = binary.LittleEndian.AppendUint16(b, uint16(math.Float32bits(float32(v))>>16))
	}
	return b
}

// roundBF16 returns the normal number with 8 significant bits that is nearest
// to v, the even one of two.
func roundBF16(v float64) float64 {
	fraction, exponent := math.Frexp(float64(float32(v)))
	return math.Ldexp(math.RoundToEven(math.Ldexp(fraction, 8)), exponent-8)
}
