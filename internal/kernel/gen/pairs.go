package main

import "fmt"

// Products of bfloat16 take their operands in pairs: the elements of k and k+1
// side by side in a lane of four bytes, the first in the lower half. Go's
// assembler does not know the instructions, so their bytes are written out.

const pairRequires = "AVX512F, AVX512BW, AVX512_BF16"

// The operand-size prefixes of the EVEX encoding.
const (
	prefixF3 = 2
	prefixF2 = 3
)

// evex writes an instruction of opcode map 0F38 on whole registers of 512 bits
// (Intel, Software Developer's Manual, volume 2, 2.7.1): src is the operand in
// ModRM.rm, src1 the one in EVEX.vvvv.
func evex(a *asm, name string, opcode, prefix, src, src1, dst int) {
	inverted := func(v, bit int) int { return ^v >> bit & 1 }
	p0 := inverted(dst, 3)<<7 | inverted(src, 4)<<6 | inverted(src, 3)<<5 | inverted(dst, 4)<<4 | 2
	p1 := ^src1&15<<3 | 4 | prefix
	p2 := 2<<5 | inverted(src1, 4)<<3
	rm := 3<<6 | dst&7<<3 | src&7
	fmt.Fprintf(&a.text, "\tLONG $0x%02x%02x%02x62; WORD $0x%02x%02x // %s Z%d, Z%d, Z%d\n",
		p2, p1, p0, rm, opcode, name, src, src1, dst)
}

// dotPairs adds to each lane of register sum the two products of the pairs in
// that lane of x and y.
func dotPairs(a *asm, x, y, sum int) { evex(a, "VDPBF16PS", 0x52, prefixF3, x, y, sum) }

// roundPairs sets register dst to the elements of low and then those of high,
// rounded to bfloat16.
func roundPairs(a *asm, low, high, dst int) {
	evex(a, "VCVTNE2PS2BF16", 0x72, prefixF2, low, high, dst)
}

// roundLanes sets the lower half of register dst to the elements of src, rounded
// to bfloat16.
func roundLanes(a *asm, src, dst int) {
	evex(a, "VCVTNEPS2BF16", 0x72, prefixF3, src, 0, dst)
}

// pairPackers returns the packers of pairs.
func pairPackers() []*function {
	return []*function{
		transposePairs("gemmTransposePairsF32", "float32", 128, func(a *asm, row int) {
			const upper = 16
			a.op("VMOVUPS", ax.plus(r9, 0), z(row))
			a.op("VMOVUPS", ax.plus(r9, 64), z(upper))
			roundPairs(a, row, upper, row)
		}),
		transposePairs("gemmTransposePairsBF16", "uint16", 64, func(a *asm, row int) {
			a.op("VMOVUPS", ax.plus(r9, 0), z(row))
		}),
		joinRows(),
	}
}

// transposePairs returns the packer for an operand that is stored with k
// fastest: 16 of its rows become 16 columns of pairs. load reads 32 elements,
// size bytes, of a row into a register.
func transposePairs(name, kind string, size int, load func(a *asm, row int)) *function {
	return &function{
		name: name,
		doc: []string{
			"sets column p of dst to elements 2p and 2p+1 of 16 rows of",
			"src, in bfloat16, for p below 16·groups. Row r begins offsets[r] bytes behind",
			"src; columns of dst are stride bytes apart. What lies ahead bytes further is",
			"fetched into the cache.",
		},
		requires: pairRequires,
		params: []param{
			{"src", "*" + kind},
			{"offsets", "*[16]uintptr"},
			{"groups", "uintptr"},
			{"dst", "*float32"},
			{"stride", "uintptr"},
			{"ahead", "uintptr"},
		},
		body: func(a *asm) {
			a.args(r9, si, cx, di, r8, r10)
			a.op("ADDQ", r9, r10)
			a.loop("groups")
			for row := range 16 {
				a.op("MOVQ", si.at(8*row), ax)
				for line := 0; line < size; line += 64 {
					a.op("PREFETCHT1", ax.plus(r10, line))
				}
				load(a, row)
			}
			transpose16(a)
			for row := range 16 {
				a.op("VMOVUPS", z(row), di.at(0))
				a.op("ADDQ", r8, di)
			}
			a.op("ADDQ", size, r9)
			a.op("ADDQ", size, r10)
			a.next(cx, "groups")
			a.ret()
		},
	}
}

