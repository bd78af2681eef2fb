package cpu_test

import (
	"encoding/binary"
	"math"
	"strings"
	"testing"
	"unsafe"

	"mole/device"
	"mole/device/cpu"
	"mole/device/devicetest"
	"mole/tensor"
)

// foreign is memory of some other device.
type foreign struct{}

func (foreign) Bytes() int { return 1 << 20 }

// TestMisuse checks what this device finds out beyond wrong shapes.
func TestMisuse(t *testing.T) {
	d := open(t, cpu.Options{Workers: 1})
	o := operands{d}
	x, y, w, r := o.f32(4, 6), o.f32(4, 6), o.f32(6), o.f32(4)
	freed, imported := o.f32(4, 6), d.Import(tensor.F32, x.Shape, make([]byte, 96))
	d.Free(freed)
	rows := o.of(tensor.I32, tensor.Shape{4})
	d.Write(rows, binary.LittleEndian.AppendUint32(make([]byte, 12), 4))
	other := tensor.Tensor{DType: tensor.F32, Shape: x.Shape, Buffer: foreign{}}
	beyond := x
	beyond.Offset = 1
	var none tensor.Tensor
	tests := []struct {
		name string
		call func()
		want string
	}{
		{"overlap", func() { d.RMSNorm(x, r, x, w, 1) }, "rmsnorm: dst overlaps x"},
		{"half overlap", func() { d.Add(x.Rows(0, 2), x.Rows(1, 3), y.Rows(0, 2)) }, "add: dst overlaps a"},
		{"two results", func() { d.SwiGLUGrad(x, x, y, y, y) }, "swiglu gradient: dgate overlaps dup"},
		{"dx is dy", func() { d.RMSNormGrad(x, x, y, w, r, 1) }, "dx overlaps dy"},
		{"none", func() { d.Add(x, none, y) }, "a is none"},
		{"freed", func() { d.Add(x, freed, y) }, "a was freed"},
		{"foreign", func() { d.Add(x, other, y) }, "a is not of this kind of device"},
		{"free foreign", func() { d.Free(other) }, "not of this kind of device"},
		{"beyond", func() { d.Add(x, beyond, y) }, "a reaches outside its buffer"},
		{"imported", func() { d.Add(imported, x, y) }, "dst is imported memory"},
		{"write imported", func() { d.Write(imported, make([]byte, 96)) }, "dst is imported memory"},
		{"write size", func() { d.Write(x, make([]byte, 95)) }, "write of 95 bytes to F32[4 6], want 96"},
		{"read size", func() { d.Read(make([]byte, 97), x) }, "read of F32[4 6] into 97 bytes, want 96"},
		{"import size", func() { d.Import(tensor.BF16, x.Shape, make([]byte, 96)) }, "96 bytes for BF16[4 6], want 48"},
		{"negative extent", func() { d.Alloc(tensor.F32, tensor.Shape{2, -1}) }, "alloc of F32[2 -1]"},
		{"unknown type", func() { d.Alloc(7, tensor.Shape{2}) }, "alloc of DType(7)[2]"},
		{"row", func() { d.Gather(x, y, rows, none) }, "gather: rows[3] is 4, src has 4 rows"},
		{"added row", func() { d.AddRows(x, y, rows) }, "add rows: rows[3] is 4, dst has 4 rows"},
		{"target", func() { d.CrossEntropy(r, none, x.Reshape(tensor.Shape{6, 4}).Rows(0, 4), rows, none) }, "targets[3] is 4"},
		{"form", func() { d.GELU(x, y, 2) }, "gelu: unknown form 2"},
		{"sign", func() { d.RoPE(o.f32(1, 1, 2), o.f32(1, 1), o.f32(1, 1), 2) }, "sign 2, want 1 or -1"},
		{"step", func() { d.AdamW(o.f32(1), o.f32(1), o.f32(1), o.f32(1), device.AdamW{}) }, "step 0, want 1 or more"},
	}
	for _, tt := range tests {
		if got := devicetest.Panic(tt.call); !strings.Contains(got, tt.want) {
			t.Errorf("%s: got panic %q, want %q in it", tt.name, got, tt.want)
		}
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

// TestSegments checks that attention refuses segments that are no cover of the
// queries, or name keys that are not there or twice.
func TestSegments(t *testing.T) {
	d := open(t, cpu.Options{Workers: 1})
	o := operands{d}
	q, k, dst, lse := o.f32(4, 2, 3), o.f32(6, 1, 3), o.f32(4, 2, 3), o.f32(4, 2)
	past := func(spans ...device.Span) []device.Segment {
		return []device.Segment{{End: 4, Key: 2, Past: spans}}
	}
	tests := []struct {
		name string
		list []device.Segment
		want string // in the panic, "" for none
	}{
		{"whole", []device.Segment{{End: 4}}, ""},
		{"empty past", past(device.Span{}), ""},
		{"touching", past(device.Span{End: 1}, device.Span{Start: 1, End: 2}), ""},
		{"none", nil, "end at query row 0 of 4"},
		{"too short", []device.Segment{{End: 3}}, "end at query row 3 of 4"},
		{"gap", []device.Segment{{End: 1}, {Start: 2, End: 4}}, "segment 1 is"},
		{"backward", []device.Segment{{End: 3}, {Start: 3, End: 1}}, "segment 1 is"},
		{"keys end", []device.Segment{{End: 4, Key: 3}}, "segment 0 is"},
		{"negative key", []device.Segment{{End: 4, Key: -1}}, "segment 0 is"},
		{"past in any order", past(device.Span{Start: 1, End: 2}, device.Span{End: 1}), ""},
		{"begun before", []device.Segment{{End: 4, Key: 2, Before: 2}}, ""},
		{"begun before the keys", []device.Segment{{End: 4, Key: 2, Before: 3}}, "segment 0 is"},
		{"begun later", []device.Segment{{End: 4, Key: 1, Before: -1}}, "segment 0 is"},
		{"past overlaps what was begun", []device.Segment{{End: 4, Key: 2, Before: 1, Past: []device.Span{{End: 2}}}}, "segment 0 is"},
		{"past overlaps own", past(device.Span{End: 3}), "segment 0 is"},
		{"past beyond", []device.Segment{{End: 4, Past: []device.Span{{Start: 5, End: 7}}}}, "segment 0 is"},
		{"past backward", past(device.Span{Start: 1}), "segment 0 is"},
	}
	for _, tt := range tests {
		got := devicetest.Panic(func() { d.Attention(dst, lse, q, k, k, device.Attention{Scale: 1, Segments: tt.list}) })
		if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: got panic %q, want %q in it", tt.name, got, tt.want)
		}
	}
	for _, list := range [][]device.Segment{
		past(device.Span{End: 2}, device.Span{Start: 1, End: 2}), past(device.Span{Start: 1, End: 2}, device.Span{End: 1}),
	} {
		dq, dk, dv, y := o.f32(4, 2, 3), o.f32(6, 1, 3), o.f32(6, 1, 3), o.f32(4, 2, 3)
		got := devicetest.Panic(func() {
			d.AttentionGrad(dq, dk, dv, dst, y, lse, q, k, k, device.Attention{Scale: 1, Segments: list})
		})
		if !strings.Contains(got, "segment 0 is") {
			t.Errorf("gradient of %v: got panic %q", list, got)
		}
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

// TestImport checks that aligned memory is used where it lies and other memory
// is copied, and that Alloc begins at a cache line, as far as a device shows.
func TestImport(t *testing.T) {
	d := open(t, cpu.Options{Workers: 1})
	for shift := range 5 {
		memory := make([]byte, 8+shift)
		base := -int(uintptr(unsafe.Pointer(&memory[0]))) & 3
		if base+shift+4 > len(memory) {
			t.Fatalf("memory at %p is not aligned to 4 bytes", &memory[0])
		}
		data := memory[base+shift:][:4]
		in := d.Import(tensor.F32, tensor.Shape{1}, data)
		binary.LittleEndian.PutUint32(data, math.Float32bits(5))
		got := make([]byte, 4)
		d.Read(got, in)
		aliased := math.Float32frombits(binary.LittleEndian.Uint32(got)) == 5
		if aliased != (shift%4 == 0) {
			t.Errorf("shift %d: data is used in place: %v, want %v", shift, aliased, shift%4 == 0)
		}
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}
