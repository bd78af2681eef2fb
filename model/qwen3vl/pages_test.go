package qwen3vl

import (
	"math/rand/v2"
	"slices"
	"testing"

	"mole/batch"
	"mole/device"
)

// TestPager checks a pager while sequences of few different tokens come and go.
func TestPager(t *testing.T) {
	p := newPager(40, 4)
	r := rand.New(rand.NewPCG(4, 4))
	var held [][]int32
	for range 3000 {
		if len(held) > 0 && r.IntN(2) == 0 {
			k := r.IntN(len(held))
			(&sequence{pages: held[k]}).release(p)
			held = slices.Delete(held, k, k+1)
		} else if s := begun(p, r); s != nil {
			held = append(held, s)
		}
		checkPager(t, p, held)
	}
}

// begun returns the pages of a new sequence of few different tokens, all of them
// known; nil if there is no room.
func begun(p *pager, r *rand.Rand) []int32 {
	tokens := make([]int32, 4*(1+r.IntN(4)))
	for i := range tokens {
		tokens[i] = int32(r.IntN(2) * (i & 3 / 3))
	}
	s := &sequence{adapter: r.IntN(2), prompt: &batch.Batch{Tokens: tokens}, text: len(tokens)}
	s.pages = p.find(s.adapter, tokens)
	s.published = len(s.pages)
	want := len(tokens)/4 - s.published
	if want > p.available() {
		s.release(p)
		return nil
	}
	s.pages = p.take(s.pages, want)
	s.spans, s.filled = make([]device.Span, len(s.pages)), len(tokens)
	s.publish(p)
	return s.pages
}

// checkPager checks that every page is held as often as sequences hold it, and is
// in one place.
func checkPager(t *testing.T, p *pager, held [][]int32) {
	t.Helper()
	want := make([]page, len(p.pages))
	for _, i := range slices.Concat(held...) {
		want[i].holders++
	}
	idle := 0
	for key, i := range p.known {
		want[i].kept, want[i].prefix = true, key
		if key.parent != noPage {
			want[key.parent].children++
		}
		if want[i].holders == 0 {
			idle++
		}
	}
	for i, g := range p.pages {
		want[i].released = g.released
		free := slices.Contains(p.free, int32(i))
		if g != want[i] || free != (g.holders == 0 && !g.kept) {
			t.Fatalf("page %d: got %+v, want %+v; free %t", i, g, want[i], free)
		}
	}
	if idle != p.idle {
		t.Fatalf("%d pages idle, want %d", p.idle, idle)
	}
}
