package qwen3vl

import (
	"reflect"
	"slices"
	"testing"
)

// TestReleased compares the sizes with the counts of the published files
// (specification qwen3-vl, 2.2 and 11.1).
func TestReleased(t *testing.T) {
	tests := []struct {
		name    string
		tensors int
		billion float64 // parameters
		tied    bool
	}{
		{"2b", 625, 2.13, true}, {"4b", 713, 4.44, true}, {"8b", 750, 8.77, false}, {"32b", 1058, 33.36, false},
	}
	for _, tt := range tests {
		c, err := Released(tt.name)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(c.Tensors()); n != tt.tensors || c.Tied != tt.tied {
			t.Errorf("%s: %d tensors, tied %v, want %d and %v", tt.name, n, c.Tied, tt.tensors, tt.tied)
		}
		if n := float64(c.Parameters()) / 1e9; n < tt.billion-0.006 || n > tt.billion+0.006 {
			t.Errorf("%s: %.3f billion parameters, want %v", tt.name, n, tt.billion)
		}
	}
	if _, err := Released("9b"); err == nil {
		t.Error("9b was accepted")
	}
}

func TestConfigJSON(t *testing.T) {
	for _, name := range Sizes() {
		for _, layers := range [][2]int{{0, 0}, {1, 1}, {2, 4}} {
			c, err := Released(name)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Cut(layers[0], layers[1]); err != nil {
				t.Fatal(err)
			}
			text, err := c.JSON()
			if err != nil {
				t.Fatal(err)
			}
			if got, err := ParseConfig(text); err != nil || !reflect.DeepEqual(got, c) {
				t.Errorf("%s %v: got %+v, %v, want %+v", name, layers, got, err, c)
			}
		}
	}
}

func TestCut(t *testing.T) {
	tests := []struct {
		layers, vision int
		want           []int
		ok             bool
	}{
		{0, 0, []int{5, 11, 17}, true}, {1, 18, []int{5, 11, 17}, true}, {28, 17, []int{0, 1, 2}, true}, {4, 2, []int{0, 1}, true},
		{29, 1, nil, false}, {1, 25, nil, false}, {-1, 1, nil, false},
	}
	for _, tt := range tests {
		c, err := Released("2b")
		if err != nil {
			t.Fatal(err)
		}
		err = c.Cut(tt.layers, tt.vision)
		if (err == nil) != tt.ok || tt.ok && !slices.Equal(c.Vision.DeepStack, tt.want) {
			t.Errorf("%d and %d layers: got %v, %v, want %v", tt.layers, tt.vision, c.Vision.DeepStack, err, tt.want)
		}
	}
}
