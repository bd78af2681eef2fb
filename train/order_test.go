package train

import (
	"fmt"
	"slices"
	"testing"
)

// TestGroups puts the members of a group together in every epoch, and loses none.
func TestGroups(t *testing.T) {
	const n, epochs = 23, 4
	o := &order{seed: 5, n: n, group: func(i int) int { return 7 * (i % 6) }}
	seen := map[string]bool{}
	for epoch := range epochs {
		var perm, groups []int
		for i := range n {
			at := o.at(epoch*n + i)
			perm, groups = append(perm, at), append(groups, o.group(at))
		}
		seen[fmt.Sprint(perm)] = true
		if got := len(slices.Compact(groups)); got != 6 {
			t.Errorf("epoch %d: %d runs of one group, want 6: %v", epoch, got, perm)
		}
		slices.Sort(perm)
		if len(slices.Compact(perm)) != n || perm[0] != 0 {
			t.Errorf("epoch %d: not every example once: %v", epoch, perm)
		}
	}
	if len(seen) != epochs {
		t.Errorf("got %d different orders, want %d", len(seen), epochs)
	}
}

// TestGroupsOfOne compares groups of one with no groups: the same sets in each
// epoch, and the same order for the same seed.
func TestGroupsOfOne(t *testing.T) {
	a := &order{seed: 5, n: 9, group: func(i int) int { return i }}
	b := &order{seed: 5, n: 9, group: func(i int) int { return i }}
	for i := range 27 {
		if x, y := a.at(i), b.at(i); x != y {
			t.Errorf("position %d: got %d and %d", i, x, y)
		}
	}
}
