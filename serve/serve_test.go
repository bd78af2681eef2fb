package serve

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mole/route"
	"mole/route/routetest"
	"mole/router"
	"mole/vision"
)

var _ Router = (*route.Router)(nil)

// fake is a router that says what it is told.
type fake struct {
	answer route.Answer
	err    error
	hold   chan struct{} // if not nil, Route waits for it
	users  atomic.Int32
	closed atomic.Bool
}

func (f *fake) Route(ctx context.Context, image []byte, _ string) (route.Answer, error) {
	f.users.Add(1)
	defer f.users.Add(-1)
	if f.closed.Load() {
		return route.Answer{}, route.ErrClosed
	}
	if f.hold != nil {
		select {
		case <-f.hold:
		case <-ctx.Done():
			return route.Answer{}, ctx.Err()
		}
	}
	if string(image) == "panic" {
		panic("secret of the router")
	}
	return f.answer, f.err
}

func (f *fake) Check(context.Context, []byte) (time.Duration, error) { return time.Millisecond, nil }

func (f *fake) Vision() vision.Options { return vision.DefaultOptions() }

func (f *fake) Close() error {
	if f.users.Load() > 0 {
		return errors.New("closed while in use")
	}
	f.closed.Store(true)
	return nil
}

// sure is a decision for desktop.
var sure = route.Answer{Decision: router.Decision{Expert: "desktop", Label: 3, Probs: []float64{0.1, 0.1, 0.8}, Confidence: 0.8, Distance: 1}}

// deployment serves f.
func deployment(version string, f Router) *Deployment {
	return &Deployment{
		Version: version, Router: f, Experts: routetest.Experts(), Adapters: []string{"calendar"},
		About: About{Run: "run-" + version, Rung: "linear", Model: "tiny"},
	}
}

// fixed is a source of one deployment.
func fixed(d *Deployment) Source {
	return func(_ context.Context, have string) (*Deployment, error) {
		if have == d.Version {
			return nil, nil
		}
		return d, nil
	}
}

// start runs a server and returns its address. It ends with the test.
func start(t *testing.T, o Options) (s *Server, url string, stop func() error) {
	t.Helper()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, l) }()
	stop = sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	return s, "http://" + l.Addr().String(), stop
}

// ready waits until /health says ok.
func ready(t *testing.T, url string) {
	t.Helper()
	until(t, "the server is ready", func() bool {
		status, _, _ := get(t, url+"/health")
		return status == http.StatusOK
	})
}

// until waits for a condition.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

func get(t *testing.T, url string) (int, http.Header, map[string]any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return do(t, r)
}

func post(t *testing.T, url string, body any) (int, http.Header, map[string]any) {
	t.Helper()
	return object(t, send(t, url, body))
}

// send returns the answer to a request; its body is the caller's to close.
func send(t *testing.T, url string, body any) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(jsonOf(t, body)))
	if err != nil {
		t.Fatal(err)
	}
	w, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// jsonOf returns a text as it is, and anything else as JSON.
