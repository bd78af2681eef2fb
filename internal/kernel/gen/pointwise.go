package main

import "strings"

// A pointwise is a kernel that computes element i of its results from element i
// of its sources, or sums over them. Registers from 0 up hold the sources, in
// their order; from 15 down the scalars, then the sums; those between are free.
type pointwise struct {
	name    string // without the tier
	doc     []string
	results []string // registers that emit leaves them in: stored
	sources []string
	scalars []string
	sums    []string // 16 lanes each, written to sums [len, 16]
	start   float64  // of the sums
	emit    func(e *vector, s scalars) (results []int)
}

// scalars tells the registers of scalars and sums by name.
type scalars map[string]int

// pointers lists the general registers of slices.
var pointers = []reg{di, si, r8, r9, r10, r11, r12}

// mask registers: of AVX-512, and of AVX2.
const (
	maskK = "K1"
	maskY = 15
)

// function returns the kernel of one tier.
func (p *pointwise) function(tier string, b bank, used map[uint32]bool) *function {
	f := &function{name: p.name + tier, doc: p.doc, requires: b.requires()}
	for _, s := range p.slices() {
		f.params = append(f.params, param{s, "*float32"})
	}
	if len(p.sums) > 0 {
		f.params = append(f.params, param{"sums", "*float32"})
	}
	f.params = append(f.params, param{"n", "uintptr"})
	for _, s := range p.scalars {
		f.params = append(f.params, param{s, "float32"})
	}
	f.body = func(a *asm) { p.body(&vector{asm: a, bank: b, used: used}) }
	return f
}

// slices returns the names of the results and of those sources that are not
// results too.
func (p *pointwise) slices() []string {
	list := p.results
	for _, s := range p.sources {
		if !strings.Contains(" "+strings.Join(p.results, " ")+" ", " "+s+" ") {
			list = append(list[:len(list):len(list)], s)
		}
	}
	return list
}

// body writes whole registers first, then what is left under a mask.
func (p *pointwise) body(e *vector) {
	s := p.load(e)
	e.op("MOVQ", cx, bx)
	e.op("SHRQ", shift(e.lanes()), bx)
	e.op("JZ", "rest")
	e.loop("whole")
	p.step(e, s)
	for i := range p.slices() {
		e.op("ADDQ", e.bytes, pointers[i])
	}
	e.next(bx, "whole")
	e.label("rest")
	e.op("ANDQ", e.lanes()-1, cx)
	e.op("JZ", "done")
	e.someLanes()
	e.some = true
	p.step(e, s)
	e.label("done")
	p.store(e, s)
	e.ret()
}

// shift returns the binary logarithm of n.
func shift(n int) (bits int) {
	for ; n > 1; n /= 2 {
		bits++
	}
	return bits
}

// load loads the parameters and clears the sums.
func (p *pointwise) load(e *vector) scalars {
	for i, name := range p.slices() {
		e.arg("MOVQ", name, pointers[i])
	}
	e.arg("MOVQ", "n", cx)
	s, next := scalars{}, maskY-1
	for _, name := range p.scalars {
		e.arg("VBROADCASTSS", name, e.reg(next))
		s[name] = next
		next--
	}
	for _, name := range p.sums {
		e.set(p.start, next)
		s[name] = next
		next--
	}
	return s
}

// someLanes makes the mask of the first cx lanes.
func (e *vector) someLanes() {
	if e.bank == zmm {
		e.op("MOVL", 1, ax)
		e.op("SHLL", cx, ax)
		e.op("DECL", ax)
		e.op("KMOVW", ax, maskK)
		return
	}
	e.op("VMOVQ", cx, x(maskY))
	e.op("VPBROADCASTD", x(maskY), e.reg(maskY))
	e.op("VPCMPGTD", "laneNumbers<>(SB)", e.reg(maskY), e.reg(maskY))
}

// laneNumbers is the data of the numbers of the lanes.
const laneNumbers = `
DATA laneNumbers<>+0(SB)/8, $0x0000000100000000
DATA laneNumbers<>+8(SB)/8, $0x0000000300000002
DATA laneNumbers<>+16(SB)/8, $0x0000000500000004
DATA laneNumbers<>+24(SB)/8, $0x0000000700000006
GLOBL laneNumbers<>(SB), RODATA|NOPTR, $32
`

// step writes the work on one register of each slice, or on the lanes of the
// mask: the others are 0 on the way in, and not written on the way out.
func (p *pointwise) step(e *vector, s scalars) {
	names := p.slices()
	at := func(name string) string {
		for i, n := range names {
			if n == name {
				return pointers[i].at(0)
			}
		}
		panic(p.name + " has no slice " + name)
	}
	for i, name := range p.sources {
		e.read(at(name), i)
	}
	for i, r := range p.emit(e, s) {
		e.write(r, at(p.results[i]))
	}
}

func (e *vector) read(from string, to int) {
	switch {
	case !e.some:
		e.op("VMOVUPS", from, e.reg(to))
	case e.bank == zmm:
		e.op("VMOVUPS.Z", from, maskK, e.reg(to))
	default:
		e.op("VMASKMOVPS", from, e.reg(maskY), e.reg(to))
	}
}

func (e *vector) write(from int, to string) {
	switch {
	case !e.some:
		e.op("VMOVUPS", e.reg(from), to)
	case e.bank == zmm:
		e.op("VMOVUPS", e.reg(from), maskK, to)
	default:
		e.op("VMASKMOVPS", e.reg(from), e.reg(maskY), to)
	}
}

// drop clears the lanes of register i that are not of the mask.
func (e *vector) drop(i int) {
	switch {
	case !e.some:
	case e.bank == zmm:
		e.op("VMOVAPS.Z", e.reg(i), maskK, e.reg(i))
	default:
		e.and(i, maskY, i)
	}
}

// store writes the sums; with registers of 8 lanes the others are not touched.
func (p *pointwise) store(e *vector, s scalars) {
	if len(p.sums) == 0 {
		return
	}
	e.arg("MOVQ", "sums", ax)
	for i, name := range p.sums {
		e.op("VMOVUPS", e.reg(s[name]), ax.at(64*i))
	}
}
