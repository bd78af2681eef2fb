package generate

import "slices"

// Stats counts what a service did since it began, and says what it does.
type Stats struct {
	Queued, Active int // requests that wait; that hold a sequence
	Engine         EngineStats

	Requests, Refused uint64   // that entered the queue; that found it full
	Passes            uint64   // of the engine
	Batch             []uint64 // [MaxBatch+1]: passes by how many sequences they ran
	PromptTokens      uint64   // of requests that were admitted
	CachedTokens      uint64   // of these, computed before
	PromptRows        uint64   // of these, run
	AnswerTokens      uint64   // chosen
	Loads, Evictions  uint64   // adapters read from disk; unloaded to make room
	Adapters          int      // that are known
	AdaptersLoaded    int      // beside the network, older generations included
	AdaptersBroken    int      // whose files do not load as they are
	AdapterBytes      int64    // of those beside the network
	AdapterLimit      int64    // 0 for none
}

// Stats returns the figures of now.
func (s *Service) Stats() Stats {
	s.mu.Lock()
	out := s.stats
	out.Batch = slices.Clone(s.stats.Batch)
	out.Queued = len(s.queue)
	s.mu.Unlock()
	s.shelf.addTo(&out)
	return out
}

// snapshot keeps what only the engine's goroutine may look at.
func (s *Service) snapshot() {
	e := s.o.Engine.Stats()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Engine, s.stats.Active = e, len(s.active)
}

// count adds a pass to the figures.
func (s *Service) count(turns []Turn, tokens int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Passes++
	s.stats.Batch[len(turns)]++
	s.stats.AnswerTokens += uint64(tokens)
	for _, t := range turns {
		s.stats.PromptRows += uint64(t.Rows)
	}
}