// transpose16 turns the 16 by 16 lanes of registers 0 to 15: first the 4x4
// blocks within quarters of registers, then the quarters, in two steps.
func transpose16(a *asm) {
	const t = 16
	for v := 0; v < 16; v += 2 {
		a.op("VUNPCKLPS", z(v+1), z(v), z(t+v))
		a.op("VUNPCKHPS", z(v+1), z(v), z(t+v+1))
	}
	for v := 0; v < 16; v += 4 {
		for i := range 2 {
			a.op("VUNPCKLPD", z(t+v+2+i), z(t+v+i), z(v+2*i))
			a.op("VUNPCKHPD", z(t+v+2+i), z(t+v+i), z(v+2*i+1))
		}
	}
	const even, odd = 0x88, 0xdd // quarters 0 and 2 of each operand, or 1 and 3
	for v := range 4 {
		a.op("VSHUFF32X4", even, z(4+v), z(v), z(t+v))
		a.op("VSHUFF32X4", even, z(12+v), z(8+v), z(t+4+v))
		a.op("VSHUFF32X4", odd, z(4+v), z(v), z(t+8+v))
		a.op("VSHUFF32X4", odd, z(12+v), z(8+v), z(t+12+v))
	}
	for v := range 4 {
		a.op("VSHUFF32X4", even, z(t+4+v), z(t+v), z(v))
		a.op("VSHUFF32X4", odd, z(t+4+v), z(t+v), z(8+v))
		a.op("VSHUFF32X4", even, z(t+12+v), z(t+8+v), z(4+v))
		a.op("VSHUFF32X4", odd, z(t+12+v), z(t+8+v), z(12+v))
	}
}

// joinRows returns the packer for an operand that is stored with k slowest:
// each two of its rows become one row of pairs.
func joinRows() *function {
	return &function{
		name: "gemmJoinBF16",
		doc: []string{
			"sets n rows of 16·groups pairs to rows 2i and 2i+1 of src side by",
			"side. Strides are in bytes. What lies ahead bytes further in src is fetched into",
			"the cache.",
		},
		requires: "AVX512F",
		params: []param{
			{"src", "*uint16"},
			{"srcStride", "uintptr"},
			{"n", "uintptr"},
			{"dst", "*float32"},
			{"dstStride", "uintptr"},
			{"groups", "uintptr"},
			{"ahead", "uintptr"},
		},
		body: func(a *asm) {
			a.args(si, r8, cx, di, r9, r10, r11)
			a.loop("rows")
			a.op("MOVQ", si, ax)
			a.op("LEAQ", si.plus(r8, 0), r12)
			a.op("MOVQ", di, bx)
			a.op("MOVQ", r10, dx)
			a.label("groups")
			a.op("PREFETCHT1", ax.plus(r11, 0))
			a.op("PREFETCHT1", r12.plus(r11, 0))
			a.op("VPMOVZXWD", ax.at(0), z(0))
			a.op("VPMOVZXWD", r12.at(0), z(1))
			a.op("VPSLLD", 16, z(1), z(1))
			a.op("VPORD", z(0), z(1), z(0))
			a.op("VMOVUPS", z(0), bx.at(0))
			a.op("ADDQ", 32, ax)
			a.op("ADDQ", 32, r12)
			a.op("ADDQ", 64, bx)
			a.next(dx, "groups")
			a.op("LEAQ", si.plus2(r8), si)
			a.op("ADDQ", r9, di)
			a.next(cx, "rows")
			a.ret()
		},
	}
}
