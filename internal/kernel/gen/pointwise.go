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

// lastColumn is the first that is free for scalars and sums; they go down.
const lastColumn = 14

// function returns the kernel of one tier.
func (p *pointwise) function(tier string, i isa, used words) *function {
	f := &function{name: p.name + tier, doc: p.doc, requires: i.requires()}
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
	f.body = func(a *asm) { p.body(newVector(a, i, used, len(p.sums) > 0)) }
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

func (p *pointwise) body(e *vector) {
	s := p.load(e)
	e.isa.walk(e, p, s)
	e.ret()
}

// load loads the parameters and clears the sums.
func (p *pointwise) load(e *vector) scalars {
	for i, name := range p.slices() {
		e.load(name, pointers[i])
	}
	e.load("n", cx)
	s, next := scalars{}, lastColumn
	for _, name := range p.scalars {
		e.isa.scalar(e, name, next)
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

// advance moves all slices on by a column.
func (p *pointwise) advance(e *vector) {
	for i := range p.slices() {
		e.advance(pointers[i], e.isa.column(e))
	}
}

// step writes the work on one column of each slice, or on the lanes that it
// has: the others are 0 on the way in, and not written on the way out.
func (p *pointwise) step(e *vector, s scalars) {
	names := p.slices()
	at := func(name string) mem {
		for i, n := range names {
			if n == name {
				return pointers[i].at(0)
			}
		}
		panic(p.name + " has no slice " + name)
	}
	for i, name := range p.sources {
		e.isa.read(e, at(name), i)
	}
	for i, r := range p.emit(e, s) {
		e.isa.write(e, r, at(p.results[i]))
	}
}

// store writes the sums; with registers of 8 lanes the others are not touched.
func (p *pointwise) store(e *vector, s scalars) {
	if len(p.sums) == 0 {
		return
	}
	e.load("sums", ax)
	p.eachSum(s, func(sum int, at mem) { e.isa.write(e, sum, at) })
}

// eachSum calls f with the columns of the sums and where ax points to their lanes.
func (p *pointwise) eachSum(s scalars, f func(sum int, at mem)) {
	for i, name := range p.sums {
		f(s[name], ax.at(64*i))
	}
}
