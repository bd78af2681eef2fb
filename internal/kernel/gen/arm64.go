package main

import (
	"fmt"
	"strings"
)

// arm64 is the [arch] of that name.
type arm64 struct{}

// armRegisters names those general registers that shared functions use. Others
// are written x13 and so on, as Arm does. R16 to R18, which belong to the
// linker and the platform, and R27 to R31, which belong to Go, are left
// alone.
var armRegisters = map[reg]string{
	di: "R0", si: "R1", r8: "R2", r9: "R3", r10: "R4", r11: "R5", r12: "R6", r13: "R7", r14: "R8",
	ax: "R9", bx: "R10", cx: "R11", dx: "R12",
}

// pool is the register that points to the constants.
const pool reg = "x13"

func (arm64) goarch() string { return "arm64" }

// register returns the name in armRegisters, or Go's for Arm's.
func (arm64) register(r reg) string {
	if name, ok := armRegisters[r]; ok {
		return name
	}
	return "R" + strings.TrimPrefix(string(r), "x")
}

func (arm64) load(a *asm, name string, to reg) { a.arg("MOVD", name, to) }

func (arm64) advance(a *asm, r reg, n int) { a.op("ADD", n, r) }

func (arm64) skip(a *asm, r reg, label string) { a.op("CBZ", r, label) }

func (arm64) next(a *asm, counter reg, label string) {
	a.op("SUBS", 1, counter)
	a.op("BNE", label)
}

func (arm64) ret(a *asm) { a.op("RET") }

// constants returns a table of the words, each in all lanes of a register, in
// the order of their places.
func (arm64) constants(used words) string {
	list := make([]word, len(used))
	for w, i := range used {
		list[i] = w
	}
	var b strings.Builder
	b.WriteString("\n")
	for i, w := range list {
		for at := 16 * i; at < 16*i+16; at += 8 {
			fmt.Fprintf(&b, "DATA lanes<>+%d(SB)/8, $0x%08x%08x\n", at, uint32(w), uint32(w))
		}
	}
	fmt.Fprintf(&b, "GLOBL lanes<>(SB), RODATA|NOPTR, $%d\n", 16*len(list))
	return b.String()
}

// An armCode is a vector instruction on four float32 that Go's assembler lacks:
// its name, and its bits with all registers 0.
type armCode struct {
	name string
	bits uint32
}

// The instructions, after the Arm Architecture Reference Manual, C7.2.
var (
	fadd   = armCode{"fadd", 0x4e20d400}
	fsub   = armCode{"fsub", 0x4ea0d400}
	fmul   = armCode{"fmul", 0x6e20dc00}
	fdiv   = armCode{"fdiv", 0x6e20fc00}
	fmax   = armCode{"fmax", 0x4e20f400}
	fmin   = armCode{"fmin", 0x4ea0f400}
	fmaxnm = armCode{"fmaxnm", 0x4e20c400} // of a number and a NaN, the number
	fcmeq  = armCode{"fcmeq", 0x4e20e400}
	fneg   = armCode{"fneg", 0x6ea0f800}
	fsqrt  = armCode{"fsqrt", 0x6ea1f800}
	fmla   = armCode{"fmla", 0x4f801000} // by one element
	sshr   = armCode{"sshr", 0x4f200400}
)

// three writes d = n o m.
func (c armCode) three(a *asm, m, n, d int) {
	a.literal(c.bits|uint32(m<<16|n<<5|d), "%s v%d.4s, v%d.4s, v%d.4s", c.name, d, n, m)
}

// two writes d = o n.
func (c armCode) two(a *asm, n, d int) {
	a.literal(c.bits|uint32(n<<5|d), "%s v%d.4s, v%d.4s", c.name, d, n)
}

// element writes d = d o n · m[i], with element i of m. Bits 0 and 1 of i go to
// bits 21 and 11.
func (c armCode) element(a *asm, m, i, n, d int) {
	bits := uint32((i&1)<<21 | m<<16 | (i>>1)<<11 | n<<5 | d)
	a.literal(c.bits|bits, "%s v%d.4s, v%d.4s, v%d.s[%d]", c.name, d, n, m, i)
}

// shift writes d = n shifted to the right by count.
func (c armCode) shift(a *asm, count, n, d int) {
	a.literal(c.bits|uint32((32-count)<<16|n<<5|d), "%s v%d.4s, v%d.4s, #%d", c.name, d, n, count)
}

// literal writes the bits of an instruction, and says which it is.
func (a *asm) literal(bits uint32, format string, values ...any) {
	a.op("WORD", fmt.Sprintf("$0x%08x // %s", bits, fmt.Sprintf(format, values...)))
}

// neonBank is the set of registers of 128 bits, as Go's vector instructions
// name them.
var neonBank = bank{"V", 32, 16}

// v, b16 and f return register i as four float32, as bytes, and as the register
// of loads and stores.
func v(i int) string   { return fmt.Sprintf("V%d.S4", i) }
func b16(i int) string { return fmt.Sprintf("V%d.B16", i) }
func f(i int) string   { return fmt.Sprintf("F%d", i) }

// lane0 returns the first element of register i.
func lane0(i int) string { return fmt.Sprintf("V%d.S[0]", i) }

// loads writes loads of registers from memory on, two at a time where they go
// into one instruction.
func (a *asm) loads(from mem, to ...int) { a.transfer(from, "FLDPQ", "FMOVQ", true, to) }

// stores writes stores of registers to memory on.
func (a *asm) stores(to mem, from ...int) { a.transfer(to, "FSTPQ", "FMOVQ", false, from) }

// transfer moves registers: pairs need an offset that is a multiple of 16.
func (a *asm) transfer(at mem, pair, one string, load bool, list []int) {
	for len(list) > 0 {
		n, name, what := 1, one, f(list[0])
		if len(list) > 1 && at.disp%16 == 0 {
			n, name, what = 2, pair, fmt.Sprintf("(%s, %s)", f(list[0]), f(list[1]))
		}
		if load {
			a.op(name, at, what)
		} else {
			a.op(name, what, at)
		}
		at, list = at.behind(16*n), list[n:]
	}
}
