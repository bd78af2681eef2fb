package devicetest

import (
	"fmt"
	"slices"

	"mole/device"
)

// view is who sees whom in attention: the segments that a device is given, and
// the same as a table, which is made from the tree and not from the segments.
type view struct {
	name     string
	t, s     int // rows of queries, of keys
	segments []device.Segment
	sees     [][]bool // [t][s]
	forward  bool     // not for gradients
}

func newView(name string, rows, keys int) *view {
	v := &view{name: name, t: rows, s: keys, sees: make([][]bool, rows)}
	for i := range v.sees {
		v.sees[i] = make([]bool, keys)
	}
	return v
}

// add appends a segment of n query rows.
func (v *view) add(n, key int, causal bool, past ...device.Span) {
	start := int32(0)
	if len(v.segments) > 0 {
		start = v.segments[len(v.segments)-1].End
	}
	v.segments = append(v.segments, device.Segment{
		Start: start, End: start + int32(n), Key: int32(key), Causal: causal, Past: past,
	})
}

// causal returns the plain case: one sequence, after a cache of past keys.
func causal(rows, past int) *view {
	v := newView(fmt.Sprintf("causal T=%d past=%d", rows, past), rows, past+rows)
	if past > 0 {
		v.add(rows, past, true, device.Span{Start: 0, End: int32(past)})
	} else {
		v.add(rows, 0, true)
	}
	for i := range rows {
		for j := range past + i + 1 {
			v.sees[i][j] = true
		}
	}
	return v
}

// paged returns the rows from first on of a sequence whose keys lie in the pages
// of that list, in its order.
func paged(rows, first, page int, pages ...int) *view {
	v := newView(fmt.Sprintf("T=%d from row %d in pages of %d at %v", rows, first, page, pages), rows-first, page*(slices.Max(pages)+1))
	v.forward = !slices.IsSorted(pages)
	var past []device.Span
	for at := 0; at < rows; at += page {
		key := page * pages[at/page]
		if lo, hi := max(at, first), min(at+page, rows); lo < hi {
			v.add(hi-lo, key+lo-at, true, slices.Clone(past)...)
			v.segments[len(v.segments)-1].Before = int32(lo - at)
		}
		past = append(past, device.Span{Start: int32(key), End: int32(key + page)})
	}
	for i := range v.t {
		for j := range first + i + 1 {
			v.sees[i][pages[j/page]*page+j%page] = true
		}
	}
	return v
}

// images returns sequences that see themselves and nothing else.
func images(sizes ...int) *view {
	total := 0
	for _, n := range sizes {
		total += n
	}
	v := newView(fmt.Sprintf("images %v", sizes), total, total)
	from := 0
	for _, n := range sizes {
		v.add(n, from, false)
		for i := from; i < from+n; i++ {
			for j := from; j < from+n; j++ {
				v.sees[i][j] = true
			}
		}
		from += n
	}
	return v
}

// forest is a random forest of token runs. Its rows follow offset keys that
// belong to no one else's business.
type forest struct {
	offset int
	start  []int // of each run, in rows, and the end of the last
	parent []int // -1 for a root
}

// grow returns a forest of runs of 1 to longest rows. A parent of -1 is as
// likely as any earlier run.
func (x *trial) grow(runs, longest, offset int) *forest {
	f := &forest{offset: offset, start: []int{0}}
	for i := range runs {
		f.parent = append(f.parent, x.rng.IntN(i+1)-1)
		f.start = append(f.start, f.start[i]+1+x.rng.IntN(longest))
	}
	return f
}

func (f *forest) rows() int { return f.start[len(f.start)-1] }

// run returns the run of a row.
func (f *forest) run(row int) int {
	i, found := slices.BinarySearch(f.start, row)
	if !found {
		i--
	}
	return i
}

// above reports whether run a is an ancestor of run b.
func (f *forest) above(a, b int) bool {
	for b >= 0 {
		b = f.parent[b]
		if a == b {
			return a >= 0
		}
	}
	return false
}

// past returns the ancestors of run i as spans of keys, after a span of the
// first cache keys if there are any.
func (f *forest) past(i, cache int) []device.Span {
	var spans []device.Span
	for p := f.parent[i]; p >= 0; p = f.parent[p] {
		spans = append(spans, device.Span{Start: int32(f.offset + f.start[p]), End: int32(f.offset + f.start[p+1])})
	}
	if cache > 0 {
		spans = append(spans, device.Span{Start: 0, End: int32(cache)})
	}
	slices.Reverse(spans)
	return spans
}

// view returns the forest with all rows as queries. Every row sees the first
// cache keys too, and of the offset no more than that.
func (f *forest) view(cache, unused int) *view {
	v := newView(fmt.Sprintf("forest %v parents %v cache=%d", f.start, f.parent, cache), f.rows(), f.offset+f.rows()+unused)
	for i := range f.parent {
		v.add(f.start[i+1]-f.start[i], f.offset+f.start[i], true, f.past(i, cache)...)
	}
	for row := range v.t {
		f.mark(v.sees[row], row, cache)
	}
	return v
}

// mark sets what a row of the forest sees.
func (f *forest) mark(sees []bool, row, cache int) {
	for j := range cache {
		sees[j] = true
	}
	for j := range f.rows() {
		same := f.run(j) == f.run(row) && j <= row
		sees[f.offset+j] = same || f.above(f.run(j), f.run(row))
	}
}

// some returns the forest with every step-th row as a query, each a segment of
// its own, as where only some rows reach a label.
func (f *forest) some(step int) *view {
	rows := (f.rows() + step - 1) / step
	v := newView(fmt.Sprintf("every %d. row of forest %v parents %v", step, f.start, f.parent), rows, f.offset+f.rows())
	for i := range rows {
		row := i * step
		run := f.run(row)
		past := f.past(run, 0)
		if row > f.start[run] {
			past = append(past, device.Span{Start: int32(f.offset + f.start[run]), End: int32(f.offset + row)})
		}
		v.add(1, f.offset+row, i%2 == 0, past...)
		f.mark(v.sees[i], row, 0)
	}
	return v
}
