package qwen3vl

import (
	"cmp"
	"fmt"
	"slices"
	"sort"

	"mole/device"
	"mole/tensor"
	"mole/vision"
)

// Turn is what one sequence does in a pass.
type Turn struct {
	Sequence int
	Rows     int   // > 0: run so many more tokens of the prompt
	Token    int32 // Rows == 0: run this token behind everything before
}

// step is a turn that was checked.
type step struct {
	*sequence
	turn   int // its number
	lo, hi int // tokens of the sequence
	token  int32
}

// decodes reports whether s is a token behind the prompt.
func (s *step) decodes() bool { return s.lo >= len(s.prompt.Tokens) }

// asks reports whether logits are wanted after s.
func (s *step) asks() bool { return s.hi >= len(s.prompt.Tokens) }

// Run runs several turns, each of another sequence, in one pass. It returns for
// each the logits [V] after its last token, or nil where that does not end the
// prompt. A turn that cannot be is an error that changes nothing; after any other
// error the sequences must be closed. A piece of a prompt costs least if it
// begins and ends where a page does.
func (e *Engine) Run(turns []Turn) ([][]float32, error) {
	steps, err := e.steps(turns)
	if err != nil {
		return nil, fmt.Errorf("engine: %w", err)
	}
	if len(steps) == 0 {
		return nil, nil
	}
	out := make([][]float32, len(turns))
	if err := e.pass(steps, out); err != nil {
		for i := range steps {
			steps[i].broken = true
		}
		return nil, fmt.Errorf("engine: %w", err)
	}
	for i := range steps {
		s := &steps[i]
		s.filled = s.hi
		s.publish(e.pager)
		if s.decodes() {
			s.next++
		}
	}
	return out, nil
}

