package dataset

import (
	"cmp"
	"context"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// lookAtAll decodes every picture of the pools. Of several errors the one of
// the first picture is returned, whatever the order of the work.
func lookAtAll(ctx context.Context, pools []*pool, workers int, progress func(done, total int)) error {
	var files []*pictureFile
	for _, p := range pools {
		for i := range p.files {
			files = append(files, &p.files[i])
		}
	}
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	var (
		errs = make([]error, len(files))
		next atomic.Int64
		done int
		mu   sync.Mutex
		wg   sync.WaitGroup
	)
	for range min(workers, len(files)) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(files) && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				f := files[i]
				f.look, errs[i] = lookAt(f.source.FS, f.path)
				if errs[i] != nil {
					errs[i] = place{f.source.Name, WholeFile}.wrap(errs[i])
				}
				if progress != nil {
					mu.Lock()
					done++
					progress(done, len(files))
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return err
	}
	return cmp.Or(errs...)
}

// Indices of the splits in splitNames.
const (
	trainSplit = iota
	valSplit
	testSplit
)

// draw fills test, then val, then train from the candidates in their order.
// Look-alikes stay together as far as that goes: a small group goes to test or
// val as a whole if it fits, and the rest avoids groups of other splits until
// nothing else is left.
func (p *pool) draw(o AssembleOptions) {
	for i, c := range p.candidates {
		c.group = i
	}
	if o.KeepApart {
		p.groupLookAlikes(o.nearBits())
	}
	groups := make(map[int][]*candidate, len(p.candidates))
	for _, c := range p.candidates {
		groups[c.group] = append(groups[c.group], c)
	}
	small := max(3, len(p.candidates)/20) // a larger one would be most of a test
	for _, q := range []struct{ split, n int }{{testSplit, p.take.Test}, {valSplit, p.take.Val}, {trainSplit, p.take.Train}} {
		if q.split != trainSplit {
			p.fill(q.split, q.n, func(c *candidate, left int) []*candidate {
				if g := groups[c.group]; len(g) <= min(small, left) && allUnused(g) {
					return g
				}
				return nil
			})
		}
		p.fill(q.split, q.n, func(c *candidate, _ int) []*candidate {
			if g := groups[c.group]; slices.ContainsFunc(g, func(m *candidate) bool { return m.split != unused && m.split != q.split }) {
				return nil
			}
			return []*candidate{c}
		})
		p.fill(q.split, q.n, func(c *candidate, _ int) []*candidate { return []*candidate{c} })
	}
}

// allUnused reports whether no member of a group is in a split.
func allUnused(g []*candidate) bool {
	return !slices.ContainsFunc(g, func(c *candidate) bool { return c.split != unused })
}

// fill goes through the candidates that are left and puts what offer makes of
// them into a split until it holds n.
func (p *pool) fill(split, n int, offer func(c *candidate, left int) []*candidate) {
	for _, c := range p.candidates {
		left := n - len(p.picked[split])
		if left <= 0 {
			return
		}
		if c.split != unused {
			continue
		}
		for _, m := range offer(c, left) {
			m.split = split
			p.picked[split] = append(p.picked[split], m)
		}
	}
}
