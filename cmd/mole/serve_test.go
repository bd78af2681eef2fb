package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"mole/route/routetest"
)

// served is a running mole serve.
type served struct {
	url  string
	log  *bytes.Buffer // complete once it was stopped
	stop func() error
}

// startServe starts mole serve on a free port.
func startServe(t *testing.T, c *serveCmd) served {
	t.Helper()
	c.Addr = "127.0.0.1:0"
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	r, w := io.Pipe()
	var log bytes.Buffer
	ended := make(chan error, 1)
	go func() {
		err := c.Run(ctx, w, errorWriter{&log})
		ended <- errors.Join(err, w.Close())
	}()
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatal(err, <-ended)
	}
	return served{strings.TrimSpace(line), &log, func() error {
		cancel()
		return <-ended
	}}
}

// object returns the JSON object that a request is answered with.
func object(t *testing.T, method, url string, body io.Reader) map[string]any {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	w, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	var v map[string]any
	if err := errors.Join(json.NewDecoder(w.Body).Decode(&v), w.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return v
}

// waitRun waits until the server says that it uses the router of a run.
func waitRun(t *testing.T, url, run string) {
	t.Helper()
	for range 1000 {
		if about, ok := object(t, http.MethodGet, url+"/health", nil)["router"].(map[string]any); ok && about["run_name"] == run {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("run %s was never served", run)
}

// TestServe serves before a router is deployed, and notices one.
func TestServe(t *testing.T) {
	state, conf := workplace(t, "run-a", "run-b")
	place := []string{"--state", state, "--config", conf}
	s := startServe(t, &serveCmd{routerFlags: routerFlags{State: state, Config: conf}, writerFlags: writerFlags{RouteOnly: true}, Watch: 10 * time.Millisecond})
	if a := object(t, http.MethodGet, s.url+"/health", nil); a["router"] != nil || a["status"] == "ok" {
		t.Errorf("got %v before anything was deployed", a)
	}
	if _, err := command(t, new(deployCmd), append(place, "--run-name", "run-a")...); err != nil {
		t.Fatal(err)
	}
	waitRun(t, s.url, "run-a")
	body := `{"prompt":"open it","image_b64":"` + base64.StdEncoding.EncodeToString(routetest.Picture(2, 50)) + `"}`
	if a := object(t, http.MethodPost, s.url+"/infer", strings.NewReader(body)); a["adapter"] != "desktop" || a["error"] != nil {
		t.Errorf("got %v", a)
	}
	if err := s.stop(); err != nil {
		t.Error(err)
	}
	if !strings.Contains(s.log.String(), "router opened") {
		t.Errorf("got log %s", s.log)
	}

}

// TestServeHangup makes the server notice a deployment by SIGHUP.
func TestServeHangup(t *testing.T) {
	state, conf := workplace(t, "run-a", "run-b")
	place := []string{"--state", state, "--config", conf}
	if _, err := command(t, new(deployCmd), append(place, "--run-name", "run-a")...); err != nil {
		t.Fatal(err)
	}
	s := startServe(t, &serveCmd{routerFlags: routerFlags{State: state, Config: conf}, writerFlags: writerFlags{RouteOnly: true}, Watch: time.Hour})
	waitRun(t, s.url, "run-a")
	if _, err := command(t, new(deployCmd), append(place, "--run-name", "run-b")...); err != nil {
		t.Fatal(err)
	}
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if err := self.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	waitRun(t, s.url, "run-b")
	if err := s.stop(); err != nil {
		t.Error(err)
	}
}

func TestServeRefuses(t *testing.T) {
	for _, tt := range []struct {
		cmd  serveCmd
		want string
	}{
		{serveCmd{AuthTokenFile: "none"}, "none"},
		{serveCmd{MaxQueue: -1}, "queue of -1"},
		{serveCmd{Addr: "nowhere:port"}, "port"},
	} {
		tt.cmd.State, tt.cmd.Config = t.TempDir(), "config"
		if err := tt.cmd.Run(t.Context(), io.Discard, errorWriter{io.Discard}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got %v, want %q", err, tt.want)
		}
	}
}
