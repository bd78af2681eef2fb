package qwen3vl

import (
	"encoding/binary"

	"mole/device"
)

// noPage is the parent of the first page of a sequence.
const noPage = -1

// pager says which pages of the cache hold what. A page is free, or it belongs to
// open sequences, or it is kept because it holds the beginning of a prompt that
// may come again. Pages that are kept form a tree: the sequences that hold a page
// hold its parents too.
type pager struct {
	size  int // tokens of a page
	pages []page
	free  []int32
	known map[prefix]int32
	idle  int    // pages that are kept and that no sequence holds
	clock uint64 // of releases
}

// page is the state of a page.
type page struct {
	holders  int    // sequences
	kept     bool   // known under its prefix
	prefix   prefix // if kept
	children int    // kept pages that continue it
	released uint64 // when its last holder let go of it
}

// prefix names what a page holds: tokens, behind those of another page, as an
// adapter reads them.
type prefix struct {
	adapter int
	parent  int32
	tokens  string
}

func newPager(tokens, size int) *pager {
	p := &pager{size: size, pages: make([]page, tokens/size), known: map[prefix]int32{}}
	for i := range p.pages {
		p.free = append(p.free, int32(len(p.pages)-1-i))
	}
	return p
}

// count returns the number of pages that tokens take.
func (p *pager) count(tokens int) int { return (tokens + p.size - 1) / p.size }

// span returns the rows of the cache that page i has.
func (p *pager) span(i int32) device.Span {
	return device.Span{Start: i * int32(p.size), End: (i + 1) * int32(p.size)}
}

// available returns the number of pages that take could return.
func (p *pager) available() int { return len(p.free) + p.idle }

// find returns the pages that hold the first whole pages of tokens, as far as
// they are kept, for a sequence that now holds them.
func (p *pager) find(adapter int, tokens []int32) []int32 {
	var found []int32
	parent := int32(noPage)
	for len(tokens) >= p.size {
		i, ok := p.known[prefixOf(adapter, parent, tokens[:p.size])]
		if !ok {
			break
		}
		p.hold(i)
		found, parent, tokens = append(found, i), i, tokens[p.size:]
	}
	return found
}

func prefixOf(adapter int, parent int32, tokens []int32) prefix {
	text := make([]byte, 0, 4*len(tokens))
	for _, id := range tokens {
		text = binary.LittleEndian.AppendUint32(text, uint32(id))
	}
	return prefix{adapter, parent, string(text)}
}

// hold adds a holder to page i.
func (p *pager) hold(i int32) {
	g := &p.pages[i]
	if g.kept && g.holders == 0 {
		p.idle--
	}
	g.holders++
}

// release takes a holder from page i, which is free then or idle if it was the
// last.
func (p *pager) release(i int32) {
	g := &p.pages[i]
	g.holders--
	if g.holders > 0 {
		return
	}
	if !g.kept {
		p.free = append(p.free, i)
		return
	}
	p.clock++
	g.released = p.clock
	p.idle++
}

// take appends n pages to list, with a holder each. There must be as many
// available.
func (p *pager) take(list []int32, n int) []int32 {
	for range n {
		if len(p.free) == 0 {
			p.drop(p.oldest())
		}
		i := p.free[len(p.free)-1]
		p.free = p.free[:len(p.free)-1]
		p.pages[i].holders = 1
		list = append(list, i)
	}
	return list
}

// oldest returns the idle page without children that was released first.
func (p *pager) oldest() int32 {
	best := int32(noPage)
	for i := range p.pages {
		g := &p.pages[i]
		if g.kept && g.holders == 0 && g.children == 0 && (best == noPage || g.released < p.pages[best].released) {
			best = int32(i)
		}
	}
	return best
}

// drop forgets what idle page i holds. It is free then.
func (p *pager) drop(i int32) {
	g := &p.pages[i]
	delete(p.known, g.prefix)
	if g.prefix.parent != noPage {
		p.pages[g.prefix.parent].children--
	}
	*g = page{}
	p.idle--
	p.free = append(p.free, i)
}

// keep makes page i, of a sequence that holds parent too, known by its tokens,
// and returns the page that holds them from now on: where another one does
// already, it has the same bytes, takes the place of i, and i is released.
func (p *pager) keep(i int32, adapter int, parent int32, tokens []int32) int32 {
	key := prefixOf(adapter, parent, tokens)
	if other, ok := p.known[key]; ok {
		p.hold(other)
		p.release(i)
		return other
	}
	p.known[key] = i
	p.pages[i].kept, p.pages[i].prefix = true, key
	if parent != noPage {
		p.pages[parent].children++
	}
	return i
}

// forget drops all pages of an adapter that no sequence uses.
func (p *pager) forget(adapter int) {
	for key, i := range p.known {
		if key.adapter == adapter {
			delete(p.known, key)
			p.pages[i] = page{}
			p.idle--
		}
	}
	// In order of their numbers, so that what follows does not depend on that of
	// the map.
	p.free = p.free[:0]
	for i := len(p.pages) - 1; i >= 0; i-- {
		if g := &p.pages[i]; !g.kept && g.holders == 0 {
			p.free = append(p.free, int32(i))
		}
	}
}
