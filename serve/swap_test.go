package serve

import (
	"net/http"
	"testing"
)

// TestRenderedAgain renders a prompt anew when its adapter was swapped before the
// generator came to it, and gives up when that does not end.
func TestRenderedAgain(t *testing.T) {
	for _, tt := range []struct{ stale, wantRequests, wantStatus int }{
		{0, 1, http.StatusOK}, {1, 2, http.StatusOK}, {swaps, swaps + 1, http.StatusOK}, {99, swaps + 1, http.StatusServiceUnavailable},
	} {
		g := &speaker{pieces: []string{"done"}, stale: tt.stale}
		_, url, _ := start(t, Options{Source: fixed(speaking(t, &fake{answer: sure}, g))})
		ready(t, url)
		status, _, a := post(t, url+"/v1/chat/completions", ask("desktop", nil))
		if status != tt.wantStatus || len(g.requests) != tt.wantRequests {
			t.Errorf("%d changes: got %d and %v after %d requests, want %d after %d", tt.stale, status, a, len(g.requests), tt.wantStatus, tt.wantRequests)
		}
		for _, r := range g.requests {
			if r.Generation != 7 {
				t.Errorf("got generation %d, want 7", r.Generation)
			}
		}
	}
}