func jsonOf(t *testing.T, v any) string {
	t.Helper()
	if text, ok := v.(string); ok {
		return text
	}
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// do returns status, headers, and the JSON object of the answer, if it is one.
func do(t *testing.T, r *http.Request) (int, http.Header, map[string]any) {
	t.Helper()
	w, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	return object(t, w)
}

// object is do for an answer that is there.
func object(t *testing.T, w *http.Response) (int, http.Header, map[string]any) {
	t.Helper()
	text, err := io.ReadAll(w.Body)
	if err = errors.Join(err, w.Body.Close()); err != nil {
		t.Fatal(err)
	}
	var v map[string]any
	if strings.HasPrefix(w.Header.Get("Content-Type"), "application/json") {
		if err := json.Unmarshal(text, &v); err != nil {
			t.Fatal(err)
		}
	}
	return w.StatusCode, w.Header, v
}

func b64(data []byte) string { return base64.StdEncoding.EncodeToString(data) }

func TestQueue(t *testing.T) {
	f := &fake{answer: sure, hold: make(chan struct{})}
	_, url, _ := start(t, Options{Source: fixed(deployment("1", f)), MaxQueue: 2})
	ready(t, url)
	body := map[string]any{"image_b64": "AAAA", "prompt": "x"}
	var group sync.WaitGroup
	for range 2 {
		group.Go(func() {
			if status, _, a := post(t, url+"/infer", body); status != http.StatusOK {
				t.Errorf("got %d and %v, want 200", status, a)
			}
		})
	}
	until(t, "both are at work", func() bool { return f.users.Load() == 2 })
	status, h, a := post(t, url+"/infer", body)
	if status != http.StatusServiceUnavailable || h.Get("Retry-After") != "1" || !strings.Contains(a["error"].(string), "queue is full") {
		t.Errorf("got %d and %v, want 503 and Retry-After", status, a)
	}
	close(f.hold)
	group.Wait()
}

func TestTimeout(t *testing.T) {
	f := &fake{hold: make(chan struct{})}
	_, url, _ := start(t, Options{Source: fixed(deployment("1", f)), Timeout: 20 * time.Millisecond})
	ready(t, url)
	status, _, a := post(t, url+"/infer", map[string]any{"image_b64": "AAAA", "prompt": "x"})
	if status != http.StatusServiceUnavailable || a["error"] != "no answer within 20ms" {
		t.Errorf("got %d and %v", status, a)
	}
}

// TestLoading checks what is answered before the router is open.
func TestLoading(t *testing.T) {
	opened := make(chan *Deployment)
	_, url, _ := start(t, Options{Version: "v1", Watch: time.Hour, Source: func(ctx context.Context, _ string) (*Deployment, error) {
		select {
		case d := <-opened:
			return d, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}})
	status, _, a := get(t, url+"/health")
	if status != http.StatusServiceUnavailable {
		t.Errorf("health: got %d, want 503", status)
	}
	wantFields(t, a, map[string]any{"status": "loading", "router": nil, "problem": nil, "version": "v1"})
	for _, path := range []string{"/infer", "/infer_web", "/"} {
		if status, h, _ := post(t, url+path, "{}"); status != http.StatusServiceUnavailable || h.Get("Retry-After") == "" {
			t.Errorf("%s: got %d, want 503", path, status)
		}
	}
	if status, _, _ := get(t, url+"/experts"); status != http.StatusServiceUnavailable {
		t.Errorf("experts: got %d, want 503", status)
	}
	opened <- deployment("1", &fake{answer: sure})
	ready(t, url)
	_, _, a = get(t, url+"/health")
	wantFields(t, a, map[string]any{"status": "ok", "loaded": []string{"calendar"}, "problem": nil})
	about, _ := a["router"].(map[string]any)
	wantFields(t, about, map[string]any{"run_name": "run-1", "model": "tiny", "rung": "linear"})
	_, _, a = get(t, url+"/experts")
	list, _ := a["experts"].([]any)
	if len(list) != 3 || fmt.Sprint(list[1]) != "map[description:a strip of text kind:ocr label:2 loaded:false name:ocr]" {
		t.Errorf("got %v", list)
	}
}

// TestSwap changes the router under load: no request is dropped, every answer
// comes from a router that is open, and old ones are closed (scenario 13).
func TestSwap(t *testing.T) {
	var mu sync.Mutex
	version, routers := 0, []*fake{}
	source := func(_ context.Context, have string) (*Deployment, error) {
		mu.Lock()
		defer mu.Unlock()
		if have == fmt.Sprint(version) {
			return nil, nil
		}
		f := &fake{answer: sure}
		routers = append(routers, f)
		return deployment(fmt.Sprint(version), f), nil
	}
	s, url, stop := start(t, Options{Source: source, Watch: -1, MaxQueue: 100})
	ready(t, url)
	end := make(chan struct{})
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() { askUntil(t, url, end) })
	}
	for i := 1; i <= 20; i++ {
		mu.Lock()
		version = i
		mu.Unlock()
		s.Reload()
		until(t, "the router is another one", func() bool { return s.now.version() == fmt.Sprint(i) })
	}
	close(end)
	group.Wait()
	if err := stop(); err != nil {
		t.Error(err)
	}
	for i, f := range routers {
		if !f.closed.Load() {
			t.Errorf("router %d is not closed", i)
		}
	}
	if len(routers) != 21 {
		t.Errorf("got %d routers, want 21", len(routers))
	}
}

// askUntil sends requests, all of which have to be answered.
func askUntil(t *testing.T, url string, end chan struct{}) {
	for {
		select {
		case <-end:
			return
		default:
		}
		if status, _, a := post(t, url+"/infer", map[string]any{"image_b64": "AAAA", "prompt": "x"}); status != http.StatusOK {
			t.Errorf("got %d and %v, want 200", status, a)
			return
		}
	}
}

