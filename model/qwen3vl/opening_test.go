package qwen3vl

import (
	"slices"
	"testing"

	"mole/batch"
	"mole/device/cpu"
	"mole/internal/kernel"
)

// answersOf returns what n says at the ends of b.
func answersOf(t *testing.T, n *Net, b *batch.Batch) Outputs {
	t.Helper()
	o, err := n.Outputs(b, b.Ends)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// beginning is a batch and how many of its first tokens are not computed again
// after the one before it.
type beginning struct {
	batch *batch.Batch
	known int
}

// beginnings returns batches that begin alike and differently.
func beginnings(t *testing.T, m *Model) []beginning {
	c := m.Config()
	long, other := make([]int32, 40), make([]int32, 17)
	for i := range long {
		long[i] = int32(3 + i%9)
	}
	for i := range other {
		other[i] = int32(4 + i%7)
	}
	one, two := picture(c, 4, 6, 1), picture(c, 6, 4, 2)
	return []beginning{
		{share(t, m, example(c, 1, long, one, 14)), 0},
		{share(t, m, example(c, 1, long, two, 15, 16)), 42},
		{share(t, m, example(c, 1, long, one, 14), example(c, 1, long, two, 9), example(c, 1, long, two, 9, 4)), 42},
		{share(t, m, example(c, 1, other, one, 14)), 0},
		{share(t, m, example(c, 1, other, one, 14)), 19},
		{share(t, m, example(c, 1, long, one, 14), example(c, 2, other, one, 14)), 0}, // nothing in common
		{share(t, m, example(c, 1, other, 14)), 0},                                    // no picture
		{share(t, m, example(c, 5, 6, one, 14)), 0},                                   // too short
		{share(t, m, example(c, 1, other, one)), 19},
		{pack(t, m, example(c, 1, other, one, 14)), 0},
	}
}

// TestRemember compares passes that leave out what they begin with to passes
// that do not: to the bit, on every tier.
func TestRemember(t *testing.T) {
	for _, tier := range kernel.Tiers() {
		t.Run(tier.String(), func(t *testing.T) {
			m := newModel(t, cpu.Options{Tier: tier.String(), Workers: 2}, noise(31))
			plain, clever := newNet(t, m, "full"), newNet(t, m, "full")
			clever.Remember()
			for i, step := range beginnings(t, m) {
				b := step.batch
				known := clever.common(b, slices.Sorted(slices.Values(b.Ends)))
				if !slices.Equal(clever.opening.tokens, b.Tokens[:known]) {
					known = 0
				}
				if known != step.known {
					t.Errorf("batch %d: %d tokens are known, want %d", i, known, step.known)
				}
				want, got := answersOf(t, plain, b), answersOf(t, clever, b)
				if !slices.Equal(got.Logits, want.Logits) || !slices.Equal(got.Hidden, want.Hidden) {
					t.Errorf("batch %d: outputs differ from those of a whole pass", i)
				}
			}
		})
	}
}

// TestRememberTrace checks that passes that want every row compute every row.
func TestRememberTrace(t *testing.T) {
	m := newModel(t, cpu.Options{}, noise(32))
	n := newNet(t, m, "text")
	n.Remember()
	b := share(t, m, example(m.Config(), 1, slices.Repeat([]int32{7}, 20), picture(m.Config(), 4, 6, 1), 14))
	for range 2 {
		want := answersOf(t, n, b)
		all, err := n.Logits(b, nil)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "the last of all rows", all[len(all)-m.Config().Text.Vocab:], want.Logits)
	}
}
