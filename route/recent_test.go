package route_test

import (
	"slices"
	"sync"
	"testing"

	"mole/route"
	"mole/route/routetest"
	"mole/router"
)

// TestRecent routes pictures again, with room for all of them, for one, and for
// none: the answers are the same.
func TestRecent(t *testing.T) {
	for _, rung := range []router.Rung{router.LoRA, router.Linear} {
		b := routetest.Bundle(t, rung)
		want := open(t, b, route.Options{Recent: -1})
		for _, tt := range []struct {
			name  string
			bytes int64
			known []bool // of pictures 0, 1, 1, 0
		}{
			{"all", 0, []bool{false, false, true, true}},
			{"one", 600_000, []bool{false, false, true, false}},
			{"none", -1, []bool{false, false, false, false}},
		} {
			t.Run(string(rung)+" "+tt.name, func(t *testing.T) {
				got := open(t, b, route.Options{Recent: tt.bytes})
				for i, k := range []int{0, 1, 1, 0} {
					file := routetest.Picture(k, 3)
					a, other := answer(t, got, file), answer(t, want, file)
					if a.Known != tt.known[i] || other.Known || !slices.Equal(a.Probs, other.Probs) || a.Distance != other.Distance || a.Image != other.Image {
						t.Errorf("picture %d: got %+v, known %v, want %+v, known %v", i, a, a.Known, other.Decision, tt.known[i])
					}
				}
			})
		}
	}
}

// TestRecentTogether routes one picture from many sides at the same time.
func TestRecentTogether(t *testing.T) {
	r := open(t, routetest.Bundle(t, router.Linear), route.Options{Networks: 2})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 4 {
				if a, err := r.Route(t.Context(), routetest.Picture(1, 3), ""); err != nil || a.Expert == "" {
					t.Errorf("got %+v, %v", a, err)
				}
			}
		})
	}
	all.Wait()
}