// steps checks turns and puts them in the order of rows: pieces of prompts first,
// and those of one adapter together.
func (e *Engine) steps(turns []Turn) ([]step, error) {
	steps := make([]step, 0, len(turns))
	for i, t := range turns {
		s := e.sequences[t.Sequence]
		if s == nil {
			return nil, fmt.Errorf("turn %d: sequence %d is not open", i, t.Sequence)
		}
		if slices.ContainsFunc(steps, func(o step) bool { return o.sequence == s }) {
			return nil, fmt.Errorf("turn %d: sequence %d has another turn", i, t.Sequence)
		}
		st := step{sequence: s, turn: i, lo: s.filled, hi: s.filled + max(1, t.Rows), token: t.Token}
		if err := st.check(t); err != nil {
			return nil, fmt.Errorf("turn %d, sequence %d: %w", i, t.Sequence, err)
		}
		steps = append(steps, st)
	}
	slices.SortStableFunc(steps, func(a, b step) int {
		if a.decodes() != b.decodes() {
			if b.decodes() {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.adapter, b.adapter)
	})
	return steps, nil
}

// check returns why t cannot be.
func (s *step) check(t Turn) error {
	prompt, words := len(s.prompt.Tokens), s.net.config.Text.Vocab
	switch {
	case s.broken:
		return fmt.Errorf("it was in a pass that broke")
	case t.Rows < 0 || t.Rows > 0 && s.hi > prompt:
		return fmt.Errorf("%d tokens after %d of a prompt of %d", t.Rows, s.lo, prompt)
	case t.Rows > 0:
		return nil
	case s.lo < prompt:
		return fmt.Errorf("%d of %d prompt tokens have been run", s.lo, prompt)
	case s.hi > s.size:
		return fmt.Errorf("all %d tokens have been run", s.size)
	case t.Token < 0 || int(t.Token) >= words:
		return fmt.Errorf("token %d is outside the vocabulary of %d", t.Token, words)
	}
	return nil
}

// pass computes steps and sets out to the logits, by turn.
func (e *Engine) pass(steps []step, out [][]float32) error {
	n := e.net
	if err := encode(steps); err != nil {
		return err
	}
	n.arena.Reset()
	p := &pass{pools: e.pools, vision: n.pieces(steps)}
	r := e.rows(steps)
	p.in, p.runs = r.inputs(n), r.runs
	if p.vision != nil {
		p.in.visual, p.in.features = n.ints(r.visual), n.ints(count(len(r.visual)))
	}
	n.decoderForward(p, false)
	if len(r.asked) == 0 {
		return n.dev.Sync()
	}
	rows := count(len(r.asked))
	if n.wholeLast() {
		rows = r.asked
	}
	h := n.headForward(p.out, rows, &r.askedMix)
	logits, err := n.readFloats(h.logits)
	if err != nil {
		return err
	}
	words := n.config.Text.Vocab
	k := 0
	for i := range steps {
		if steps[i].asks() {
			out[steps[i].turn] = logits[k*words : (k+1)*words : (k+1)*words]
			k++
		}
	}
	return nil
}

// count returns 0 to n−1.
func count(n int) []int32 {
	list := make([]int32, n)
	for i := range list {
		list[i] = int32(i)
	}
	return list
}

// wholeLast reports whether the last layer of an engine computes all rows: where it
// still takes features of the deep stack.
func (n *Net) wholeLast() bool { return len(n.deep) >= len(n.layers) }

// rowSet is the rows of a pass.
type rowSet struct {
	whole      bool // see wholeLast
	ids        []int32
	pos        [][3]int32
	visual     []int32 // rows that take features, in the order of pieces
	segments   []device.Segment
	runs       []run
	mix        mixture
	asked      []int32 // rows that logits are wanted after
	askedPos   [][3]int32
	askedParts []device.Segment
	askedMix   mixture
}

// run is where rows of a pass go in the cache: n of them, from row on, to those
// from key on.
type run struct{ row, key, n int }

// rows lays steps out.
func (e *Engine) rows(steps []step) *rowSet {
	r := &rowSet{whole: e.net.wholeLast()}
	for i := range steps {
		s := &steps[i]
		start := len(r.ids)
		s.tokens(r)
		r.segments, r.runs = s.place(r.segments, r.runs, e.pager.size, s.lo, start)
		if !s.decodes() {
			r.mix.many = len(r.ids)
		}
		r.mix.add(s, start, len(r.ids))
		if !s.asks() {
			continue
		}
		at, last := len(r.asked), len(r.ids)-1
		r.asked, r.askedPos = append(r.asked, int32(last)), append(r.askedPos, r.pos[last])
		r.askedParts, _ = s.place(r.askedParts, nil, e.pager.size, s.hi-1, at)
		r.askedMix.add(s, at, at+1)
	}
	return r
}

// tokens appends ids and positions of s, and the rows that take features.
func (s *step) tokens(r *rowSet) {
	if s.decodes() {
		r.ids, r.pos = append(r.ids, s.token), append(r.pos, [3]int32{s.next, s.next, s.next})
		return
	}
	start := len(r.ids)
	r.ids, r.pos = append(r.ids, s.prompt.Tokens[s.lo:s.hi]...), append(r.pos, s.prompt.Pos[s.lo:s.hi]...)
	lo, hi := s.seen()
	for _, v := range s.prompt.Visual[lo:hi] {
		row := int32(start-s.lo) + v.Row
		r.ids[row] = -1
		r.visual = append(r.visual, row)
	}
}

// place appends what tokens lo on of s see, as query rows from start on, cut where
// pages end, and where they go in the cache.
func (s *step) place(list []device.Segment, runs []run, size, lo, start int) ([]device.Segment, []run) {
	for lo < s.hi {
		page, before := lo/size, lo%size
		n := min(size-before, s.hi-lo)
		key := int(s.spans[page].Start) + before
		list = append(list, device.Segment{
			Start: int32(start), End: int32(start + n), Key: int32(key), Before: int32(before), Causal: true, Past: s.spans[:page],
		})
		runs = append(runs, run{start, key, n})
		lo, start = lo+n, start+n
	}
	return list, runs
}

// inputs copies the rows to the device.
func (r *rowSet) inputs(n *Net) *inputs {
	t := &n.config.Text
	in := &inputs{ids: n.ints(r.ids), every: n.turned(r.pos)}
	in.normed, in.wide = n.arena.F32(len(r.ids), t.Hidden), n.arena.F32(len(r.ids), t.Intermediate)
	in.order = n.ints(count(len(r.ids)))
	in.every.mix, in.every.attention.Segments = &r.mix, r.segments
	in.cos, in.sin = in.every.cos, in.every.sin
	switch {
	case r.whole:
		in.last = in.every
	case len(r.asked) > 0:
		in.last = n.turned(r.askedPos)
		in.last.rows, in.last.mix, in.last.attention.Segments = n.ints(r.asked), &r.askedMix, r.askedParts
	}
	return in
}

// seen returns which of the visual rows of its prompt s runs.
func (s *step) seen() (lo, hi int) {
	v := s.prompt.Visual
	at := func(row int) int { return sort.Search(len(v), func(i int) bool { return int(v[i].Row) >= row }) }
	return at(s.lo), at(s.hi)
}

// encode makes the features that steps need and that nobody made before.
func encode(steps []step) error {
	for i := range steps {
		s := &steps[i]
		err := s.eachPiece(func(image, _, _ int) error { return s.encode(image) })
		if err != nil {
			return err
		}
	}
	return nil
}

// encode sets the features of an image of the prompt. Those of the network's own
// tower stay with the image.
func (s *sequence) encode(image int) error {
	im := s.prompt.Images[image]
	switch {
	case s.features[image] != nil:
	case s.net.known(im):
		s.features[image] = im.Features
	default:
		made, err := s.net.Encode([]*vision.Patches{im})
		if err != nil {
			return err
		}
		s.features[image] = made[0]
		if !s.net.towerAdapted() {
			im.Features = made[0]
		}
	}
	return nil
}

// eachPiece calls f for every run of features that s takes: cells lo to hi−1 of an
// image of the prompt.
func (s *step) eachPiece(f func(image, lo, hi int) error) error {
	from, to := s.seen()
	first, image := 0, 0
	for from < to {
		cell := int(s.prompt.Visual[from].Feature) - first
		cells := s.prompt.Images[image].Grid.Tokens(s.prompt.Merge)
		if cell >= cells {
			first, image = first+cells, image+1
			continue
		}
		if cell < 0 { // an image that occurs again
			first, image = 0, 0
			continue
		}
		n := 1
		for from+n < to && cell+n < cells && int(s.prompt.Visual[from+n].Feature) == first+cell+n {
			n++
		}
		if err := f(image, cell, cell+n); err != nil {
			return err
		}
		from += n
	}
	return nil
}

// pieces copies the features that steps take to the device, in the order of their
// rows; nil stands for none.
func (n *Net) pieces(steps []step) *tower {
	rows := 0
	for i := range steps {
		lo, hi := steps[i].seen()
		rows += hi - lo
	}
	if rows == 0 {
		return nil
	}
	width := n.config.Text.Hidden
	t := &tower{feats: n.arena.F32(rows, width)}
	for range n.deep {
		t.deep = append(t.deep, n.arena.F32(rows, width))
	}
	at := 0
	for i := range steps {
		s := &steps[i]
		_ = s.eachPiece(func(image, lo, hi int) error { // which has no error of its own
			f := s.features[image]
			copyRows := func(to tensor.Tensor, from []float32) {
				n.dev.Write(to.Rows(at, at+hi-lo), elementBytes(from[lo*width:hi*width]))
			}
			copyRows(t.feats, f.Tokens)
			for k, d := range f.Deep {
				copyRows(t.deep[k], d)
			}
			at += hi - lo
			return nil
		})
	}
	return t
}
