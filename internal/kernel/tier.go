// Package kernel holds the inner loops of the CPU device: flat slices in and
// out, one goroutine, no memory of their own. Package device/cpu splits the
// work among workers and checks shapes.
//
// Kernels that exist for several sets of instructions are methods of [Tier];
// the generic one is plain Go, runs everywhere, and is what the others are
// tested against.
package kernel

import (
	"fmt"
	"runtime"
	"strings"
)

// Tier is a set of instructions that kernels are written for. Results of
// different tiers agree to rounding only.
type Tier uint8

// The tiers, slowest first.
const (
	Generic    Tier = iota // plain Go, on every processor: the reference of the others
	AVX2                   // AVX2 and FMA
	AVX512                 // AVX-512 F, BW, DQ and VL
	AVX512BF16             // AVX512, and products of bfloat16: see [MatMul.RoundA]
	NEON                   // ASIMD, as every arm64 processor has it
)

var tierNames = [...]string{Generic: "generic", AVX2: "avx2", AVX512: "avx512", AVX512BF16: "avx512bf16", NEON: "neon"}

// String returns the name of t: generic, avx2, avx512, avx512bf16 or neon.
func (t Tier) String() string {
	if int(t) < len(tierNames) {
		return tierNames[t]
	}
	return fmt.Sprintf("Tier(%d)", uint8(t))
}

// ParseTier returns the tier of that name. It does not ask whether the
// processor supports it; [Tier.Supported] does.
func ParseTier(s string) (Tier, error) {
	for t, name := range tierNames {
		if s == name {
			return Tier(t), nil
		}
	}
	return 0, fmt.Errorf("tier %q: known are %s", s, strings.Join(tierNames[:], ", "))
}

// tierNeeds lists the processor features that each tier requires. AVX2 packs
// for AVX-512 too.
var tierNeeds = [...][]string{
	AVX2:       {"avx2", "fma"},
	AVX512:     {"avx2", "fma", "avx512f", "avx512bw", "avx512dq", "avx512vl"},
	AVX512BF16: {"avx2", "fma", "avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512_bf16"},
	NEON:       {"asimd"},
}

// arch returns the architecture that a vector tier is for.
func (t Tier) arch() string {
	if t == NEON {
		return "arm64"
	}
	return "amd64"
}

// demand panics unless t can run here: the caller has not asked [Tier.Supported].
func (t Tier) demand() {
	if err := t.Supported(); err != nil {
		panic(fmt.Sprintf("kernel: %v", err))
	}
}

// Supported returns nil if this build on this processor can run t, or else
// what is missing.
func (t Tier) Supported() error {
	switch {
	case t == Generic:
		return nil
	case int(t) >= len(tierNeeds):
		return fmt.Errorf("%v is not a tier", t)
	case runtime.GOARCH != t.arch():
		return fmt.Errorf("tier %v needs %s, this build is for %s", t, t.arch(), runtime.GOARCH)
	}
	for _, f := range tierNeeds[t] {
		if !cpuHas(f) {
			return fmt.Errorf("tier %v: processor lacks %s", t, f)
		}
	}
	return nil
}

// KnownTiers returns every tier that there are kernels for, on whatever
// processor, slowest first.
func KnownTiers() []Tier {
	var ts []Tier
	for t := range Tier(len(tierNames)) {
		ts = append(ts, t)
	}
	return ts
}

// Tiers returns the tiers that this build on this processor can run, slowest
// first. The first is Generic.
func Tiers() []Tier {
	var ts []Tier
	for _, t := range KnownTiers() {
		if t.Supported() == nil {
			ts = append(ts, t)
		}
	}
	return ts
}

// Best returns the fastest of [Tiers].
func Best() Tier {
	ts := Tiers()
	return ts[len(ts)-1]
}
