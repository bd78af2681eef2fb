package device_test

import (
	"testing"

	"mole/device"
	"mole/device/cpu"
	"mole/tensor"
)

// counter counts what is allocated and not freed.
type counter struct {
	device.Accelerator
	live, calls int
}

func (c *counter) Alloc(d tensor.DType, s tensor.Shape) tensor.Tensor {
	c.live++
	c.calls++
	return c.Accelerator.Alloc(d, s)
}

func (c *counter) Free(t tensor.Tensor) {
	c.live--
	c.Accelerator.Free(t)
}

func openArena(t *testing.T) (*counter, *device.Arena) {
	t.Helper()
	d, err := cpu.Open(cpu.Options{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	c := &counter{Accelerator: d}
	return c, device.NewArena(c)
}

// filled writes v to a new tensor of a.
func filled(c *counter, a *device.Arena, v float32, extents ...int) tensor.Tensor {
	x := a.F32(extents...)
	c.Fill(x, v)
	return x
}

func first(c *counter, x tensor.Tensor) [4]byte {
	raw := make([]byte, 4*x.Len())
	c.Read(raw, x)
	return [4]byte(raw)
}

func TestArenaKeepsTensorsApart(t *testing.T) {
	c, a := openArena(t)
	one := filled(c, a, 1, 3, 5)
	small := a.Alloc(tensor.BF16, tensor.Shape{7})
	two := filled(c, a, 2, 1)
	if first(c, one) != [4]byte{0, 0, 0x80, 0x3f} || first(c, two) != [4]byte{0, 0, 0, 0x40} {
		t.Error("tensors overlap")
	}
	for _, x := range []tensor.Tensor{one, small, two} {
		if x.Offset*x.DType.Size()%64 != 0 {
			t.Errorf("offset of %d bytes is not aligned", x.Offset*x.DType.Size())
		}
	}
	if got := a.Peak(); got != 64+64+64 {
		t.Errorf("peak of %d bytes, want 192", got)
	}
}

func TestArenaRelease(t *testing.T) {
	c, a := openArena(t)
	kept := filled(c, a, 1, 4)
	m := a.Mark()
	x := filled(c, a, 2, 4)
	a.Release(m)
	if y := a.F32(4); y.Offset != x.Offset || y.Buffer != x.Buffer {
		t.Error("released memory was not used again")
	}
	if first(c, kept) != [4]byte{0, 0, 0x80, 0x3f} {
		t.Error("release touched what was there before the mark")
	}
}

// TestArenaGrows goes beyond one block, with a mark in the first, and checks
// that the next step needs one block only.
func TestArenaGrows(t *testing.T) {
	c, a := openArena(t)
	const large = 3 << 20
	step := func() {
		a.Reset()
		m := a.Mark()
		filled(c, a, 1, large)
		filled(c, a, 2, large)
		a.Release(m)
		x, y := filled(c, a, 3, large), filled(c, a, 4, 2*large)
		if first(c, x) == first(c, y) {
			t.Error("tensors overlap")
		}
	}
	step()
	if c.live < 2 {
		t.Errorf("%d blocks after the first step, want several", c.live)
	}
	if got := a.Peak(); got != 3*large*4 {
		t.Errorf("peak of %d bytes, want %d", got, 3*large*4)
	}
	step()
	if calls := c.calls; c.live != 1 {
		t.Errorf("%d blocks after a reset, want 1", c.live)
	} else if step(); c.calls != calls {
		t.Error("the third step allocated")
	}
	if a.Free(); c.live != 0 {
		t.Errorf("%d blocks left after Free", c.live)
	}
}
