package main

import (
	"fmt"
	"strings"
)

// An asm collects the text of one function in the syntax of Go's assembler:
// sources first, destination last.
type asm struct {
	text strings.Builder
	fn   *function
	arch arch
}

// An arch writes what processors do differently in functions that they share:
// counting, pointers and parameters.
type arch interface {
	// goarch returns the name that the go command gives it.
	goarch() string
	// register returns the name of a general register.
	register(r reg) string
	// load loads a parameter of eight bytes.
	load(a *asm, name string, to reg)
	// advance adds n to a register.
	advance(a *asm, r reg, n int)
	// skip goes to a label if a register is zero.
	skip(a *asm, r reg, label string)
	// next ends the loop that label began: it takes one from the counter, and
	// goes on unless that is zero.
	next(a *asm, counter reg, label string)
	// ret leaves the function.
	ret(a *asm)
	// constants returns the data of the words that the functions use.
	constants(used words) string
}

// op writes one instruction. An int among the operands is an immediate.
func (a *asm) op(name string, operands ...any) {
	words := make([]string, len(operands))
	for i, o := range operands {
		words[i] = a.operand(o)
	}
	line := "\t" + name + " " + strings.Join(words, ", ")
	a.text.WriteString(strings.TrimRight(line, " ") + "\n")
}

// operand returns the text of an operand.
func (a *asm) operand(o any) string {
	switch o := o.(type) {
	case int:
		return fmt.Sprintf("$%d", o)
	case reg:
		return a.arch.register(o)
	case mem:
		return o.text(a.arch.register(o.base))
	}
	return fmt.Sprint(o)
}

// label writes a label. Labels are local to the function.
func (a *asm) label(name string) { a.text.WriteString(name + ":\n") }

// loop writes a label that begins a loop, at the start of a cache line.
func (a *asm) loop(name string) {
	a.op("PCALIGN", 64)
	a.label(name)
}

// next writes the end of the loop that label began: it runs until the counter,
// less one each time, is zero.
func (a *asm) next(counter reg, label string) { a.arch.next(a, counter, label) }

// skip writes a jump to label if r is zero.
func (a *asm) skip(r reg, label string) { a.arch.skip(a, r, label) }

// advance adds n to a register.
func (a *asm) advance(r reg, n int) { a.arch.advance(a, r, n) }

// arg loads a parameter into a register with the given instruction.
func (a *asm) arg(instruction, name string, to any) {
	a.op(instruction, fmt.Sprintf("%s+%d(FP)", name, a.fn.offset(name)), to)
}

// load loads a parameter of eight bytes into a register.
func (a *asm) load(name string, to reg) { a.arch.load(a, name, to) }

// args loads parameters of eight bytes, in their order, into registers.
func (a *asm) args(to ...reg) {
	for i, r := range to {
		a.load(a.fn.params[i].name, r)
	}
}

// ret leaves the function.
func (a *asm) ret() { a.arch.ret(a) }

// A reg is a general register, by its name on amd64.
type reg string

// The general registers in use.
const (
	ax  reg = "AX"
	bx  reg = "BX"
	cx  reg = "CX"
	dx  reg = "DX"
	si  reg = "SI"
	di  reg = "DI"
	r8  reg = "R8"
	r9  reg = "R9"
	r10 reg = "R10"
	r11 reg = "R11"
	r12 reg = "R12"
	r13 reg = "R13"
	r14 reg = "R14"
)

// A mem is the memory disp bytes behind a register.
type mem struct {
	base reg
	disp int
}

// at returns the memory disp bytes behind r.
func (r reg) at(disp int) mem { return mem{r, disp} }

// behind returns the memory n bytes further.
func (m mem) behind(n int) mem { return mem{m.base, m.disp + n} }

// text returns m in words, with the name of its register.
func (m mem) text(base string) string {
	if m.disp == 0 {
		return fmt.Sprintf("(%s)", base)
	}
	return fmt.Sprintf("%d(%s)", m.disp, base)
}
