package main

import (
	"strings"
	"testing"
)

// TestArmLiterals compares instructions with what LLVM 14 makes of the same
// text.
func TestArmLiterals(t *testing.T) {
	tests := []struct {
		write func(a *asm)
		want  string
	}{
		{func(a *asm) { fadd.three(a, 3, 2, 1) }, "$0x4e23d441 // fadd v1.4s, v2.4s, v3.4s"},
		{func(a *asm) { fsub.three(a, 31, 30, 29) }, "$0x4ebfd7dd // fsub v29.4s, v30.4s, v31.4s"},
		{func(a *asm) { fmul.three(a, 16, 8, 4) }, "$0x6e30dd04 // fmul v4.4s, v8.4s, v16.4s"},
		{func(a *asm) { fdiv.three(a, 3, 2, 1) }, "$0x6e23fc41 // fdiv v1.4s, v2.4s, v3.4s"},
		{func(a *asm) { fmax.three(a, 3, 2, 1) }, "$0x4e23f441 // fmax v1.4s, v2.4s, v3.4s"},
		{func(a *asm) { fmin.three(a, 3, 2, 1) }, "$0x4ea3f441 // fmin v1.4s, v2.4s, v3.4s"},
		{func(a *asm) { fmaxnm.three(a, 3, 2, 1) }, "$0x4e23c441 // fmaxnm v1.4s, v2.4s, v3.4s"},
		{func(a *asm) { fcmeq.three(a, 3, 2, 1) }, "$0x4e23e441 // fcmeq v1.4s, v2.4s, v3.4s"},
		{func(a *asm) { fneg.two(a, 31, 17) }, "$0x6ea0fbf1 // fneg v17.4s, v31.4s"},
		{func(a *asm) { fsqrt.two(a, 31, 17) }, "$0x6ea1fbf1 // fsqrt v17.4s, v31.4s"},
		{func(a *asm) { sshr.shift(a, 31, 6, 7) }, "$0x4f2104c7 // sshr v7.4s, v6.4s, #31"},
		{func(a *asm) { sshr.shift(a, 1, 6, 7) }, "$0x4f3f04c7 // sshr v7.4s, v6.4s, #1"},
		{func(a *asm) { fmla.element(a, 26, 0, 24, 2) }, "$0x4f9a1302 // fmla v2.4s, v24.4s, v26.s[0]"},
		{func(a *asm) { fmla.element(a, 26, 1, 24, 2) }, "$0x4fba1302 // fmla v2.4s, v24.4s, v26.s[1]"},
		{func(a *asm) { fmla.element(a, 26, 2, 24, 2) }, "$0x4f9a1b02 // fmla v2.4s, v24.4s, v26.s[2]"},
		{func(a *asm) { fmla.element(a, 31, 3, 31, 31) }, "$0x4fbf1bff // fmla v31.4s, v31.4s, v31.s[3]"},
		{func(a *asm) { a.prefetch(ax, r14) }, "$0xf8a86922 // prfm pldl2keep, [x9, x8]"},
		{func(a *asm) { a.prefetch("x22", "x15") }, "$0xf8af6ac2 // prfm pldl2keep, [x22, x15]"},
	}
	for _, tt := range tests {
		a := &asm{arch: arm64{}}
		tt.write(a)
		if got := strings.TrimSpace(a.text.String()); got != "WORD "+tt.want {
			t.Errorf("got %s, want WORD %s", got, tt.want)
		}
	}
}

// TestArmRegisters checks that no function touches a general register which is
// not its own.
func TestArmRegisters(t *testing.T) {
	for name, text := range files() {
		if !strings.HasSuffix(name, "_arm64.s") {
			continue
		}
		for _, word := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" \t\n,()[]", r) }) {
			switch word {
			case "R16", "R17", "R18", "R27", "R28", "R29", "R30", "x16", "x17", "x18", "x27", "x28", "x29", "x30":
				t.Errorf("%s uses %s", name, word)
			}
		}
	}
}

// TestArmShare checks what the comments of neonMicro and neonTile say about the
// inner loops of the largest micro-kernels.
func TestArmShare(t *testing.T) {
	high := micro{tier: "NEON", bank: neonBank, rows: 12, vecs: 2}
	broad := micro{tier: "NEON", bank: neonBank, rows: 6, vecs: 4}
	tests := []struct {
		f             *function
		products, all int
	}{
		{neonMicro{high}.function(), 96, 112},
		{neonMicro{broad}.function(), 96, 114},
		{neonTile{tile{high}}.function(), 24, 41},
		{neonTile{tile{broad}}.function(), 24, 36},
	}
	for _, tt := range tests {
		_, loop, _ := strings.Cut(tt.f.assembly(arm64{}), "\nsteps:\n")
		loop, _, _ = strings.Cut(loop, "BNE steps\n")
		products, all := strings.Count(loop, "// fmla"), strings.Count(loop, "\n")+1
		if products != tt.products || all != tt.all {
			t.Errorf("%s: got %d multiplications in %d instructions, want %d in %d", tt.f.name, products, all, tt.products, tt.all)
		}
	}
}
