package generate

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"mole/lora"
)

// TestSoak is everything at once: more requests than fit, readers that are slow
// or leave, adapters that change and break, a function that wants the engine, a
// pass that goes wrong. Every answer is signed by its adapter, and start checks
// that nothing leaks.
func TestSoak(t *testing.T) {
	e := newFake(400)
	s := start(t, e, Options{MaxBatch: 6, MaxQueue: 12, Chunk: 16, Ahead: 2, AdapterMemory: 3*128 + 50})
	e.run = func([]Turn) error {
		if e.passes.Load()%97 == 0 {
			return errFake
		}
		return nil
	}
	root := saveAll(t, 6)
	scan(t, s, root)
	long := 1500 * time.Millisecond
	if os.Getenv("MOLE_TEST_HEAVY") == "1" {
		long = 8 * time.Second
	}
	ctx, cancel := context.WithTimeout(t.Context(), long)
	defer cancel()
	var all sync.WaitGroup
	all.Go(func() { s.spoil(ctx, t, root) })
	tallies := make([]tally, 48)
	for i := range tallies {
		all.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 0))
			for ctx.Err() == nil {
				s.one(ctx, t, r, &tallies[i])
			}
		})
	}
	all.Wait()
	checkTallies(t, tallies)
	eventually(t, "pages are free", func() bool { n := s.Stats(); return n.Engine.Free == 400 && n.Active == 0 && n.Queued == 0 })
}

type tally struct{ answers, full, faults int }

// checkTallies checks that all kinds of ends were met.
func checkTallies(t *testing.T, all []tally) {
	var sum tally
	for _, n := range all {
		sum.answers, sum.full, sum.faults = sum.answers+n.answers, sum.full+n.full, sum.faults+n.faults
	}
	if sum.answers == 0 || sum.full == 0 || sum.faults == 0 {
		t.Errorf("got %+v, want some of each", sum)
	}
}

// spoil changes adapter a0 between signatures 1 and 101, and a1 between 2 and
// nonsense, until ctx ends.
func (s *Service) spoil(ctx context.Context, t *testing.T, root string) {
	a0, a1 := filepath.Join(root, "a0", "adapter"), filepath.Join(root, "a1", "adapter")
	for n := 0; ctx.Err() == nil; n++ {
		save(t, a0, float32(1+n%2*100))
		if n%2 == 0 {
			write(t, filepath.Join(a1, lora.WeightsFile), "broken")
		} else {
			save(t, a1, 2)
		}
		if err := s.Scan(root); err != nil {
			t.Error(err)
		}
		if err := s.Exclusive(context.Background(), func() {}); err != nil {
			t.Error(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// fault counts an error, and waits a moment if the queue is full.
func (n *tally) fault(ctx context.Context, t *testing.T, err error) {
	if errors.Is(err, ErrFull) {
		n.full++
		time.Sleep(time.Millisecond)
		return
	}
	if !errors.Is(err, errFake) && !errors.Is(err, ErrAdapter) && ctx.Err() == nil {
		t.Errorf("got %v", err)
	}
	n.faults++
}

// one makes one request, reads it in some way, and checks the answer.
func (s *Service) one(ctx context.Context, t *testing.T, r *rand.Rand, n *tally) {
	a := r.IntN(6)
	q := with(request(r.IntN(30)), fmt.Sprintf("a%d", a))
	leave := r.IntN(30)
	var got answer
	for c, err := range s.Generate(ctx, q) {
		if err != nil {
			n.fault(ctx, t, err)
			return
		}
		got.add(c)
		if leave--; leave == 0 {
			return
		}
		if r.IntN(40) == 0 {
			time.Sleep(5 * time.Millisecond)
		}
	}
	n.answers++
	if w, w2 := want(t, s, float32(a+1), q), want(t, s, float32(a+101), q); !got.equal(w) && (a != 0 || !got.equal(w2)) {
		t.Errorf("adapter %d: got %+v, want %+v", a, got, w)
	}
}
