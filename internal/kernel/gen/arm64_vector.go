package main

// neon is the isa of registers of 128 bits. They are many and short: a column
// is two of them, or four in kernels with sums, so that sums run in 16 lanes and
// wait for each other less. A column gets its registers when it is first written
// to; one that holds the same in every lane has one.
type neon struct {
	wide  int // registers of a column
	parts int // of those, in use at present
	held  map[int][]int
	next  int // register
	temp  int // register that nothing holds; so is spare
}

// spare is the second register that nothing holds.
const spare = 30

func newNeon(sums bool) *neon {
	n := &neon{wide: 2, held: map[int][]int{}, temp: spare + 1}
	if sums {
		n.wide = 4
	}
	n.parts = n.wide
	return n
}

func (*neon) requires() string { return "ASIMD" }

// begin makes the constants known.
func (*neon) begin(a *asm, sums bool) isa {
	a.op("MOVD", "$lanes<>(SB)", pool)
	return newNeon(sums)
}

func (n *neon) column(e *vector) int {
	if e.some {
		return 4
	}
	return 16 * n.parts
}

// take gives column i that many registers.
func (n *neon) take(i, count int) []int {
	for range count {
		n.held[i] = append(n.held[i], n.next)
		n.next++
	}
	if n.next > spare {
		panic("too many columns")
	}
	return n.held[i]
}

// regs returns the registers of column i that are in use at present.
func (n *neon) regs(i int) []int {
	list, ok := n.held[i]
	if !ok {
		list = n.take(i, n.wide)
	}
	if len(list) < n.parts {
		panic("a column that is the same in every lane stands for several registers")
	}
	return list[:n.parts]
}

// part returns register h of an operand, after loading it if it is memory.
func (n *neon) part(e *vector, o any, h int) int {
	switch o := o.(type) {
	case int:
		if list := n.held[o]; len(list) == 1 {
			return list[0]
		}
		return n.regs(o)[h]
	case word:
		if h == 0 { // it stays
			n.constant(e, o, spare)
		}
	case mem:
		e.loads(o.behind(16*h), spare)
	}
	return spare
}

// constant loads a word.
func (n *neon) constant(e *vector, w word, to int) { e.op("FMOVQ", pool.at(16*e.used[w]), f(to)) }

// armOperations lists the instructions for which Go has no name, and goOperations
// the others.
var (
	armOperations = map[operation]armCode{plus: fadd, minus: fsub, times: fmul, over: fdiv, larger: fmaxnm}
	goOperations  = map[operation]string{fused: "VFMLA", fusedMinus: "VFMLS", intPlus: "VADD", intMinus: "VSUB"}
)

func (n *neon) two(e *vector, o operation, x int, y any, dst int) {
	for h, d := range n.regs(dst) {
		m := n.part(e, y, h)
		s := n.part(e, x, h)
		if name, ok := goOperations[o]; ok {
			e.op(name, v(m), v(s), v(d))
		} else if o == bitAnd {
			e.op("VAND", b16(m), b16(s), b16(d))
		} else {
			armOperations[o].three(e.asm, m, s, d)
		}
	}
}

// horner loads c into a free register, adds to that, and lets it be the register
// of p from here on: loads have room, vector instructions have none. No column
// that horner writes to may be alive where a loop begins.
func (n *neon) horner(e *vector, p, x int, c word) {
	for h := range n.regs(p) {
		n.constant(e, c, n.temp)
		e.op("VFMLA", v(n.part(e, x, h)), v(n.held[p][h]), v(n.temp))
		n.held[p][h], n.temp = n.temp, n.held[p][h]
	}
}

// scaledLess computes −(z − x·y), which rounds to the same.
func (n *neon) scaledLess(e *vector, x, y, z int) {
	for h, d := range n.regs(x) {
		e.op("VMOV", b16(n.part(e, z, h)), b16(spare))
		e.op("VFMLS", v(n.part(e, y, h)), v(d), v(spare))
		fneg.two(e.asm, spare, d)
	}
}

