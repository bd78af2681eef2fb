package cpu

import (
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"mole/internal/kernel"
)

// worker is the memory that one core needs while it computes.
type worker struct {
	parker
	scratch kernel.Scratch
	product kernel.MatMul // this worker's part of it

	// Of attention, see [pool.reserve].
	rows    []kernel.AttentionRow
	queries []kernel.AttentionQuery
	wide    []float64
	scores  []float64
	tile    kernel.AttentionTile
	dk, dv  []float32
}

// pool is a set of workers that share one task at a time. The goroutine that
// calls run is worker 0; the others wait, for a short time awake.
//
// Worker i begins with the i-th part of the units, so that consecutive
// operations find the rows of the same tokens in the same core's cache, and
// then helps the others. A worker that comes late finds the task closed: nobody
// waits for it.
type pool struct {
	workers []*worker
	parts   []part
	grain   int64
	task    task

	// state is the number of the task in the upper half, then whether workers
	// may still join, then how many work on it.
	state  atomic.Uint64
	caller parker // waits for the last worker
	busy   atomic.Bool
	quit   atomic.Bool
	ended  sync.WaitGroup
	thrown atomic.Pointer[workerPanic]
}

const (
	stateOpen  = 1 << 31
	stateCount = stateOpen - 1
	stateTask  = 1 << 32 // 1 in the number of the task
)

// part is a run of units, alone in its cache lines.
type part struct {
	next atomic.Int64
	end  int64
	_    [112]byte
}

// workerPanic is what a task threw.
type workerPanic struct {
	value any
	stack []byte
}

// newPool starts n−1 goroutines.
func newPool(n int) *pool {
	p := &pool{workers: make([]*worker, n), parts: make([]part, n), caller: newParker()}
	for i := range p.workers {
		p.workers[i] = &worker{parker: newParker()}
	}
	for i := 1; i < n; i++ {
		p.ended.Go(func() { p.serve(i) })
	}
	return p
}

// close ends the goroutines and waits for them.
func (p *pool) close() {
	p.quit.Swap(true) // see [parker.await]
	for _, w := range p.workers[1:] {
		w.rouse()
	}
	p.ended.Wait()
}

// run does units 0 to n-1 of t, grain at a time or all that are left. It
// panics with what t panicked with, once no worker is in t any more.
func (p *pool) run(t task, n, grain int) {
	if !p.busy.CompareAndSwap(false, true) {
		panic("cpu: two goroutines use one device at the same time")
	}
	defer p.busy.Store(false)
	if n <= grain || len(p.workers) == 1 {
		t.run(p.workers[0], 0, n)
		return
	}
	p.open(t, n, grain)
	p.work(0)
	p.join()
	if e := p.thrown.Swap(nil); e != nil {
		panic(fmt.Sprintf("%v\n\nin a worker:\n%s", e.value, e.stack))
	}
}

// open hands out t and wakes as many workers as it can use.
func (p *pool) open(t task, n, grain int) {
	p.task, p.grain = t, int64(grain)
	count := len(p.workers)
	for i := range p.parts {
		p.parts[i].next.Store(int64(cut(n, i, count, grain)))
		p.parts[i].end = int64(cut(n, i+1, count, grain))
	}
	p.state.Add(stateTask + stateOpen) // it was closed, with no worker in it
	for i := 1; i < count && i*grain < n; i++ {
		p.workers[i].rouse()
	}
}

// cut returns the first unit of part i of count parts of n units: a multiple
// of grain, or n.
func cut(n, i, count, grain int) int {
	grains := (n + grain - 1) / grain
	return min(n, grains*i/count*grain)
}

// join closes the task and waits until no worker is in it.
func (p *pool) join() {
	p.state.And(^uint64(stateOpen))
	p.caller.await(func() bool { return p.state.Load()&stateCount == 0 })
	p.task = nil
}

// serve is the life of worker i.
func (p *pool) serve(i int) {
	w := p.workers[i]
	seen := uint64(0)
	for {
		w.await(func() bool { return p.quit.Load() || p.isNew(seen) })
		if p.quit.Load() {
			return
		}
		s := p.state.Load()
		if s&stateOpen == 0 || !p.state.CompareAndSwap(s, s+1) {
			continue
		}
		seen = s / stateTask
		p.work(i)
		if s := p.state.Add(^uint64(0)); s&(stateOpen|stateCount) == 0 {
			p.caller.rouse()
		}
	}
}

// isNew reports whether there is a task to join that is not number seen.
func (p *pool) isNew(seen uint64) bool {
	s := p.state.Load()
	return s&stateOpen != 0 && s/stateTask != seen
}

// work does units until none is left, from part i on.
func (p *pool) work(i int) {
	defer func() {
		if v := recover(); v != nil {
			p.thrown.CompareAndSwap(nil, &workerPanic{v, debug.Stack()})
		}
	}()
	for j := range p.parts {
		p.drain(&p.parts[(i+j)%len(p.parts)], p.workers[i])
	}
}

// drain does what is left of t.
func (p *pool) drain(t *part, w *worker) {
	for {
		hi := t.next.Add(p.grain)
		lo := hi - p.grain
		if lo >= t.end {
			return
		}
		p.task.run(w, int(lo), int(min(hi, t.end)))
	}
}
