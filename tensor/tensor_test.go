package tensor

import (
	"fmt"
	"testing"
)

type bytes int

func (b bytes) Bytes() int { return int(b) }

func TestShape(t *testing.T) {
	tests := []struct {
		s    Shape
		rank int
		len  int
		text string
	}{
		{Shape{}, 0, 1, "[]"},
		{Shape{5}, 1, 5, "[5]"},
		{Shape{2, 3}, 2, 6, "[2 3]"},
		{Shape{1, 1}, 2, 1, "[1 1]"},
		{Shape{2, 3, 4, 5}, 4, 120, "[2 3 4 5]"},
	}
	for _, tt := range tests {
		if tt.s.Rank() != tt.rank || tt.s.Len() != tt.len || tt.s.String() != tt.text {
			t.Errorf("got rank %d, %d elements, %q; want %d, %d, %q", tt.s.Rank(), tt.s.Len(), tt.s, tt.rank, tt.len, tt.text)
		}
	}
}

func TestDType(t *testing.T) {
	for d, want := range map[DType]string{F32: "F32 4", BF16: "BF16 2", I32: "I32 4", 9: "DType(9) 4"} {
		if got := fmt.Sprintf("%v %d", d, d.Size()); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestViews(t *testing.T) {
	x := Tensor{DType: BF16, Shape: Shape{6, 2, 3}, Buffer: bytes(72)}
	r := x.Rows(1, 3)
	if r.Offset != 6 || r.Shape != (Shape{2, 2, 3}) {
		t.Errorf("got offset %d, shape %v", r.Offset, r.Shape)
	}
	if s := r.Rows(1, 2).Reshape(Shape{3, 2}); s.Offset != 12 || s.Shape != (Shape{3, 2}) {
		t.Errorf("got offset %d, shape %v", s.Offset, s.Shape)
	}
	if got := r.String(); got != "BF16[2 2 3]" {
		t.Errorf("got %q", got)
	}
	if zero := (Tensor{}); !zero.IsZero() || zero.String() != "none" || x.IsZero() {
		t.Error("the zero tensor is not told from others")
	}
}

func TestViewsPanic(t *testing.T) {
	x := Tensor{Shape: Shape{6, 2}, Buffer: bytes(48)}
	tests := map[string]func(){
		"below":   func() { x.Rows(-1, 2) },
		"beyond":  func() { x.Rows(0, 7) },
		"empty":   func() { x.Rows(2, 2) },
		"scalar":  func() { x.Reshape(Shape{6, 2}); Tensor{}.Rows(0, 1) },
		"reshape": func() { x.Reshape(Shape{5, 2}) },
	}
	for name, f := range tests {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}
