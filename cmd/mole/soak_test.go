package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mole/base"
	"mole/device/cpu"
	"mole/lora"
	"mole/model/qwen3vl"
	"mole/route/routetest"
)

// soakToken may load and unload adapters.
const soakToken = "the-token-of-the-soak"

// The adapters of a soak: each has two versions, and each version of each signs
// its answers by what it says.
var (
	soakNames = []string{"alpha", "beta", "gamma", "delta"}
	soakSwap  = soakNames[:2] // are swapped by the token's owner; the others by rewriting their files
)

// soak is a server under load.
type soak struct {
	url, root string
	signed    map[string][]string // what each adapter may say: by name, of each version

	mu     sync.Mutex
	status map[int]int
	health []time.Duration
}

// TestSoak asks mole serve for four times what it takes, of real adapters on the
// real network: with clients that read slowly or go away, adapters that are
// swapped all the time and two that are broken. Every answer is one that its
// adapter gives when it is alone, what is too much is refused, and nothing is
// left over.
func TestSoak(t *testing.T) {
	length, pause := 1500*time.Millisecond, 200*time.Millisecond
	if os.Getenv("MOLE_TEST_HEAVY") != "" {
		length, pause = 20*time.Second, time.Second
	}
	state, conf := workplace(t, "run-a")
	if _, err := command(t, new(deployCmd), "--state", state, "--config", conf, "--run-name", "run-a"); err != nil {
		t.Fatal(err)
	}
	s := &soak{root: t.TempDir(), signed: map[string][]string{}, status: map[int]int{}}
	s.prepare(t)
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte(soakToken), 0o600); err != nil {
		t.Fatal(err)
	}
	goroutines, mappings := runtime.NumGoroutine(), mappingsOf(t)
	server := startServe(t, &serveCmd{
		routerFlags: routerFlags{State: state, Config: conf}, AdminTokenFile: token, Watch: pause, MaxQueue: 8, Unsure: "error",
		Timeout: time.Minute, Drain: time.Minute, MaxImageTokens: 16,
		writerFlags: writerFlags{Adapters: s.root, KeyMemory: 64, AdapterMemory: 3, MaxBatch: 6},
	})
	s.url = server.url
	waitRun(t, s.url, "run-a")
	s.learn(t)
	s.run(t, length, pause)
	s.rest(t)
	http.DefaultClient.CloseIdleConnections()
	if err := server.stop(); err != nil {
		t.Error(err)
	}
	wait(t, "goroutines are left over", func() bool { return runtime.NumGoroutine() <= goroutines+2 })
	if now := mappingsOf(t); now > mappings+20 && !racing { // the detector maps memory of its own
		t.Errorf("%d mappings of memory, %d before", now, mappings)
	}
	slices.Sort(s.health)
	t.Logf("statuses %v; /health p50 %v, p99 %v of %d", s.status, s.health[len(s.health)/2], s.health[len(s.health)*99/100], len(s.health))
	if s.status[http.StatusOK] == 0 || s.status[http.StatusServiceUnavailable] == 0 {
		t.Errorf("got statuses %v, want answers and refusals", s.status)
	}
}

// wait waits until something is so.
func wait(t *testing.T, otherwise string, so func() bool) {
	t.Helper()
	for range 1000 {
		if so() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error(otherwise)
}

// mappingsOf returns how many ranges of memory the process has mapped; 0 where
// the system does not tell.
func mappingsOf(t *testing.T) int {
	t.Helper()
	runtime.GC()
	text, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return 0
	}
	return strings.Count(string(text), "\n")
}

