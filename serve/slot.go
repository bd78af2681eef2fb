package serve

import "sync"

// slot holds the deployment in use. One that was replaced is closed when the
// last request that uses it has ended. It is safe for concurrent use.
type slot struct {
	closed func(error) // is told what came of closing a router

	mu       sync.Mutex
	now      *lease // nil until the first router is open
	problem  error  // why the newest router did not open; nil if all is well
	draining bool
	working  int            // requests that take time
	idle     chan struct{}  // closed when the server drains and nothing is at work
	closing  sync.WaitGroup // routers that are being closed
}

// lease counts the users of a deployment, the slot included.
type lease struct {
	*Deployment
	users int // guarded by slot.mu
}

// version returns that of the deployment in use, "" if there is none.
func (s *slot) version() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now == nil {
		return ""
	}
	return s.now.Version
}

// take returns the deployment in use and a function that gives it back; nil if
// there is none.
func (s *slot) take() (*Deployment, func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.now
	if l == nil {
		return nil, func() {}
	}
	l.users++
	return l.Deployment, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.release(l)
	}
}

// release ends one use of a lease. s.mu is held.
func (s *slot) release(l *lease) {
	if l.users--; l.users == 0 {
		s.closing.Go(func() { s.closed(l.Close()) })
	}
}

// swap puts d into use, or nothing if d is nil.
func (s *slot) swap(d *Deployment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.now
	s.now = nil
	if d != nil {
		s.now = &lease{Deployment: d, users: 1}
	}
	if old != nil {
		s.release(old)
	}
}

// report keeps what came of opening the newest router, and reports whether that
// is news.
func (s *slot) report(err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	news := err != nil && (s.problem == nil || s.problem.Error() != err.Error())
	s.problem = err
	return news
}

// drain says that the server is about to end: no work begins any more.
func (s *slot) drain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draining = true
	if s.working == 0 {
		close(s.idle)
	}
}

// begin counts a request that takes time, and reports whether it may begin.
func (s *slot) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		return false
	}
	s.working++
	return true
}

// end ends what begin began.
func (s *slot) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.working--; s.working == 0 && s.draining {
		close(s.idle)
	}
}

// close takes the deployment out of use and waits until it is closed. Requests
// that were cut off may still use it; it is closed after the last of them.
func (s *slot) close() {
	s.swap(nil)
	s.closing.Wait()
}

// state returns what /health tells.
func (s *slot) state() (status string, problem error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.draining:
		status = "draining"
	case s.now != nil:
		status = "ok"
	case s.problem != nil:
		status = "error"
	default:
		status = "loading"
	}
	return status, s.problem
}
