package main

import (
	"fmt"
	"strings"
)

// Attention in pairs of bfloat16 packs rows of float32: keys, of which a row becomes
// a row of pairs, and values and probabilities, of which two rows become one.

// wordTurns holds the numbers of the words of a register whose halves are to be
// taken in turns.
var wordTurns = func() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n")
	for at := 0; at < 16; at += 2 {
		fmt.Fprintf(&b, "DATA wordTurns<>+%d(SB)/8, $0x%04x%04x%04x%04x\n", 4*at, at+17, at+1, at+16, at)
	}
	fmt.Fprintf(&b, "GLOBL wordTurns<>(SB), RODATA|NOPTR, $64\n")
	return b.String()
}()

// attentionPackers returns the packers.
func attentionPackers() []*function {
	params := []param{
		{"src", "*float32"}, {"srcStride", "uintptr"}, {"n", "uintptr"},
		{"dst", "*float32"}, {"dstStride", "uintptr"}, {"groups", "uintptr"},
	}
	return []*function{
		{
			name: "attendRound",
			doc: []string{
				"sets n rows of 8·groups pairs to rows of src, rounded. Strides are in",
				"bytes.",
			},
			requires: pairRequires,
			params:   params,
			body:     roundRowsBody,
		},
		{
			name: "attendJoin",
			doc: []string{
				"sets n rows of 16·groups pairs to rows 2i and 2i+1 of src side by side,",
				"rounded. Strides are in bytes. src may be dst.",
			},
			requires: pairRequires,
			params:   params,
			body:     joinRowsBody,
		},
	}
}

func roundRowsBody(a *asm) {
	a.args(si, r8, cx, di, r9, r10)
	eachGroup(a, func() {
		a.op("VMOVUPS", ax.at(0), z(0))
		roundLanes(a, 0, 1)
		a.op("VMOVUPS", y(1), bx.at(0))
		a.op("ADDQ", 64, ax)
		a.op("ADDQ", 32, bx)
	})
	a.op("ADDQ", r8, si)
	a.op("ADDQ", r9, di)
	a.next(cx, "rows")
	a.ret()
}

func joinRowsBody(a *asm) {
	const turns = 2
	a.args(si, r8, cx, di, r9, r10)
	a.op("VMOVUPS", "wordTurns<>(SB)", z(turns))
	eachGroup(a, func() {
		a.op("VMOVUPS", ax.at(0), z(0))
		a.op("VMOVUPS", ax.plus(r8, 0), z(1))
		roundPairs(a, 0, 1, 0)
		a.op("VPERMW", z(0), z(turns), z(0))
		a.op("VMOVUPS", z(0), bx.at(0))
		a.op("ADDQ", 64, ax)
		a.op("ADDQ", 64, bx)
	})
	a.op("LEAQ", si.plus2(r8), si)
	a.op("ADDQ", r9, di)
	a.next(cx, "rows")
	a.ret()
}

// eachGroup writes the beginning of a loop over rows, and that over the groups of
// one, at ax and bx.
func eachGroup(a *asm, body func()) {
	a.loop("rows")
	a.op("MOVQ", si, ax)
	a.op("MOVQ", di, bx)
	a.op("MOVQ", r10, dx)
	a.label("groups")
	body()
	a.next(dx, "groups")
}
