package serve

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"
)

// stalled is a client that has sent a part of its request.
type stalled struct {
	net.Conn
	rest string
}

// stall begins a request and sends the first bytes of its body.
func stall(t *testing.T, url, body string, first int) stalled {
	t.Helper()
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if _, err := fmt.Fprintf(c, "POST /infer HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", len(body), body[:first]); err != nil {
		t.Fatal(err)
	}
	return stalled{c, body[first:]}
}

// finish sends the rest, and returns the status of the answer and its text.
func (s stalled) finish(t *testing.T) (int, string) {
	t.Helper()
	if _, err := io.WriteString(s, s.rest); err != nil {
		t.Fatal(err)
	}
	return s.answer(t)
}

// answer reads the answer.
func (s stalled) answer(t *testing.T) (int, string) {
	t.Helper()
	if err := s.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	w, err := http.ReadResponse(bufio.NewReader(s), nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(w.Body)
	if err != nil || w.Body.Close() != nil {
		t.Fatal(err)
	}
	return w.StatusCode, string(text)
}

// count returns how many bodies come in, and their bytes so far.
func (b *inbox) count() (bodies int, held int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, d := range b.coming {
		held += d.held
	}
	return len(b.coming), held
}

// TestSlowSenders has many more senders who stop halfway than there are places:
// others are answered all the same, and so are they once they go on.
func TestSlowSenders(t *testing.T) {
	const senders, first = 40, 30
	s, url, _ := start(t, Options{Source: fixed(deployment("1", &fake{answer: sure})), MaxQueue: 1})
	ready(t, url)
	q := map[string]any{"image_b64": b64(dot), "prompt": "x"}
	var list []stalled
	for range senders {
		list = append(list, stall(t, url, jsonOf(t, q), first))
	}
	until(t, "all are halfway", func() bool {
		bodies, held := s.inbox.count()
		return bodies == senders && held == senders*first
	})
	if status, _, a := post(t, url+"/infer", q); status != http.StatusOK {
		t.Errorf("got %d and %v, want 200", status, a)
	}
	for _, c := range list[:3] {
		if status, text := c.finish(t); status != http.StatusOK {
			t.Errorf("got %d and %s, want 200", status, text)
		}
	}
	for _, c := range list[3:] {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	until(t, "nothing comes in", func() bool { bodies, _ := s.inbox.count(); return bodies == 0 })
	if want := inboxBodies * s.MaxBody; s.inbox.free != want || len(s.queue) != 0 {
		t.Errorf("%d bytes are free and %d places taken, want %d and 0", s.inbox.free, len(s.queue), want)
	}
}

// TestSlowestGivenUp fills the memory for what comes in: the oldest make room, are
// told so, and the others go on.
func TestSlowestGivenUp(t *testing.T) {
	s, url, _ := start(t, Options{Source: fixed(deployment("1", &fake{answer: sure}))})
	ready(t, url)
	q := map[string]any{"image_b64": b64(dot), "prompt": strings.Repeat("x", 2000)}
	body := jsonOf(t, q)
	s.inbox.mu.Lock()
	s.inbox.free = 3000 + int64(len(body))
	s.inbox.mu.Unlock()
	var list []stalled
	for i := range 3 {
		list = append(list, stall(t, url, body, 1000))
		until(t, "it is halfway", func() bool { _, held := s.inbox.count(); return held == int64(i+1)*1000 })
	}
	if status, _, a := post(t, url+"/infer", q); status != http.StatusOK { // there is just room
		t.Errorf("got %d and %v, want 200", status, a)
	}
	list = append(list, stall(t, url, body, 1900), stall(t, url, body, 1900))
	for _, c := range list[:2] {
		if status, text := c.answer(t); status != http.StatusServiceUnavailable || !strings.Contains(text, "came in too slowly") {
			t.Errorf("got %d and %s, want 503", status, text)
		}
	}
	if status, text := list[4].finish(t); status != http.StatusOK {
		t.Errorf("got %d and %s, want 200", status, text)
	}
	if bodies, _ := s.inbox.count(); bodies != 2 {
		t.Errorf("%d bodies come in, want that of the third and the fourth", bodies)
	}
}

// TestInboxAlone gives up a body for which there is no room at all, but not what
// fits.
func TestInboxAlone(t *testing.T) {
	for size, want := range map[int]error{100: nil, 101: errLate} {
		b, cuts := &inbox{free: 100}, 0
		d := b.begin(iotest.OneByteReader(bytes.NewReader(make([]byte, size))), func() { cuts++ })
		text, err := io.ReadAll(d)
		d.end()
		if !errors.Is(err, want) || err == nil && len(text) != size || b.free != 100 || (cuts == 1) != (want != nil) {
			t.Errorf("%d bytes: got %d and %v, %d bytes free", size, len(text), err, b.free)
		}
	}
}

// TestInboxTogether has many bodies come in at once, with room for few: what is
// held never gets beyond the room, and all of it is given back.
func TestInboxTogether(t *testing.T) {
	const room = 10_000
	b := &inbox{free: room}
	var group sync.WaitGroup
	var whole atomic.Int32
	for range 50 {
		group.Go(func() {
			d := b.begin(iotest.HalfReader(bytes.NewReader(make([]byte, 4000))), func() {})
			defer d.end()
			_, held := b.count()
			_, err := io.ReadAll(d)
			if err == nil {
				whole.Add(1)
			}
			if held > room || err != nil && !errors.Is(err, errLate) {
				t.Errorf("%d bytes held, error %v", held, err)
			}
		})
	}
	group.Wait()
	if bodies, _ := b.count(); bodies != 0 || b.free != room {
		t.Errorf("%d bodies left and %d bytes free, want 0 and %d", bodies, b.free, room)
	}
	if whole.Load() == 0 { // the youngest one at least
		t.Error("no body came in whole")
	}
}
