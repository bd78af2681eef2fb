package parity

import (
	"context"
	"errors"
	"os"
	"testing"

	"mole/device/cpu"
	"mole/internal/kernel"
)

// recorded are the cases of testdata that need nothing else.
var recorded = []string{"spec", "tiny-text", "tiny-full", "tiny-batch", "wide-small", "generate", "adapter", "processor", "tokens-small"}

// runRecorded runs all of them.
func runRecorded(t *testing.T, o Options) *Report {
	t.Helper()
	var cases []Case
	for _, name := range recorded {
		cases = append(cases, Case{Name: name, Files: os.DirFS("testdata/" + name)})
	}
	r, err := Run(t.Context(), cases, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// explain logs what is not good.
func explain(t *testing.T, r *Result) {
	t.Helper()
	for _, q := range r.Quantities {
		if q.Kind == Checked && q.Status() != StatusOK {
			t.Logf("%s %s: %v, tolerance %v", r.Case, q.Name, q.Worst(), q.Tolerance)
		}
		if q.Kind == NotChecked {
			t.Logf("%s %s: not checked: %v", r.Case, q.Name, q.Values)
		}
	}
	if r.Err != nil {
		t.Logf("%s: %v", r.Case, r.Err)
	}
}

// TestRecordedCases compares logits, loss and every gradient of small networks with
// runs of the reference implementation (acceptance scenario 12 of the specification
// mole; the kernels below are compared with float64 in device/devicetest).
func TestRecordedCases(t *testing.T) {
	for _, tier := range kernel.Tiers() {
		t.Run(tier.String(), func(t *testing.T) {
			r := runRecorded(t, Options{Tier: tier.String(), Workers: 2})
			for _, c := range r.Results {
				if c.Status() != StatusOK {
					t.Errorf("%s: got %s, want ok", c.Case, c.Status())
					explain(t, c)
				}
			}
			if !r.OK(true) {
				t.Error("got a strict failure, want none")
			}
		})
	}
}

func TestWideInBF16(t *testing.T) {
	r := check(t, os.DirFS("testdata/wide-small"), Options{Precision: cpu.BF16, Workers: 1})
	if r.Status() != StatusOK {
		t.Errorf("got %s, want ok", r.Status())
		explain(t, r)
	}
	for _, q := range r.Quantities {
		if q.Name == "text.grad.whole" && (q.Tolerance != 2e-2 || q.Worst().Error < 1e-4) {
			t.Errorf("%s: got error %v under %v, want one of bfloat16 under 2e-2", q.Name, q.Worst(), q.Tolerance)
		}
	}
}

func TestEmbedded(t *testing.T) {
	c := Embedded()
	r, err := Run(t.Context(), []Case{c}, Options{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	if !r.OK(true) || c.Name != "tiny-full" {
		t.Errorf("got case %q, %s, want tiny-full, ok", c.Name, r.Results[0].Status())
	}
}

func TestRunErrors(t *testing.T) {
	if _, err := Run(t.Context(), nil, Options{Tier: "abacus"}); err == nil {
		t.Error("unknown tier: got no error")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Run(ctx, []Case{Embedded()}, Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v, want %v", err, context.Canceled)
	}
	r, err := Run(t.Context(), nil, Options{})
	if err != nil || r.OK(false) {
		t.Errorf("no cases: got error %v, ok %v, want neither", err, r.OK(false))
	}
}

// TestFolderOnDisk checks a case that is read from a disk.
func TestFolderOnDisk(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, load(t, "generate")); err != nil {
		t.Fatal(err)
	}
	if r := check(t, os.DirFS(dir), Options{Workers: 1}); r.Status() != StatusOK {
		t.Errorf("got %s (%v), want ok", r.Status(), r.Err)
	}
}
