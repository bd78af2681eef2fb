package train_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"mole/device"
	"mole/device/cpu"
	"mole/lora"
	"mole/tensor"
	"mole/train"
)

// params returns two parameters with zero gradients.
func params(d device.Accelerator) []lora.Param {
	var all []lora.Param
	for i, s := range []tensor.Shape{{3, 5}, {7, 2}} {
		p := lora.Param{Name: fmt.Sprint(i), Weight: d.Alloc(tensor.F32, s), Grad: d.Alloc(tensor.F32, s)}
		d.Fill(p.Weight, 0.5)
		d.Fill(p.Grad, 0)
		all = append(all, p)
	}
	return all
}

// openDevice returns the reference device, closed with the test.
func openDevice(t *testing.T) *cpu.Device {
	t.Helper()
	d, err := cpu.Open(cpu.Options{Workers: 1, Tier: "generic"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

// adam is AdamW with clipping in float64, over all parameters as one vector.
type adam struct {
	w, m, v []float64
	step    int
	o       train.OptimizerOptions
}

// update takes one step and returns the norm of the gradient.
func (a *adam) update(grad []float64, rate float64) float64 {
	norm := 0.0
	for _, g := range grad {
		norm += g * g
	}
	norm = math.Sqrt(norm)
	scale := 1.0
	if a.o.ClipNorm >= 0 {
		scale = min(1, a.o.ClipNorm/(norm+1e-6))
	}
	a.step++
	for i, g := range grad {
		g *= scale
		a.m[i] = a.o.Beta1*a.m[i] + (1-a.o.Beta1)*g
		a.v[i] = a.o.Beta2*a.v[i] + (1-a.o.Beta2)*g*g
		m := a.m[i] / (1 - math.Pow(a.o.Beta1, float64(a.step)))
		v := a.v[i] / (1 - math.Pow(a.o.Beta2, float64(a.step)))
		a.w[i] -= rate*a.o.Decay*a.w[i] + rate*m/(math.Sqrt(v)+a.o.Eps)
	}
	return norm
}

func TestOptimizer(t *testing.T) {
	tests := []struct {
		name string
		o    train.OptimizerOptions
	}{
		{"defaults", train.OptimizerOptions{Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, ClipNorm: 1}},
		{"decay", train.OptimizerOptions{Beta1: 0.8, Beta2: 0.95, Eps: 1e-6, Decay: 0.1, ClipNorm: 0.3}},
		{"no clipping", train.OptimizerOptions{Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, ClipNorm: -1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := openDevice(t)
			ps := params(d)
			opt := train.NewOptimizer(d, ps, tt.o)
			defer opt.Close()
			const n = 15 + 14
			want := &adam{make([]float64, n), make([]float64, n), make([]float64, n), 0, tt.o}
			for i := range want.w {
				want.w[i] = 0.5
			}
			random := rand.New(rand.NewPCG(1, 1))
			for step := range 10 {
				rate := 0.01 * float64(step) // the first step has rate 0
				norm := want.update(setGradients(d, ps, random), rate)
				got, err := opt.Step(rate)
				checkErr(t, err, "")
				near(t, "norm", got, norm, 1e-6)
			}
			checkParams(t, d, ps, want.w)
		})
	}
}

// setGradients sets random gradients, sometimes large, and returns them.
func setGradients(d device.Device, ps []lora.Param, random *rand.Rand) []float64 {
	var all []float64
	scale := math.Exp(4*random.Float64() - 3)
	for _, p := range ps {
		grad := make([]float32, p.Grad.Len())
		for i := range grad {
			grad[i] = float32(scale * random.NormFloat64())
			all = append(all, float64(grad[i]))
		}
		d.Write(p.Grad, floatBytes(grad))
	}
	return all
}

// checkParams reports weights that are not as wanted and gradients that are not
// zero.
func checkParams(t *testing.T, d device.Device, ps []lora.Param, want []float64) {
	t.Helper()
	k := 0
	for _, p := range ps {
		for i, got := range floats(d, p.Weight) {
			near(t, fmt.Sprintf("weight %d of %s", i, p.Name), float64(got), want[k], 1e-5)
			k++
		}
		if grad := floats(d, p.Grad); !slices.Equal(grad, make([]float32, len(grad))) {
			t.Errorf("gradient of %s: got %v, want zeros", p.Name, grad)
		}
	}
}

func TestOptimizerNotFinite(t *testing.T) {
	for _, bad := range []float32{nan, inf, -inf, 1e20} {
		d := openDevice(t)
		ps := params(d)
		opt := train.NewOptimizer(d, ps, train.OptimizerOptions{})
		d.Fill(ps[1].Grad, bad)
		if _, err := opt.Step(1); !errors.Is(err, train.ErrNotFinite) {
			t.Errorf("gradient %v: got error %v, want ErrNotFinite", bad, err)
		}
		// The bad gradient is gone, and the moments have not seen it: the next
		// step is that of a new optimizer, which moves by the rate.
		d.Fill(ps[0].Grad, 1)
		if _, err := opt.Step(0.125); err != nil {
			t.Errorf("after gradient %v: %v", bad, err)
		}
		want := slices.Repeat([]float64{0.375}, 15)
		checkParams(t, d, ps, append(want, slices.Repeat([]float64{0.5}, 14)...))
		opt.Close()
	}
}
