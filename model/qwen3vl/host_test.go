package qwen3vl

import (
	"bytes"
	"testing"
)

func TestElementBytes(t *testing.T) {
	if got, want := elementBytes([]float32{1, -2}), []byte{0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0}; !bytes.Equal(got, want) {
		t.Errorf("got % x, want % x", got, want)
	}
	if got, want := elementBytes([]int32{-1, 258}), []byte{0xff, 0xff, 0xff, 0xff, 2, 1, 0, 0}; !bytes.Equal(got, want) {
		t.Errorf("got % x, want % x", got, want)
	}
	if got := elementBytes[float32](nil); len(got) != 0 {
		t.Errorf("got % x of nothing", got)
	}
	b := []byte{1, 2, 3, 4, 5, 6, 7, 8}
	if swap(b); !bytes.Equal(b, []byte{4, 3, 2, 1, 8, 7, 6, 5}) {
		t.Errorf("got % x, want each four reversed", b)
	}
}
