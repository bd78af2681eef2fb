package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// amd64 is the [arch] of that name.
type amd64 struct{}

func (amd64) goarch() string { return "amd64" }

// register returns the name that reg has already. BP belongs to the caller.
func (amd64) register(r reg) string { return string(r) }

func (amd64) load(a *asm, name string, to reg) { a.arg("MOVQ", name, to) }

func (amd64) advance(a *asm, r reg, n int) { a.op("ADDQ", n, r) }

func (amd64) skip(a *asm, r reg, label string) {
	a.op("TESTQ", r, r)
	a.op("JZ", label)
}

func (amd64) next(a *asm, counter reg, label string) {
	a.op("DECQ", counter)
	a.op("JNZ", label)
}

// ret leaves the function. The upper halves of vector registers must be clean,
// or later SSE instructions are slow.
func (amd64) ret(a *asm) {
	a.op("VZEROUPPER")
	a.op("RET")
}

// constants returns each word 16 times, under a name of its own.
func (amd64) constants(used words) string {
	var b strings.Builder
	for _, bits := range slices.Sorted(maps.Keys(used)) {
		name := constantName(bits)
		fmt.Fprintf(&b, "\n")
		for at := 0; at < 64; at += 8 {
			fmt.Fprintf(&b, "DATA %s<>+%d(SB)/8, $0x%08x%08x\n", name, at, uint32(bits), uint32(bits))
		}
		fmt.Fprintf(&b, "GLOBL %s<>(SB), RODATA|NOPTR, $64\n", name)
	}
	return b.String()
}

func constantName(bits word) string { return fmt.Sprintf("lanes%08x", uint32(bits)) }

// plus returns the memory disp bytes behind r + index.
func (r reg) plus(index reg, disp int) string {
	return fmt.Sprintf("%s(%s*1)", r.at(disp).text(string(r)), index)
}

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
