package kernel

import (
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
)

func TestParseTier(t *testing.T) {
	tests := []struct {
		in      string
		want    Tier
		wantErr string
	}{
		{"generic", Generic, ""},
		{"avx2", AVX2, ""},
		{"avx512", AVX512, ""},
		{"avx512bf16", AVX512BF16, ""},
		{"neon", NEON, ""},
		{"AVX2", 0, `tier "AVX2": known are generic, avx2, avx512, avx512bf16, neon`},
		{"", 0, `tier "": known are generic, avx2, avx512, avx512bf16, neon`},
	}
	for _, tt := range tests {
		got, err := ParseTier(tt.in)
		msg := ""
		if err != nil {
			msg = err.Error()
		}
		if got != tt.want || msg != tt.wantErr {
			t.Errorf("%q: got %v, %q, want %v, %q", tt.in, got, msg, tt.want, tt.wantErr)
		}
		if err == nil && got.String() != tt.in {
			t.Errorf("%q: String gives %q", tt.in, got)
		}
	}
}

func TestTiers(t *testing.T) {
	ts := Tiers()
	if ts[0] != Generic || !slices.IsSorted(ts) || Best() != ts[len(ts)-1] {
		t.Errorf("got tiers %v, best %v", ts, Best())
	}
	for _, tier := range append(KnownTiers(), 9) {
		if err := tier.Supported(); (err == nil) != slices.Contains(ts, tier) {
			t.Errorf("%v: supported %v, but the tiers are %v", tier, err, ts)
		}
	}
	if want, ok := map[string][]Tier{"amd64": ts, "arm64": {Generic, NEON}}[runtime.GOARCH]; ok && !slices.Equal(ts, want) {
		t.Errorf("got tiers %v on %s, want %v", ts, runtime.GOARCH, want)
	}
}

// TestTiersOfProcessor checks that no tier is left out, and so untested, which
// the processor has by the word of the operating system. (Every arm64 processor
// has NEON, and [TestTiers] wants it.)
func TestTiersOfProcessor(t *testing.T) {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil || runtime.GOARCH != "amd64" {
		return // nobody else to ask
	}
	_, flags, _ := strings.Cut(string(info), "\nflags")
	flags, _, _ = strings.Cut(flags, "\n")
	has := strings.Fields(flags)
	needs := map[Tier][]string{
		AVX2:       {"avx2", "fma"},
		AVX512:     {"avx2", "fma", "avx512f", "avx512bw", "avx512dq", "avx512vl"},
		AVX512BF16: {"avx2", "fma", "avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512_bf16"},
	}
	for tier, flags := range needs {
		lacks := func(f string) bool { return !slices.Contains(has, f) }
		want := !slices.ContainsFunc(flags, lacks)
		if got := tier.Supported(); (got == nil) != want {
			t.Errorf("%v: got %v, want supported %v", tier, got, want)
		}
	}
}

func TestProcessor(t *testing.T) {
	c := Processor()
	if c.Model == "" || c.Model != strings.TrimSpace(c.Model) || c.Cores != runtime.NumCPU() {
		t.Errorf("got %+v", c)
	}
	for _, name := range tierNeeds[Best()] {
		if !slices.Contains(c.Features, name) {
			t.Errorf("features %v lack %s, which tier %v needs", c.Features, name, Best())
		}
	}
}