// prepare writes two versions of each adapter, the first in place, and two that
// are broken.
func (s *soak) prepare(t *testing.T) {
	t.Helper()
	sites := tinySites(t)
	for i, name := range soakNames {
		for version := range 2 {
			s.write(t, sites, uint64(2*i+version), filepath.Join(s.root, fmt.Sprintf("%s-%d", name, version), "adapter"))
		}
		if !slices.Contains(soakSwap, name) {
			s.write(t, sites, uint64(2*i), filepath.Join(s.root, name, "adapter"))
		}
	}
	for name, file := range map[string]string{"broken": lora.WeightsFile, "senseless": lora.ConfigFile} {
		dir := filepath.Join(s.root, name, "adapter")
		s.write(t, sites, 99, dir)
		if err := os.WriteFile(filepath.Join(dir, file), []byte("{"), 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

// tinySites returns the places that an adapter of the embedded network may have.
func tinySites(t *testing.T) []lora.Site {
	t.Helper()
	b, err := base.Open(t.Context(), base.Tiny)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.Close() }()
	dev, err := cpu.Open(cpu.Options{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = dev.Close() }()
	m, err := qwen3vl.New(dev, b.Config, b.Weights)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	return m.Sites()
}

// write writes an adapter that says something of its own.
func (s *soak) write(t *testing.T, sites []lora.Site, seed uint64, dir string) {
	t.Helper()
	targets, err := lora.Preset("text")
	if err != nil {
		t.Fatal(err)
	}
	a, err := lora.New(lora.Config{Rank: 4, Alpha: 8, Targets: targets, InitWeights: true}, sites, seed)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(seed, 7))
	for _, p := range a.Pairs {
		for i := range p.B {
			p.B[i] = 0.8 * (2*r.Float32() - 1)
		}
	}
	if err := a.Save(dir); err != nil {
		t.Fatal(err)
	}
}

// learn asks each version alone.
func (s *soak) learn(t *testing.T) {
	t.Helper()
	said := map[string]string{}
	for _, name := range soakNames {
		for version := range 2 {
			alone := fmt.Sprintf("%s-%d", name, version)
			status, text := s.ask(t.Context(), t, alone, false)
			if other, ok := said[text]; status != http.StatusOK || text == "" || ok {
				t.Fatalf("%s: got %d and %q, which %q says", alone, status, text, other)
			}
			said[text] = alone
			s.signed[name] = append(s.signed[name], text)
		}
		if slices.Contains(soakSwap, name) {
			s.set(t, name, name+"-0/adapter", http.StatusOK)
		}
	}
	s.status = map[int]int{}
}

// run lets many clients ask for some time.
func (s *soak) run(t *testing.T, length, pause time.Duration) {
	ctx, cancel := context.WithTimeout(t.Context(), length)
	defer cancel()
	var all sync.WaitGroup
	for i := range 32 {
		all.Go(func() { s.client(ctx, t, rand.New(rand.NewPCG(420, uint64(i)))) })
	}
	all.Go(func() { s.swap(ctx, t, pause) })
	all.Go(func() { s.look(ctx, t) })
	all.Wait()
}

// client asks again and again. Some of its requests end early, by its own will.
func (s *soak) client(ctx context.Context, t *testing.T, random *rand.Rand) {
	names := append([]string{"broken", "senseless"}, soakNames...)
	for ctx.Err() == nil {
		name := names[random.IntN(len(names))]
		patience := 30 * time.Second
		if random.IntN(4) == 0 {
			patience = time.Duration(1+random.IntN(200)) * time.Millisecond
		}
		one, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
		status, text := s.ask(one, t, name, random.IntN(8) == 0)
		s.judge(t, name, status, text, one.Err() == nil)
		cancel()
		if status == http.StatusServiceUnavailable {
			time.Sleep(20 * time.Millisecond)
		}
	}
}

// judge checks what a client got.
func (s *soak) judge(t *testing.T, name string, status int, text string, whole bool) {
	s.mu.Lock()
	s.status[status]++
	s.mu.Unlock()
	switch {
	case status == 0 || status == http.StatusServiceUnavailable: // its time was over, or the queue full
	case s.signed[name] == nil:
		t.Errorf("%s: got %d and %q of a broken adapter", name, status, text)
	case status != http.StatusOK:
		t.Errorf("%s: got %d and %q", name, status, text)
	case whole && !slices.Contains(s.signed[name], text):
		t.Errorf("%s: got %q, want one of %q", name, text, s.signed[name])
	case !slices.ContainsFunc(s.signed[name], func(w string) bool { return strings.HasPrefix(w, text) }):
		t.Errorf("%s: got %q, want the beginning of one of %q", name, text, s.signed[name])
	}
}

// soakBody is a request, but for the adapter.
var soakBody = `,"stream":true,"max_tokens":12,"temperature":1.5,"seed":7,"messages":[{"role":"user","content":[{"type":"text","text":"who are you?"},` +
	`{"type":"image_url","image_url":{"url":"data:image/png;base64,` + base64.StdEncoding.EncodeToString(routetest.Picture(1, 7)) + `"}}]}]}`

// ask asks an adapter and returns what it said, as far as it came.
func (s *soak) ask(ctx context.Context, t *testing.T, name string, slow bool) (status int, text string) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/v1/chat/completions", strings.NewReader(`{"model":"`+name+`"`+soakBody))
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	w, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, "" // its time was over
	}
	defer func() { _ = w.Body.Close() }()
	if w.StatusCode != http.StatusOK {
		message, _ := io.ReadAll(w.Body) // the status counts
		if w.StatusCode == http.StatusServiceUnavailable && w.Header.Get("Retry-After") == "" {
			t.Error("503 without Retry-After")
		}
		return w.StatusCode, string(message)
	}
	for lines := bufio.NewScanner(w.Body); lines.Scan(); {
		text += contentOf(lines.Text())
		if slow {
			time.Sleep(20 * time.Millisecond)
		}
	}
	return w.StatusCode, text
}

