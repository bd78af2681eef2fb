package cpu

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mole/device/devicetest"
)

// counter is a task that counts how often each unit is done.
type counter struct {
	done    []atomic.Int32
	workers [16]atomic.Int32 // units by worker
	pool    *pool
	delay   time.Duration
	bad     int // the unit that panics, if delay or not
}

func newCounter(p *pool, n int) *counter {
	return &counter{done: make([]atomic.Int32, n), pool: p, bad: -1}
}

func (c *counter) run(w *worker, lo, hi int) {
	for i := lo; i < hi; i++ {
		if i == c.bad {
			panic(fmt.Sprintf("unit %d is bad", i))
		}
		c.done[i].Add(1)
	}
	for i, o := range c.pool.workers {
		if o == w {
			c.workers[i].Add(int32(hi - lo))
		}
	}
	time.Sleep(c.delay)
}

// TestPool checks that each unit is done once, whatever the number of workers
// and the size of the cuts, task after task.
func TestPool(t *testing.T) {
	for _, workers := range []int{1, 2, 3, 8} {
		p := newPool(workers)
		for _, n := range []int{1, 2, 7, 64, 1000} {
			for _, grain := range []int{1, 3, 64, 1000} {
				runOften(t, p, n, grain)
			}
		}
		p.close()
	}
}

func runOften(t *testing.T, p *pool, n, grain int) {
	t.Helper()
	for range 20 {
		c := newCounter(p, n)
		p.run(c, n, grain)
		checkDone(t, c, fmt.Sprintf("%d workers, %d units, grain %d", len(p.workers), n, grain))
	}
}

func checkDone(t *testing.T, c *counter, name string) {
	t.Helper()
	for i := range c.done {
		if got := c.done[i].Load(); got != 1 {
			t.Fatalf("%s: unit %d done %d times, want 1", name, i, got)
		}
	}
}

// TestPoolShares checks that all workers take part, those that sleep too, and
// that one which is slow is helped.
func TestPoolShares(t *testing.T) {
	p := newPool(3)
	defer p.close()
	for round := range 3 {
		time.Sleep(5 * spin) // all asleep
		c := newCounter(p, 60)
		c.delay = time.Millisecond
		p.run(c, 60, 1)
		checkDone(t, c, fmt.Sprintf("round %d", round))
		for i := range p.workers {
			if c.workers[i].Load() == 0 {
				t.Errorf("round %d: worker %d did nothing", round, i)
			}
		}
	}
}

// TestPoolPanic checks that what a unit throws on any worker reaches the caller
// with its message, and that the pool works on.
func TestPoolPanic(t *testing.T) {
	for _, workers := range []int{1, 3} {
		p := newPool(workers)
		for _, bad := range []int{0, 50, 99} {
			c := newCounter(p, 100)
			c.bad = bad
			want := fmt.Sprintf("unit %d is bad", bad)
			if got := devicetest.Panic(func() { p.run(c, 100, 1) }); !strings.Contains(got, want) {
				t.Errorf("%d workers: got panic %q, want %q in it", workers, got, want)
			}
			c = newCounter(p, 100)
			p.run(c, 100, 1)
			checkDone(t, c, "after a panic")
		}
		p.close()
	}
}

// nested starts a task from within a task.
type nested struct{ p *pool }

func (n *nested) run(_ *worker, _, _ int) { n.p.run(newCounter(n.p, 1), 1, 1) }

func TestPoolBusy(t *testing.T) {
	p := newPool(1)
	defer p.close()
	want := "two goroutines"
	if got := devicetest.Panic(func() { p.run(&nested{p}, 1, 1) }); !strings.Contains(got, want) {
		t.Errorf("got panic %q, want %q in it", got, want)
	}
}

func TestCut(t *testing.T) {
	tests := []struct {
		n, count, grain int
		want            string
	}{
		{10, 2, 1, "[0 5 10]"},
		{10, 3, 1, "[0 3 6 10]"},
		{10, 2, 4, "[0 4 10]"},
		{2, 4, 1, "[0 0 1 1 2]"},
		{100, 3, 64, "[0 0 64 100]"},
	}
	for _, tt := range tests {
		var got []int
		for i := range tt.count + 1 {
			got = append(got, cut(tt.n, i, tt.count, tt.grain))
		}
		if fmt.Sprint(got) != tt.want {
			t.Errorf("%d units, %d parts, grain %d: got %v, want %s", tt.n, tt.count, tt.grain, got, tt.want)
		}
	}
}

// BenchmarkHandover measures what it costs to share a task that does nothing.
func BenchmarkHandover(b *testing.B) {
	for _, workers := range []int{1, 2, 4} {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) {
			p := newPool(workers)
			defer p.close()
			var t idle
			for b.Loop() {
				p.run(&t, workers, 1)
			}
		})
	}
}

type idle struct{}

func (*idle) run(_ *worker, _, _ int) {}
