// Package devicetest checks that a device computes what package device says.
//
// [Run] compares every operation with the same thing written down plainly in
// float64, over odd shapes, block edges and starts that are aligned to nothing
// but an element. What an operation must not touch is watched: the elements
// around each tensor, and the sources. Gradients are compared with central
// differences of the float64 forward pass. [SameBytes] compares two devices
// bit by bit.
package devicetest

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"mole/device"
)

// A check exercises one part of the contract. It is given a fresh device.
type check struct {
	name string
	run  func(x *trial)
}

// rules are the checks that compute nothing of interest.
var rules = []check{
	{"memory", checkMemory},
	{"arena", checkArena},
	{"misuse", checkMisuse},
}

var operations = []check{
	{"gather", checkGather},
	{"add rows", checkAddRows},
	{"matmul", checkMatMul},
	{"matmul rounding", checkMatMulRounding},
	{"matmuls", checkMatMuls},
	{"add", checkAdd},
	{"fill", checkFill},
	{"rmsnorm", checkRMSNorm},
	{"layernorm", checkLayerNorm},
	{"rope", checkRoPE},
	{"swiglu", checkSwiGLU},
	{"gelu", checkGELU},
	{"attention", checkAttention},
	{"attention differences", checkAttentionDifferences},
	{"attention rounding", checkAttentionRounding},
	{"cross entropy", checkCrossEntropy},
	{"sum of squares", checkSumSquares},
	{"adamw", checkAdamW},
}

// Run checks the devices that open returns, one for each part of the contract,
// and closes them.
func Run(t *testing.T, open func() device.Accelerator) {
	for _, c := range slices.Concat(rules, operations) {
		t.Run(c.name, func(t *testing.T) {
			x := newTrial(t, open(), c)
			c.run(x)
			x.settle()
			if err := x.dev.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
	}
}

// SameBytes checks that a and b, which differ in the number of workers only,
// give the same bytes for the same operations.
func SameBytes(t *testing.T, a, b device.Accelerator) {
	for _, c := range operations {
		t.Run(c.name, func(t *testing.T) {
			first, second := record(t, a, c), record(t, b, c)
			if len(first) != len(second) {
				t.Fatalf("got %d results, want %d", len(second), len(first))
			}
			for i := range first {
				if !bytes.Equal(first[i].bytes, second[i].bytes) {
					t.Errorf("%s: results differ", first[i].name)
				}
			}
		})
	}
}

// record runs a check on d and returns all results, in order.
func record(t *testing.T, d device.Accelerator, c check) []result {
	x := newTrial(t, d, c)
	x.recording = true
	c.run(x)
	x.settle()
	return x.results
}

// newTrial returns a trial that draws the same numbers each time.
func newTrial(t *testing.T, d device.Accelerator, c check) *trial {
	t.Helper()
	return &trial{t: t, dev: d, rng: rand.New(rand.NewPCG(20, 26)), check: c.name}
}