// contentOf returns the piece of the answer in a line of a stream.
func contentOf(line string) string {
	var c struct {
		Choices []struct {
			Delta struct {
				Content string `json:"content"`
			} `json:"delta"`
		} `json:"choices"`
	}
	data, ok := strings.CutPrefix(line, "data: {")
	if !ok || json.Unmarshal([]byte("{"+data), &c) != nil || len(c.Choices) == 0 {
		return ""
	}
	return c.Choices[0].Delta.Content
}

// swap changes all adapters from one version to the other, again and again.
func (s *soak) swap(ctx context.Context, t *testing.T, pause time.Duration) {
	for i := 1; ctx.Err() == nil; i++ {
		for _, name := range soakNames {
			from := fmt.Sprintf("%s-%d/adapter", name, i%2)
			if slices.Contains(soakSwap, name) {
				s.set(t, name, from, http.StatusOK)
			} else {
				s.rewrite(t, filepath.Join(s.root, from), filepath.Join(s.root, name, "adapter"))
			}
		}
		s.set(t, soakSwap[0], "broken/adapter", http.StatusBadRequest)
		time.Sleep(pause)
	}
}

// set loads an adapter through the server.
func (s *soak) set(t *testing.T, name, dir string, want int) {
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/v1/adapters", strings.NewReader(fmt.Sprintf(`{"name":%q,"dir":%q}`, name, dir)))
	if err != nil {
		t.Error(err)
		return
	}
	r.Header.Set("Authorization", "Bearer "+soakToken)
	w, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Error(err)
		return
	}
	text, _ := io.ReadAll(w.Body) // the status counts
	_ = w.Body.Close()
	if w.StatusCode != want {
		t.Errorf("load %s from %s: got %d and %s, want %d", name, dir, w.StatusCode, text, want)
	}
}

// rewrite puts the weights of one folder in another, in one step.
func (s *soak) rewrite(t *testing.T, from, to string) {
	weights, err := os.ReadFile(filepath.Join(from, lora.WeightsFile))
	temp := filepath.Join(to, ".new")
	if err == nil {
		err = os.WriteFile(temp, weights, 0o666)
	}
	if err == nil {
		err = os.Rename(temp, filepath.Join(to, lora.WeightsFile))
	}
	if err != nil {
		t.Error(err)
	}
}

// look asks for /health.
func (s *soak) look(ctx context.Context, t *testing.T) {
	for ctx.Err() == nil {
		begin := time.Now()
		if a := object(t, http.MethodGet, s.url+"/health", nil); a["status"] != "ok" {
			t.Errorf("health: got %v", a)
		}
		s.health = append(s.health, time.Since(begin))
		time.Sleep(5 * time.Millisecond)
	}
}

// rest waits until the server has nothing to do, and checks that it holds nothing.
func (s *soak) rest(t *testing.T) {
	t.Helper()
	idle := map[string]string{"mole_generate_waiting_requests": "0", "mole_generate_running_requests": "0", "mole_queue_requests": "0", "mole_cache_pages": "0"}
	var got map[string]string
	wait(t, "the server is still at work", func() bool {
		got = s.figures(t, idle)
		return maps.Equal(got, idle)
	})
	if !maps.Equal(got, idle) {
		t.Errorf("got figures %v, want %v", got, idle)
	}
}

// figures returns what /metrics says under the names that want has.
func (s *soak) figures(t *testing.T, want map[string]string) map[string]string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	w, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(w.Body)
	if err = errors.Join(err, w.Body.Close()); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for name := range want {
		if m := regexp.MustCompile(`(?m)^` + name + ` (.*)$`).FindSubmatch(text); m != nil {
			got[name] = string(m[1])
		}
	}
	return got
}
