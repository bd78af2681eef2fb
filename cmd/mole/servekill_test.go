package main

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// killable is a server in a process of its own.
type killable struct {
	url     string
	process *os.Process
	ended   chan struct{}
}

// startKillable starts mole serve as a process.
func startKillable(t *testing.T, args ...string) *killable {
	t.Helper()
	c := exec.CommandContext(t.Context(), os.Args[0], append([]string{"serve", "--addr", "127.0.0.1:0", "--watch", "2ms", "--key-memory", "32"}, args...)...)
	c.Env = append(os.Environ(), asProgram+"=1")
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	k := &killable{url: strings.TrimSpace(line), process: c.Process, ended: make(chan struct{})}
	go func() {
		_, _ = io.Copy(io.Discard, out) // until the process is gone
		_ = c.Wait()                    // it was killed
		close(k.ended)
	}()
	return k
}

// kill ends the process at once, if it has not ended, and waits for it.
func (k *killable) kill() {
	_ = k.process.Kill() // it may be gone
	<-k.ended
}

// TestServeKilled kills the server while it changes to another router and another
// adapter: the next start serves what is deployed, whole.
func TestServeKilled(t *testing.T) {
	rounds := 3
	if os.Getenv("MOLE_TEST_HEAVY") != "" {
		rounds = 30
	}
	state, conf := workplace(t, "run-a", "run-b")
	place := []string{"--state", state, "--config", conf}
	adapters := writeVersions(t)
	deployBoth := func(i int) {
		t.Helper()
		for _, args := range [][]string{{"--run-name", []string{"run-a", "run-b"}[i%2]}, {"--expert", "desktop", "--checkpoint", adapters[i%2], "--force"}} {
			if _, err := command(t, new(deployCmd), append(args, place...)...); err != nil {
				t.Fatal(err)
			}
		}
	}
	deployBoth(0)
	says := [2]string{}
	random := rand.New(rand.NewPCG(1, 2))
	for i := range rounds + 2 {
		k := startKillable(t, place...)
		run := []string{"run-a", "run-b"}[i%2]
		waitRun(t, k.url, run)
		s := &soak{url: k.url}
		status, text := s.ask(t.Context(), t, "desktop", false)
		if status != http.StatusOK || says[i%2] != "" && text != says[i%2] || text == says[1-i%2] {
			t.Fatalf("start %d: got %d and %q, want what version %d says: %q", i, status, text, i%2, says)
		}
		says[i%2] = text
		go func() { // the server is killed in the middle of what this brings about, or a little later
			time.Sleep(time.Duration(random.IntN(30)) * time.Millisecond)
			_ = k.process.Kill() // or below
		}()
		deployBoth(i + 1)
		k.kill()
	}
}

// writeVersions writes two adapters that say different things.
func writeVersions(t *testing.T) (dirs [2]string) {
	t.Helper()
	sites := tinySites(t)
	for i := range dirs {
		dirs[i] = filepath.Join(t.TempDir(), fmt.Sprint(i))
		new(soak).write(t, sites, uint64(i), dirs[i])
	}
	return dirs
}
