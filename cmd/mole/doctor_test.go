package main

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"mole/internal/kernel"
	"mole/parity"
)

func TestDoctor(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if got := run([]string{"doctor"}, &stdout, &stderr); got != statusOK {
		t.Errorf("got status %d and %q, want 0", got, &stderr)
	}
	for _, want := range []string{
		`build +mole .*go1\.`,
		`processor +\S`,
		`kernels +(generic|avx2|avx512|avx512bf16|neon): `,
		`  generic +runs here`,
		`threads +[1-9]\d* workers \(GOMAXPROCS [1-9]`,
		`memory +\S`,
		`exactness +ok: ([1-9]\d+) of [1-9]\d+ values of case tiny-full agree`,
	} {
		if !regexp.MustCompile("(?m)^" + want).Match(stdout.Bytes()) {
			t.Errorf("got no line %q in\n%s", want, &stdout)
		}
	}
}

func TestDoctorJSON(t *testing.T) {
	t.Setenv("MOLE_DEBUG_CPU", "generic")
	var stdout, stderr bytes.Buffer
	if got := run([]string{"doctor", "--json"}, &stdout, &stderr); got != statusOK {
		t.Errorf("got status %d and %q, want 0", got, &stderr)
	}
	var d struct {
		Kernels kernels
		Case    struct{ OK bool }
	}
	if err := json.Unmarshal(stdout.Bytes(), &d); err != nil {
		t.Fatal(err)
	}
	if d.Kernels.Tier != "generic" || d.Kernels.Why != "set by MOLE_DEBUG_CPU" || !d.Case.OK {
		t.Errorf("got %+v, want tier generic and a case that is ok", d)
	}
	supported := 0
	for _, s := range d.Kernels.Tiers {
		if s.Supported {
			supported++
		}
	}
	if want := len(kernel.Tiers()); supported != want {
		t.Errorf("got %d supported tiers in %+v, want %d", supported, d.Kernels.Tiers, want)
	}
}

// A tier that does not exist must not hide what else the command finds out.
func TestDoctorTier(t *testing.T) {
	t.Setenv("MOLE_DEBUG_CPU", "abacus")
	var stdout, stderr bytes.Buffer
	if got := run([]string{"doctor"}, &stdout, &stderr); got != statusFailed {
		t.Errorf("got status %d, want 1", got)
	}
	for _, want := range []string{"kernels       none\n", "exactness     not known\n", "runs here\n"} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("got\n%swant %q in it", &stdout, want)
		}
	}
	if !strings.Contains(stderr.String(), `"abacus"`) {
		t.Errorf("got %q, want the name of the tier in it", &stderr)
	}
}

// A case that is out of tolerance is printed in full.
func TestVerdict(t *testing.T) {
	v := verdict{
		report: &parity.Report{Results: []*parity.Result{{
			Case: "made-up",
			Quantities: []*parity.Quantity{
				{Name: "logits", Values: []parity.Value{{Name: "a", Error: 1}}, Tolerance: 1e-5},
				{Name: "loss", Values: []parity.Value{{Name: "b"}, {Name: "c"}}, Tolerance: 1e-5},
			},
		}}},
		elapsed: 1500 * time.Millisecond,
	}
	want := "FAILED: 2 of 3 values of case made-up agree with the reference (1.5 s)"
	if got := v.String(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	var w bytes.Buffer
	if err := v.writeFailure(&w); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(w.String(), "logits") {
		t.Errorf("got %q, want the quantity that failed in it", &w)
	}
}

// What the machine cannot run says why.
func TestKernelsWrite(t *testing.T) {
	k := kernels{Tier: "avx2", Why: "best of generic, avx2", Tiers: []tierState{
		{Name: "avx2", Supported: true},
		{Name: "avx512", Why: "processor lacks avx512f"},
	}}
	var w bytes.Buffer
	k.write(&w)
	want := "kernels\tavx2: best of generic, avx2\n" +
		"  avx2\truns here\n" +
		"  avx512\tdoes not run here: processor lacks avx512f\n"
	if got := w.String(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
