// Vector versions of the loops beside this file. All need AVX2.

#include "textflag.h"

// func upAVX2(dst, src, above *uint8, blocks uintptr)
TEXT ·upAVX2(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ above+16(FP), DX
	MOVQ blocks+24(FP), CX

up:
	VMOVDQU (SI), Y0
	VPADDB  (DX), Y0, Y0
	VMOVDQU Y0, (DI)
	ADDQ    $32, SI
	ADDQ    $32, DX
	ADDQ    $32, DI
	DECQ    CX
	JNZ     up
	VZEROUPPER
	RET

// Samples are widened to words: X0 is the pixel on the left, X1 that above, X2
// that above left. Of lo, the smaller one of left and above, hi, the larger one,
// and above left, the first is nearest if 3·above left - left - above is at least
// hi, the second if it is at most lo.
//
// func paethAVX2(dst, src, above *uint8, step, n uintptr)
TEXT ·paethAVX2(SB), NOSPLIT, $0-40
	MOVQ      dst+0(FP), DI
	MOVQ      src+8(FP), SI
	MOVQ      above+16(FP), DX
	MOVQ      step+24(FP), R8
	MOVQ      n+32(FP), CX
	VMOVD     (DI), X0
	VPMOVZXBW X0, X0
	VMOVD     (DX), X2
	VPMOVZXBW X2, X2

paeth:
	ADDQ      R8, SI
	ADDQ      R8, DX
	ADDQ      R8, DI
	VMOVD     (DX), X1
	VPMOVZXBW X1, X1
	VMOVD     (SI), X3
	VPMOVZXBW X3, X3
	VPADDW    X2, X2, X4
	VPADDW    X2, X4, X4
	VPSUBW    X1, X4, X4      // 3·above left - above
	VPSUBW    X0, X4, X4
	VPMINSW   X0, X1, X5      // lo
	VPMAXSW   X0, X1, X6      // hi
	VPCMPGTW  X4, X6, X7      // not lo
	VPCMPGTW  X5, X4, X8      // not hi
	VPBLENDVB X7, X2, X5, X5
	VPBLENDVB X8, X5, X6, X5
	VPADDB    X5, X3, X0
	VMOVDQA   X1, X2
	VPACKUSWB X0, X0, X9
	VMOVD     X9, (DI)
	DECQ      CX
	JNZ       paeth
	RET

// Bytes of the colours of four pixels as words: a pixel beside its neighbour,
// the first two in the lower half.
DATA pairs<>+0(SB)/8, $0x8004800180038000
DATA pairs<>+8(SB)/8, $0x8080808080058002
DATA pairs<>+16(SB)/8, $0x800a800780098006
DATA pairs<>+24(SB)/8, $0x80808080800b8008
GLOBL pairs<>(SB), RODATA|NOPTR, $32

// The first two of four weights in the lower half, the others in the upper one.
DATA halves<>+0(SB)/8, $0x0000000000000000
DATA halves<>+8(SB)/8, $0x0000000000000000
DATA halves<>+16(SB)/8, $0x0000000100000001
DATA halves<>+24(SB)/8, $0x0000000100000001
GLOBL halves<>(SB), RODATA|NOPTR, $32

// func rowAVX2(dst, src *uint8, offsets *int32, weights *int16, groups, n uintptr, half int32, shift uint32)
TEXT ·rowAVX2(SB), NOSPLIT, $0-56
	MOVQ         dst+0(FP), DI
	MOVQ         src+8(FP), SI
	MOVQ         offsets+16(FP), R8
	MOVQ         weights+24(FP), R9
	MOVQ         groups+32(FP), R10
	MOVQ         n+40(FP), CX
	VMOVDQU      pairs<>(SB), Y13
	VMOVDQU      halves<>(SB), Y12
	MOVL         half+48(FP), AX
	VMOVD        AX, X15
	VPBROADCASTD X15, X15 // once: the upper half of the register is 0
	MOVL         shift+52(FP), AX
	VMOVD        AX, X14

pixel:
	MOVLQSX (R8), AX
	ADDQ    $4, R8
	ADDQ    SI, AX
	VMOVDQA Y15, Y0
	MOVQ    R10, BX

group:
	VBROADCASTI128 (AX), Y1
	VPSHUFB        Y13, Y1, Y1
	VPBROADCASTQ   (R9), Y2
	VPERMILPS      Y12, Y2, Y2
	VPMADDWD       Y2, Y1, Y1
	VPADDD         Y1, Y0, Y0
	ADDQ           $12, AX
	ADDQ           $8, R9
	DECQ           BX
	JNZ            group
	VEXTRACTI128   $1, Y0, X1
	VPADDD         X1, X0, X0
	VPSRAD         X14, X0, X0
	VPACKSSDW      X0, X0, X0
	VPACKUSWB      X0, X0, X0
	VMOVD          X0, (DI)
	ADDQ           $3, DI
	DECQ           CX
	JNZ            pixel
	VZEROUPPER
	RET

// Where the four bytes of samples belong that packing has left in two halves.
DATA order<>+0(SB)/8, $0x0000000400000000
DATA order<>+8(SB)/8, $0x0000000500000001
DATA order<>+16(SB)/8, $0x0000000600000002
DATA order<>+24(SB)/8, $0x0000000700000003
GLOBL order<>(SB), RODATA|NOPTR, $32

// func lineAVX2(dst, src *uint8, stride uintptr, weights *int32, taps, blocks uintptr, half int32, shift uint32)
TEXT ·lineAVX2(SB), NOSPLIT, $0-56
	MOVQ         dst+0(FP), DI
	MOVQ         src+8(FP), SI
	MOVQ         stride+16(FP), R8
	MOVQ         weights+24(FP), R9
	MOVQ         taps+32(FP), R10
	MOVQ         blocks+40(FP), CX
	VMOVDQU      order<>(SB), Y13
	MOVL         half+48(FP), AX
	VMOVD        AX, X15
	VPBROADCASTD X15, Y15
	MOVL         shift+52(FP), AX
	VMOVD        AX, X14

block:
	VMOVDQA Y15, Y0
	VMOVDQA Y15, Y1
	VMOVDQA Y15, Y2
	VMOVDQA Y15, Y3
	MOVQ    SI, AX
	MOVQ    R9, DX
	MOVQ    R10, BX

tap:
	VPBROADCASTD (DX), Y4
	VPMOVZXBD    (AX), Y5
	VPMOVZXBD    8(AX), Y6
	VPMOVZXBD    16(AX), Y7
	VPMOVZXBD    24(AX), Y8
	VPMULLD      Y4, Y5, Y5
	VPMULLD      Y4, Y6, Y6
	VPMULLD      Y4, Y7, Y7
	VPMULLD      Y4, Y8, Y8
	VPADDD       Y5, Y0, Y0
	VPADDD       Y6, Y1, Y1
	VPADDD       Y7, Y2, Y2
	VPADDD       Y8, Y3, Y3
	ADDQ         R8, AX
	ADDQ         $4, DX
	DECQ         BX
	JNZ          tap
	VPSRAD       X14, Y0, Y0
	VPSRAD       X14, Y1, Y1
	VPSRAD       X14, Y2, Y2
	VPSRAD       X14, Y3, Y3
	VPACKSSDW    Y1, Y0, Y0
	VPACKSSDW    Y3, Y2, Y2
	VPACKUSWB    Y2, Y0, Y0
	VPERMD       Y0, Y13, Y0
	VMOVDQU      Y0, (DI)
	ADDQ         $32, SI
	ADDQ         $32, DI
	DECQ         CX
	JNZ          block
	VZEROUPPER
	RET

// Bytes of one colour of four pixels as numbers of 32 bits, in either half.
DATA reds<>+0(SB)/8, $0x8080800380808000
DATA reds<>+8(SB)/8, $0x8080800980808006
DATA reds<>+16(SB)/8, $0x8080800380808000
DATA reds<>+24(SB)/8, $0x8080800980808006
GLOBL reds<>(SB), RODATA|NOPTR, $32

DATA greens<>+0(SB)/8, $0x8080800480808001
DATA greens<>+8(SB)/8, $0x8080800a80808007
DATA greens<>+16(SB)/8, $0x8080800480808001
DATA greens<>+24(SB)/8, $0x8080800a80808007
GLOBL greens<>(SB), RODATA|NOPTR, $32

DATA blues<>+0(SB)/8, $0x8080800580808002
DATA blues<>+8(SB)/8, $0x8080800b80808008
DATA blues<>+16(SB)/8, $0x8080800580808002
DATA blues<>+24(SB)/8, $0x8080800b80808008
GLOBL blues<>(SB), RODATA|NOPTR, $32

// func patchAVX2(dst *float32, volume uintptr, src *uint8, stride, size uintptr, mean, std *float32)
TEXT ·patchAVX2(SB), NOSPLIT, $0-56
	MOVQ         dst+0(FP), DI
	MOVQ         volume+8(FP), R8
	MOVQ         src+16(FP), SI
	MOVQ         stride+24(FP), R9
	MOVQ         size+32(FP), R10
	MOVQ         mean+40(FP), R11
	MOVQ         std+48(FP), R12
	VMOVDQU      reds<>(SB), Y13
	VMOVDQU      greens<>(SB), Y14
	VMOVDQU      blues<>(SB), Y15
	VBROADCASTSS (R11), Y7
	VBROADCASTSS 4(R11), Y8
	VBROADCASTSS 8(R11), Y9
	VBROADCASTSS (R12), Y10
	VBROADCASTSS 4(R12), Y11
	VBROADCASTSS 8(R12), Y12
	MOVQ         R10, CX

line:
	MOVQ SI, AX
	MOVQ R10, BX

eight:
	VMOVDQU     (AX), X0
	VINSERTI128 $1, 12(AX), Y0, Y0
	VPSHUFB     Y13, Y0, Y1
	VPSHUFB     Y14, Y0, Y2
	VPSHUFB     Y15, Y0, Y3
	VCVTDQ2PS   Y1, Y1
	VCVTDQ2PS   Y2, Y2
	VCVTDQ2PS   Y3, Y3
	VSUBPS      Y7, Y1, Y1
	VSUBPS      Y8, Y2, Y2
	VSUBPS      Y9, Y3, Y3
	VDIVPS      Y10, Y1, Y1
	VDIVPS      Y11, Y2, Y2
	VDIVPS      Y12, Y3, Y3
	VMOVUPS     Y1, (DI)
	VMOVUPS     Y2, (DI)(R8*1)
	VMOVUPS     Y3, (DI)(R8*2)
	ADDQ        $24, AX
	ADDQ        $32, DI
	SUBQ        $8, BX
	JNZ         eight
	ADDQ        R9, SI
	DECQ        CX
	JNZ         line
	VZEROUPPER
	RET

// How often each byte of a block counts in the sum of sums.
DATA falling<>+0(SB)/8, $0x191a1b1c1d1e1f20
DATA falling<>+8(SB)/8, $0x1112131415161718
DATA falling<>+16(SB)/8, $0x090a0b0c0d0e0f10
DATA falling<>+24(SB)/8, $0x0102030405060708
GLOBL falling<>(SB), RODATA|NOPTR, $32

// Y0 holds the sums of bytes, Y1 the sums of Y0 before each block, Y2 what the
// bytes of each block add to the sum of sums.
//
// func adlerAVX2(sums *[3]uint32, p *uint8, blocks uintptr)
TEXT ·adlerAVX2(SB), NOSPLIT, $0-24
	MOVQ         sums+0(FP), DI
	MOVQ         p+8(FP), SI
	MOVQ         blocks+16(FP), CX
	VPXOR        Y0, Y0, Y0
	VPXOR        Y1, Y1, Y1
	VPXOR        Y2, Y2, Y2
	VPXOR        Y7, Y7, Y7
	VMOVDQU      falling<>(SB), Y5
	VPCMPEQW     Y6, Y6, Y6
	VPSRLW       $15, Y6, Y6      // ones

sum:
	VMOVDQU    (SI), Y3
	VPADDD     Y0, Y1, Y1
	VPSADBW    Y7, Y3, Y4
	VPADDD     Y4, Y0, Y0
	VPMADDUBSW Y5, Y3, Y3
	VPMADDWD   Y6, Y3, Y3
	VPADDD     Y3, Y2, Y2
	ADDQ       $32, SI
	DECQ       CX
	JNZ        sum

	VEXTRACTI128 $1, Y0, X3
	VPADDD       X3, X0, X0
	VPSHUFD      $0xee, X0, X3
	VPADDD       X3, X0, X0
	VMOVD        X0, (DI)
	VEXTRACTI128 $1, Y1, X3
	VPADDD       X3, X1, X1
	VPSHUFD      $0xee, X1, X3
	VPADDD       X3, X1, X1
	VMOVD        X1, 4(DI)
	VEXTRACTI128 $1, Y2, X3
	VPADDD       X3, X2, X2
	VPSHUFD      $0xee, X2, X3
	VPADDD       X3, X2, X2
	VPSHUFD      $0x55, X2, X3
	VPADDD       X3, X2, X2
	VMOVD        X2, 8(DI)
	VZEROUPPER
	RET
