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
}

// op writes one instruction. An int among the operands is an immediate.
func (a *asm) op(name string, operands ...any) {
	words := make([]string, len(operands))
	for i, o := range operands {
		if n, ok := o.(int); ok {
			o = fmt.Sprintf("$%d", n)
		}
		words[i] = fmt.Sprint(o)
	}
	line := "\t" + name + " " + strings.Join(words, ", ")
	a.text.WriteString(strings.TrimRight(line, " ") + "\n")
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
func (a *asm) next(counter reg, label string) {
	a.op("DECQ", counter)
	a.op("JNZ", label)
}

// arg loads a parameter into a register with the given instruction.
func (a *asm) arg(instruction, name string, to any) {
	a.op(instruction, fmt.Sprintf("%s+%d(FP)", name, a.fn.offset(name)), to)
}

// args loads parameters of eight bytes, in their order, into registers.
func (a *asm) args(to ...reg) {
	for i, r := range to {
		a.arg("MOVQ", a.fn.params[i].name, r)
	}
}

// ret leaves the function. The upper halves of vector registers must be clean,
// or later SSE instructions are slow.
func (a *asm) ret() {
	a.op("VZEROUPPER")
	a.op("RET")
}

// A reg is a general register.
type reg string

// The general registers in use. BP belongs to the caller.
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

// at returns the memory disp bytes behind r.
func (r reg) at(disp int) string {
	if disp == 0 {
		return fmt.Sprintf("(%s)", r)
	}
	return fmt.Sprintf("%d(%s)", disp, r)
}

// plus returns the memory disp bytes behind r + index.
func (r reg) plus(index reg, disp int) string { return r.at(disp) + fmt.Sprintf("(%s*1)", index) }

// A bank is the set of vector registers of one width.
type bank struct {
	letter string
	count  int // registers
	bytes  int // of one register
}

// The vector registers of AVX2 and of AVX-512.
var (
	ymm = bank{"Y", 16, 32}
	zmm = bank{"Z", 32, 64}
)

// lanes returns the number of float32 in a register.
func (b bank) lanes() int { return b.bytes / 4 }

// reg returns register i.
func (b bank) reg(i int) string { return fmt.Sprintf("%s%d", b.letter, i) }

// zero writes the instruction that clears register i.
func (b bank) zero(a *asm, i int) {
	op := "VPXOR"
	if b == zmm {
		op = "VPXORD" // VPXOR has no form of 512 bits
	}
	a.op(op, b.reg(i), b.reg(i), b.reg(i))
}

// y and x return a register of 256 bits and its lower half.
func y(i int) string { return ymm.reg(i) }
func x(i int) string { return fmt.Sprintf("X%d", i) }

// z returns a register of 512 bits.
func z(i int) string { return zmm.reg(i) }
