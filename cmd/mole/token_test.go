package main

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestToken makes a token, and serves with its line.
func TestToken(t *testing.T) {
	var line, secret bytes.Buffer
	if err := (&tokenCmd{Name: "alice"}).Run(&line, errorWriter{&secret}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(path, line.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	state, conf := workplace(t, "run-a")
	s := startServe(t, &serveCmd{routerFlags: routerFlags{State: state, Config: conf}, writerFlags: writerFlags{RouteOnly: true}, Watch: time.Hour, AuthTokenFile: path})
	for token, want := range map[string]int{"": 401, "wrong-but-long-enough": 401, strings.TrimSpace(line.String()): 401, strings.TrimSpace(secret.String()): 200} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/metrics", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		w, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Body.Close(); err != nil || w.StatusCode != want {
			t.Errorf("%q: got %d and %v, want %d", token, w.StatusCode, err, want)
		}
	}
	if err := s.stop(); err != nil {
		t.Error(err)
	}
	if err := (&tokenCmd{Name: "a b"}).Run(&line, errorWriter{&secret}); err == nil {
		t.Error("a name with a space: got no error")
	}
}
