package cpu

import (
	"fmt"
	"strings"

	"mole/tensor"
)

// operand is a tensor that an operation was given, and what it must be.
type operand struct {
	name  string
	t     tensor.Tensor
	dtype tensor.DType
	shape tensor.Shape
	rank  int // of shape: an extent of 0 would hide an axis
	role  role
}

// role says what an operation does with an operand.
type role uint8

const (
	reads  role = iota
	shares      // reads, and a result may be the very same tensor
	writes
	absent // an optional operand that was not given
)

// vec, mat and cube return an F32 operand of one, two and three axes.
func vec(name string, t tensor.Tensor, n int) operand {
	return operand{name: name, t: t, shape: tensor.Shape{n}, rank: 1}
}

func mat(name string, t tensor.Tensor, n, c int) operand {
	return operand{name: name, t: t, shape: tensor.Shape{n, c}, rank: 2}
}

func cube(name string, t tensor.Tensor, n, h, d int) operand {
	return operand{name: name, t: t, shape: tensor.Shape{n, h, d}, rank: 3}
}

// like returns an F32 operand of the shape of model, which may be any.
func like(name string, t, model tensor.Tensor) operand {
	return operand{name: name, t: t, shape: model.Shape, rank: model.Shape.Rank()}
}

// of returns o with another element type.
func (o operand) of(d tensor.DType) operand {
	o.dtype = d
	return o
}

// frozen returns o with element type F32 or BF16, whichever it has.
func (o operand) frozen() operand {
	if o.t.DType == tensor.BF16 {
		o.dtype = tensor.BF16
	}
	return o
}

// result returns o as an operand that the operation writes.
func (o operand) result() operand {
	o.role = writes
	return o
}

// shared returns o as an operand that a result may be.
func (o operand) shared() operand {
	o.role = shares
	return o
}

// optional returns o as an operand that may be the zero tensor.
func (o operand) optional() operand {
	if o.t.IsZero() {
		o.role = absent
	}
	return o
}

// check panics, with all operands in the message, unless each has its type and
// shape and memory of this kind of device, and no result overlaps another
// operand.
func (d *Device) check(op string, list ...operand) {
	if d.closed {
		panic("cpu: " + op + " on a closed device")
	}
	for i := range list {
		if list[i].role == absent {
			continue
		}
		if wrong := list[i].wrong(); wrong != "" {
			panic(describe(op, list, list[i].name+" "+wrong))
		}
	}
	if i, j := clash(list); i != j {
		panic(describe(op, list, list[i].name+" overlaps "+list[j].name))
	}
}

// wrong returns what is wrong with o by itself, "" for nothing.
func (o *operand) wrong() string {
	b, ours := o.t.Buffer.(*buffer)
	switch {
	case o.t.IsZero():
		return "is none"
	case !ours:
		return "is not of this kind of device"
	case o.shape.Rank() != o.rank || !positive(o.shape):
		return fmt.Sprintf("is not %d axes of at least 1", o.rank)
	case o.t.DType != o.dtype || o.t.Shape != o.shape:
		return fmt.Sprintf("is not %v%v", o.dtype, o.shape)
	}
	return o.wrongMemory(b)
}

// wrongMemory returns what is wrong with b as the memory of o.
func (o *operand) wrongMemory(b *buffer) string {
	lo, hi := o.span()
	switch {
	case b.bytes == nil:
		return "was freed"
	case lo < 0 || hi > len(b.bytes):
		return "reaches outside its buffer"
	case o.role == writes && b.imported:
		return "is imported memory, which is not written to"
	}
	return ""
}

// clash returns the places in list of a result and of another operand where it
// must not lie, or twice the same number.
func clash(list []operand) (result, other int) {
	for i := range list {
		for j := range list {
			if i != j && list[i].role == writes && list[i].clashes(&list[j]) {
				return i, j
			}
		}
	}
	return 0, 0
}

// clashes reports whether o, a result, lies where p does and must not.
func (o *operand) clashes(p *operand) bool {
	if o.t.Buffer != p.t.Buffer {
		return false
	}
	oLo, oHi := o.span()
	pLo, pHi := p.span()
	if oHi <= pLo || pHi <= oLo {
		return false
	}
	return p.role != shares || oLo != pLo || oHi != pHi
}

// span returns the first byte of o in its buffer and the one after its last.
func (o *operand) span() (lo, hi int) {
	size := o.dtype.Size()
	return o.t.Offset * size, (o.t.Offset + o.t.Len()) * size
}

// describe returns the message of a panic.
func describe(op string, list []operand, wrong string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "cpu: %s: %s:", op, wrong)
	for i, o := range list {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, " %s %s", o.name, o.t.String())
	}
	return b.String()
}