func (n *neon) atLeast(e *vector, x int, c word, _ int) { n.bound(e, fmax, x, c) }
func (n *neon) atMost(e *vector, x int, c word, _ int)  { n.bound(e, fmin, x, c) }

// bound writes x = x o c.
func (n *neon) bound(e *vector, code armCode, x int, c word) {
	for h, d := range n.regs(x) {
		code.three(e.asm, n.part(e, c, h), d, d)
	}
}

func (n *neon) root(e *vector, x, dst int) {
	for h, d := range n.regs(dst) {
		fsqrt.two(e.asm, n.part(e, x, h), d)
	}
}

func (n *neon) signs(e *vector, x, dst int) {
	for h, d := range n.regs(dst) {
		sshr.shift(e.asm, 31, n.part(e, x, h), d)
	}
}

func (n *neon) exponent(e *vector, x int) {
	for _, d := range n.regs(x) {
		e.op("VSHL", 23, v(d), v(d))
	}
}

// choose needs no temporary column.
func (n *neon) choose(e *vector, mask int, yes, no any, dst, _ int) {
	if yes == dst {
		panic("choose would lose yes")
	}
	if no != dst {
		n.read(e, no, dst)
	}
	for h, d := range n.regs(dst) {
		e.op("VBIT", b16(n.part(e, mask, h)), b16(n.part(e, yes, h)), b16(d))
	}
}

func (n *neon) clear(e *vector, x int) {
	for _, d := range n.regs(x) {
		e.op("VEOR", b16(d), b16(d), b16(d))
	}
}

func (n *neon) scalar(e *vector, name string, to int) {
	d := n.take(to, 1)[0]
	e.arg("FMOVS", name, f(d))
	e.op("VDUP", lane0(d), v(d))
}

func (n *neon) spread(e *vector, r reg, to int) {
	for _, d := range n.regs(to) {
		e.op("VDUP", r, v(d))
	}
}

func (n *neon) read(e *vector, from any, to int) {
	list := n.regs(to)
	if at, ok := from.(mem); ok {
		if e.some {
			e.op("FMOVS", at, f(list[0])) // the other lanes become 0
		} else {
			e.loads(at, list...)
		}
		return
	}
	for h, d := range list {
		if w, ok := from.(word); ok {
			n.constant(e, w, d)
		} else {
			e.op("VMOV", b16(n.part(e, from, h)), b16(d))
		}
	}
}

func (n *neon) write(e *vector, from int, to mem) {
	list := n.regs(from)
	if e.some {
		e.op("FMOVS", f(list[0]), to)
		return
	}
	e.stores(to, list...)
}

// drop has nothing to do: the only lane that is stored is of the slice.
func (n *neon) drop(*vector, int) {}

// walk writes whole columns first, then single registers, then single elements.
// For these the lanes of the sums that they belong to come back from memory, so
// that element i goes to lane i mod 16 in any case.
func (n *neon) walk(e *vector, p *pointwise, s scalars) {
	e.op("LSR", shift(4*n.wide), cx, bx)
	n.turns(e, bx, "whole", func() {
		p.step(e, s)
		p.advance(e)
	})
	p.store(e, s)
	e.op("UBFX", 2, cx, shift(n.wide), bx) // the bits of what whole columns leave
	n.parts = 1
	n.turns(e, bx, "registers", func() { n.rest(e, p, s) })
	e.op("AND", 3, cx)
	e.some = true
	n.turns(e, cx, "elements", func() { n.rest(e, p, s) })
	n.parts, e.some = n.wide, false
}

// turns writes a loop that runs count times.
func (n *neon) turns(e *vector, count reg, label string, body func()) {
	e.skip(count, label+"End")
	e.loop(label)
	body()
	e.next(count, label)
	e.label(label + "End")
}

// rest writes a step on less than a column, with ax at its lanes of the sums.
func (n *neon) rest(e *vector, p *pointwise, s scalars) {
	p.eachSum(s, func(sum int, at mem) { n.read(e, at, sum) })
	p.step(e, s)
	p.eachSum(s, func(sum int, at mem) { n.write(e, sum, at) })
	p.advance(e)
	if len(p.sums) > 0 {
		e.advance(ax, n.column(e))
	}
}
