package cpu_test

import (
	"runtime"
	"strings"
	"testing"

	"mole/device/cpu"
	"mole/device/devicetest"
	"mole/internal/kernel"
)

func TestOpen(t *testing.T) {
	best := kernel.Best().String()
	tests := []struct {
		name    string
		o       cpu.Options
		env     string
		tier    string
		why     string
		wantErr string // substring, "" for none
	}{
		{"default", cpu.Options{}, "", best, "best of generic", ""},
		{"set", cpu.Options{Tier: "generic"}, "", "generic", "set by --tier", ""},
		{"environment", cpu.Options{}, "generic", "generic", "set by MOLE_DEBUG_CPU", ""},
		{"set wins", cpu.Options{Tier: best}, "nonsense", best, "set by --tier", ""},
		{"unknown", cpu.Options{Tier: "mmx"}, "", "", "", `tier "mmx": known are generic, avx2, avx512, avx512bf16, neon (set by --tier; this processor runs generic`},
		{"unknown in environment", cpu.Options{}, "sse", "", "", "set by MOLE_DEBUG_CPU"},
		{"negative", cpu.Options{Workers: -1}, "", "", "", "-1 workers, want 1 or more"},
		{"precision", cpu.Options{Precision: 7}, "", "", "", "unknown precision Precision(7)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("MOLE_DEBUG_CPU", tt.env)
			d, err := cpu.Open(tt.o)
			if tt.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tt.wantErr) {
					t.Fatalf("got error %v, want %q in it", err, tt.wantErr)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if d.Tier().String() != tt.tier || d.Name() != "cpu "+tt.tier || !strings.HasPrefix(d.Why(), tt.why) {
				t.Errorf("got %s, %q, want tier %s, %q", d.Name(), d.Why(), tt.tier, tt.why)
			}
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestAutoPrecision opens devices that choose the precision.
func TestAutoPrecision(t *testing.T) {
	for _, tier := range kernel.KnownTiers() {
		if tier.Supported() != nil {
			continue
		}
		d, err := cpu.Open(cpu.Options{Tier: tier.String(), Precision: cpu.Auto, Workers: 1})
		if err != nil {
			t.Fatal(err)
		}
		want, name := cpu.F32, "cpu "+tier.String()
		if tier == kernel.AVX512BF16 {
			want, name = cpu.BF16, name+", bf16"
		}
		if d.Precision() != want || d.Name() != name {
			t.Errorf("got %v, %q, want %v, %q", d.Precision(), d.Name(), want, name)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestOpenUnsupported asks for every tier that the processor lacks.
func TestOpenUnsupported(t *testing.T) {
	for _, tier := range kernel.KnownTiers() {
		missing := tier.Supported()
		if missing == nil {
			continue
		}
		if _, err := cpu.Open(cpu.Options{Tier: tier.String()}); err == nil || !strings.Contains(err.Error(), missing.Error()) {
			t.Errorf("tier %v: got error %v, want %q in it", tier, err, missing)
		}
	}
}

func TestWorkers(t *testing.T) {
	for _, tt := range []struct{ set, want int }{{0, runtime.GOMAXPROCS(0)}, {1, 1}, {5, 5}} {
		d := open(t, cpu.Options{Workers: tt.set, Precision: cpu.BF16})
		if d.Workers() != tt.want || d.Precision() != cpu.BF16 {
			t.Errorf("got %d workers in %v, want %d in bf16", d.Workers(), d.Precision(), tt.want)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestParsePrecision(t *testing.T) {
	for _, p := range []cpu.Precision{cpu.F32, cpu.BF16, cpu.Auto} {
		if got, err := cpu.ParsePrecision(p.String()); got != p || err != nil {
			t.Errorf("got %v, %v, want %v", got, err, p)
		}
	}
	want := `precision "fp8": want f32, bf16 or auto`
	if _, err := cpu.ParsePrecision("fp8"); err == nil || err.Error() != want {
		t.Errorf("got error %v, want %s", err, want)
	}
}

func TestClosed(t *testing.T) {
	d := open(t, cpu.Options{Workers: 2})
	x := operands{d}.f32(2, 3)
	if err := d.Sync(); err != nil {
		t.Errorf("got %v before closing, want nil", err)
	}
	for range 2 {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := d.Sync(); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("got %v, want an error that says closed", err)
	}
	for name, call := range map[string]func(){
		"add":   func() { d.Add(x, x, x) },
		"alloc": func() { d.Alloc(x.DType, x.Shape) },
		"read":  func() { d.Read(make([]byte, 24), x) },
	} {
		if got, want := devicetest.Panic(call), name+" on a closed device"; !strings.Contains(got, want) {
			t.Errorf("got panic %q, want %q in it", got, want)
		}
	}
}