// TestBroken checks that a router that does not open changes nothing but
// /health.
func TestBroken(t *testing.T) {
	var problem atomic.Pointer[error]
	opens := &fake{answer: sure}
	source := func(_ context.Context, have string) (*Deployment, error) {
		if e := problem.Load(); e != nil {
			if *e == nil {
				panic("broken")
			}
			return nil, *e
		}
		if have != "" {
			return nil, nil
		}
		return deployment("1", opens), nil
	}
	first, none := errors.New("bundle.json: version 9, want 1"), error(nil)
	problem.Store(&first)
	s, url, _ := start(t, Options{Source: source, Watch: -1})
	until(t, "the problem shows", func() bool {
		status, _, a := get(t, url+"/health")
		return status == http.StatusServiceUnavailable && a["status"] == "error" && a["problem"] == first.Error()
	})
	problem.Store(nil)
	s.Reload()
	ready(t, url)
	problem.Store(&none)
	s.Reload()
	until(t, "the panic shows", func() bool {
		status, _, a := get(t, url+"/health")
		return status == http.StatusOK && a["status"] == "ok" && a["problem"] == "panic: broken"
	})
	if status, _, _ := post(t, url+"/infer", map[string]any{"image_b64": "AAAA", "prompt": "x"}); status != http.StatusOK {
		t.Errorf("got %d, want that the old router answers", status)
	}
	problem.Store(nil)
	s.Reload()
	until(t, "the problem is gone", func() bool {
		_, _, a := get(t, url+"/health")
		return a["problem"] == nil
	})
}

// TestDrain checks that a request under way is answered after the end began.
func TestDrain(t *testing.T) {
	f := &fake{answer: sure, hold: make(chan struct{})}
	_, url, stop := start(t, Options{Source: fixed(deployment("1", f))})
	ready(t, url)
	var group sync.WaitGroup
	group.Go(func() {
		if status, _, a := post(t, url+"/infer", map[string]any{"image_b64": "AAAA", "prompt": "x"}); status != http.StatusOK {
			t.Errorf("got %d and %v, want 200", status, a)
		}
	})
	until(t, "it is at work", func() bool { return f.users.Load() == 1 })
	ended := make(chan error)
	go func() { ended <- stop() }()
	select {
	case err := <-ended:
		t.Errorf("ended with %v while a request was under way", err)
	case <-time.After(20 * time.Millisecond):
	}
	close(f.hold)
	group.Wait()
	if err := <-ended; err != nil || !f.closed.Load() {
		t.Errorf("got %v, closed %v", err, f.closed.Load())
	}
}

func TestToken(t *testing.T) {
	const token = "correct-horse-battery"
	_, url, _ := start(t, Options{Source: fixed(deployment("1", &fake{answer: sure})), TokenFile: file(t, token)})
	ready(t, url)
	for _, tt := range []struct {
		method, path, header string
		want                 int
	}{
		{"POST", "/infer", "", 401},
		{"POST", "/infer", "Bearer wrong", 401},
		{"POST", "/infer", "Basic " + token, 401},
		{"POST", "/infer", "Bearer " + token, 400},
		{"POST", "/infer", "bearer " + token, 400},
		{"GET", "/experts", "", 401},
		{"GET", "/metrics", "", 401},
		{"GET", "/metrics", "Bearer " + token, 200},
		{"GET", "/nothing", "", 401},
		{"GET", "/health", "", 200},
		{"POST", "/health", "", 401},
		{"OPTIONS", "/infer", "", 204},
	} {
		r, err := http.NewRequestWithContext(t.Context(), tt.method, url+tt.path, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		if tt.header != "" {
			r.Header.Set("Authorization", tt.header)
		}
		if got, h, _ := do(t, r); got != tt.want || got == 401 && h.Get("WWW-Authenticate") != "Bearer" {
			t.Errorf("%s %s with %q: got %d, want %d", tt.method, tt.path, tt.header, got, tt.want)
		}
	}
}

func TestOptions(t *testing.T) {
	_, url, _ := start(t, Options{Source: fixed(deployment("1", &fake{answer: sure})), Origin: "*"})
	for _, path := range []string{"/", "/infer", "/anything"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		status, h, _ := do(t, r)
		if status != http.StatusNoContent || h.Get("Access-Control-Allow-Origin") != "*" || !strings.Contains(h.Get("Access-Control-Allow-Headers"), "Content-Type") {
			t.Errorf("%s: got %d and %v", path, status, h)
		}
	}
}

// TestInside checks that neither answers nor logs tell what they should not.
func TestInside(t *testing.T) {
	var log bytes.Buffer
	f := &fake{err: errors.New("device on fire at 0xbeef")}
	s, err := New(Options{Source: fixed(deployment("1", f)), Log: slog.New(slog.NewTextHandler(&log, nil)), TokenFile: file(t, "correct-horse-battery")})
	if err != nil {
		t.Fatal(err)
	}
	s.refresh(t.Context())
	for _, image := range []string{"panic", "image"} {
		body := fmt.Sprintf(`{"image_b64":%q,"prompt":"my password is swordfish"}`, b64([]byte(image)))
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/infer", strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer correct-horse-battery")
		r.Header.Set("X-Request-Id", "my-id-7")
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != http.StatusInternalServerError {
			t.Errorf("got %d, want 500", w.Code)
		}
		wantTold(t, w.Body.String(), []string{`"request_id":"my-id-7"`, "internal error"}, []string{"secret", "beef", "serve."})
	}
	wantTold(t, log.String(), []string{"request_id=my-id-7", "secret of the router", "device on fire", "status=500", "path=/infer"},
		[]string{"swordfish", "correct-horse", b64([]byte("image"))})
}

