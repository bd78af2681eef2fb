package devicetest

import (
	"bytes"
	"fmt"
	"strings"

	"mole/device"
	"mole/tensor"
)

// checkMemory checks what goes in and out: every type, views, and imports from
// memory that is aligned to nothing.
func checkMemory(x *trial) {
	if x.dev.Name() == "" {
		x.t.Error("the device has no name")
	}
	for _, d := range []tensor.DType{tensor.F32, tensor.BF16, tensor.I32} {
		for _, s := range []tensor.Shape{{1}, {3, 5}, {2, 3, 7}, {2, 1, 3, 33}} {
			x.memory(d, s)
		}
	}
}

// memory checks Alloc, Write, Read, Rows, Import and Free for one type and
// shape.
func (x *trial) memory(d tensor.DType, s tensor.Shape) {
	x.try("%v%v", d, s)
	want := make([]byte, s.Len()*d.Size())
	for i := range want {
		want[i] = byte(x.rng.Uint32())
	}
	a := x.dev.Alloc(d, s)
	x.dev.Write(a, want)
	x.holds("write", a, want)
	if s[0] > 1 {
		x.holds("rows", a.Rows(1, s[0]), want[len(want)/s[0]:])
		x.dev.Write(a.Rows(0, 1), want[len(want)/s[0]:][:len(want)/s[0]])
		x.holds("rows, written", a, append(bytes.Clone(want[len(want)/s[0]:][:len(want)/s[0]]), want[len(want)/s[0]:]...))
	}
	x.dev.Free(a)
	for shift := range 4 {
		memory := append(make([]byte, shift, shift+len(want)), want...)
		in := x.dev.Import(d, s, memory[shift:])
		x.holds(fmt.Sprintf("import at %d", shift), in, want)
		x.dev.Free(in)
	}
}

// holds checks the contents of t.
func (x *trial) holds(what string, t tensor.Tensor, want []byte) {
	x.t.Helper()
	got := make([]byte, len(want))
	x.dev.Read(got, t)
	if !bytes.Equal(got, want) {
		x.t.Errorf("%s: %s: got % x, want % x", x.label, what, got, want)
	}
}

// checkArena runs a small chain of operations in an arena: what is handed out
// must not overlap, and what is released must be usable again.
func checkArena(x *trial) {
	a := device.NewArena(x.dev)
	for step := range 3 {
		x.try("step %d", step)
		mark := a.Mark()
		for range 2 {
			first, ids, last := a.F32(5, 7), a.Alloc(tensor.I32, tensor.Shape{3}), a.F32(3, 7)
			half := a.Alloc(tensor.BF16, tensor.Shape{9, 7})
			x.dev.Fill(first, 2)
			x.dev.Fill(last, 3)
			x.dev.Write(ids, make([]byte, 12))
			x.dev.Write(half, make([]byte, 126))
			x.dev.Gather(last, half, ids, tensor.Tensor{})
			x.dev.Add(first, first, first)
			x.holds("sum", first, bytes.Repeat([]byte{0, 0, 0x80, 0x40}, 35)) // 4
			x.holds("rows of zeros", last, make([]byte, 84))
			a.Release(mark)
		}
		a.Reset()
	}
	a.Free()
}

// misuse is a call with one wrong shape. alloc makes its operands.
type misuse struct {
	name string
	call func(d device.Accelerator, alloc func(extents ...int) tensor.Tensor)
}

// checkMisuse checks that a wrong shape panics at once, and that the message
// holds every operand.
func checkMisuse(x *trial) {
	x.try("wrong shapes")
	for _, m := range misuses {
		var operands []tensor.Tensor
		alloc := func(extents ...int) tensor.Tensor {
			t := x.dev.Alloc(tensor.F32, shapeOf(extents))
			operands = append(operands, t)
			return t
		}
		message := Panic(func() { m.call(x.dev, alloc) })
		if message == "" {
			x.t.Errorf("%s: no panic for %v", m.name, operands)
		}
		for _, t := range operands {
			if message != "" && !strings.Contains(message, t.String()) {
				x.t.Errorf("%s: panic %q, which does not name %v", m.name, message, t)
			}
			x.dev.Free(t)
		}
	}
}

// Panic returns what f panics with, as text, "" for nothing.
func Panic(f func()) (message string) {
	defer func() {
		if v := recover(); v != nil {
			message = fmt.Sprint(v)
		}
	}()
	f()
	return ""
}
