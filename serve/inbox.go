package serve

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"
)

// inbox bounds the memory of the bodies that are coming in. A request gets its
// place in the queue when all of it is there, so that senders who take their
// time keep nobody out. What they have sent so far counts here, not what they
// announce: one who sends little holds little. If there is no room left, the
// body that has been coming in for longest is given up. It is safe for
// concurrent use.
type inbox struct {
	mu     sync.Mutex
	free   int64       // bytes
	coming []*delivery // the oldest first
}

// inboxBodies is how many bodies of the greatest length there is room for.
const inboxBodies = 4

// errLate is the problem of a request that was given up for others.
var errLate = &problem{
	error:  errors.New("the request came in too slowly, and others need the memory that it takes"),
	status: http.StatusServiceUnavailable, code: "too_slow",
}

// delivery is a body that is coming in.
type delivery struct {
	*inbox
	body io.Reader
	cut  func() // ends a Read of body that waits

	held int64 // bytes, guarded by inbox.mu
	late bool  // given up, guarded by inbox.mu
}

// begin returns a reader of a body. cut ends a Read that waits, and may be called
// from elsewhere until end is.
func (b *inbox) begin(body io.Reader, cut func()) *delivery {
	d := &delivery{inbox: b, body: body, cut: cut}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.coming = append(b.coming, d)
	return d
}

// Read implements [io.Reader].
func (d *delivery) Read(p []byte) (int, error) {
	n, err := d.body.Read(p)
	if !d.hold(int64(n)) {
		return n, errLate
	}
	return n, err
}

// hold counts n bytes more, and reports whether d still goes on.
func (d *delivery) hold(n int64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.late {
		return false
	}
	d.held += n
	d.free -= n
	for d.free < 0 && len(d.coming) > 0 {
		oldest := d.coming[0]
		oldest.remove()
		oldest.late = true
		oldest.cut()
	}
	return !d.late
}

// end says that all has come that will.
func (d *delivery) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.remove()
}

// remove takes d out of the inbox, if it is in there. The lock is held.
func (d *delivery) remove() {
	if i := slices.Index(d.coming, d); i >= 0 {
		d.coming = slices.Delete(d.coming, i, i+1)
		d.free += d.held
	}
}

// receive reads the body of a request that is to be worked on.
func (s *Server) receive(x *exchange, r *http.Request, limit int64) ([]byte, error) {
	s.metrics.coming.Inc()
	defer s.metrics.coming.Dec()
	d := s.inbox.begin(http.MaxBytesReader(x, r.Body, limit), func() {
		_ = http.NewResponseController(x.ResponseWriter).SetReadDeadline(time.Unix(1, 0)) // in tests there is no connection
	})
	text, err := s.readBody(x, d)
	d.end()
	if errors.Is(err, errLate) {
		x.Header().Set("Connection", "close")
	}
	return text, err
}