// wantTold checks what a text says and what it keeps to itself.
func wantTold(t *testing.T, text string, told, kept []string) {
	t.Helper()
	for _, want := range told {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in: %s", want, text)
		}
	}
	for _, secret := range kept {
		if strings.Contains(text, secret) {
			t.Errorf("%q in: %s", secret, text)
		}
	}
}

func TestMetrics(t *testing.T) {
	_, url, _ := start(t, Options{Source: fixed(deployment("1", &fake{answer: sure}))})
	ready(t, url)
	post(t, url+"/infer", map[string]any{"image_b64": "AAAA", "prompt": "x"})
	w, err := http.Get(url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(w.Body)
	if err = errors.Join(err, w.Body.Close()); err != nil {
		t.Fatal(err)
	}
	wantTold(t, string(text), []string{
		`mole_requests_total{code="200",path="/infer"} 1`, `mole_decisions_total{expert="desktop",outcome="sure"} 1`,
		`mole_router_info{run="run-1",rung="linear",version="1"} 1`, `mole_reloads_total{result="ok"} 1`, `mole_queue_requests 0`,
		`mole_stage_seconds_count{stage="route"} 1`,
		`mole_confidence_bucket{expert="desktop",le="0.8"} 1`,
	}, nil)
}

func TestNewRefuses(t *testing.T) {
	ok := fixed(deployment("1", &fake{}))
	for _, tt := range []struct {
		o    Options
		want string
	}{
		{Options{}, "no source"},
		{Options{Source: ok, MaxQueue: -1}, "queue of -1"},
		{Options{Source: ok, TokenFile: file(t, "short")}, "token of 5 bytes, want at least 16"},
		{Options{Source: ok, AdminTokenFile: "none"}, "none"},
		{Options{Source: ok, CertFile: "cert.pem"}, "want both or none"},
		{Options{Source: ok, Unsure: "expert:"}, "unsure"},
		{Options{Source: ok, Unsure: "ask"}, "unsure"},
		{Options{Source: ok, Constrain: "json"}, "constraint"},
		{Options{Source: ok, ImageHosts: []string{"http://example.com"}}, "host"},
		{Options{Source: ok, OCR: "example.com"}, "service that reads text"},
		{Options{Source: ok, AdapterRoot: "none"}, "none"},
		{Options{Source: ok, Timeout: -1}, "timeout"},
		{Options{Source: ok, Origin: "example.com"}, "origin"},
	} {
		if _, err := New(tt.o); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got %v, want %q", err, tt.want)
		}
	}
}

// FuzzInfer sends any bytes as a request.
func FuzzInfer(f *testing.F) {
	for _, body := range []string{
		`{"image_b64":"AAAA","prompt":"x"}`, `{"image_b64":"data:image/png;base64,AAA=","prompt":"x","expert":3}`, `{"image_b64":"\/9j\/","prompt":"x","adapter":"ocr"}`,
		`{"expert":{"a":1},"image_b64":"A"}`, `[]`, `{"image_b64":1}`, `{"image_b64":"=","prompt":"x"}`,
	} {
		f.Add([]byte(body))
	}
	s, err := New(Options{Source: fixed(deployment("1", &fake{answer: sure})), MaxImage: 1000})
	if err != nil {
		f.Fatal(err)
	}
	s.refresh(f.Context())
	f.Fuzz(func(t *testing.T, body []byte) {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/infer", bytes.NewReader(body)))
		var v map[string]any
		if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil || !slices.Contains([]int{200, 400, 413, 501}, w.Code) {
			t.Errorf("got %d and %s, error %v", w.Code, w.Body, err)
		}
	})
}
