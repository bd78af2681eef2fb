package cpu_test

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"mole/device"
	"mole/device/cpu"
	"mole/device/devicetest"
	"mole/tensor"
)

// The devices below are wrong in one thing each. They prove that the suite
// would see it.

type noCausalLimit struct{ *cpu.Device }

func (d noCausalLimit) Attention(dst, lse, q, k, v tensor.Tensor, o device.Attention) {
	o.Segments = slices.Clone(o.Segments)
	for i := range o.Segments {
		o.Segments[i].Causal = false
	}
	d.Device.Attention(dst, lse, q, k, v, o)
}

type lostPast struct{ *cpu.Device }

func (d lostPast) AttentionGrad(dq, dk, dv, dy, y, lse, q, k, v tensor.Tensor, o device.Attention) {
	o.Segments = slices.Clone(o.Segments)
	for i, s := range o.Segments {
		o.Segments[i].Past = s.Past[:max(0, len(s.Past)-1)]
	}
	d.Device.AttentionGrad(dq, dk, dv, dy, y, lse, q, k, v, o)
}

type alwaysAdds struct{ *cpu.Device }

func (d alwaysAdds) MatMul(dst, a, b tensor.Tensor, o device.MatMul) {
	if o.Beta == 0 {
		o.Beta = 1e-30
	}
	d.Device.MatMul(dst, a, b, o)
}

type dropsPair struct{ *cpu.Device }

func (d dropsPair) MatMul(dst, a, b tensor.Tensor, o device.MatMul) {
	o.A2, o.B2 = tensor.Tensor{}, tensor.Tensor{}
	d.Device.MatMul(dst, a, b, o)
}

type ignoresBeta struct{ *cpu.Device }

func (d ignoresBeta) RMSNormGrad(dx, dy, x, w, rstd tensor.Tensor, _ float32) {
	d.Device.RMSNormGrad(dx, dy, x, w, rstd, 0)
}

type otherGELU struct{ *cpu.Device }

func (d otherGELU) GELUGrad(dx, dy, x tensor.Tensor, form device.GELUForm) {
	d.Device.GELUGrad(dx, dy, x, 1-form)
}

type touchesSource struct{ *cpu.Device }

func (d touchesSource) SwiGLU(dst, gate, up tensor.Tensor) {
	d.Device.SwiGLU(dst, gate, up)
	if dst != up {
		d.Add(up, up, up)
	}
}

type neverTurnsBack struct{ *cpu.Device }

func (d neverTurnsBack) RoPE(x, cos, sin tensor.Tensor, _ float32) { d.Device.RoPE(x, cos, sin, 1) }

type forgetsStep struct{ *cpu.Device }

func (d forgetsStep) AdamW(w, m, v, grad tensor.Tensor, o device.AdamW) {
	o.Step = 1
	d.Device.AdamW(w, m, v, grad, o)
}

var broken = []struct {
	name, check string // of the device, and of the check that must fail
	wrap        func(d *cpu.Device) device.Accelerator
}{
	{"no_causal_limit", "attention", func(d *cpu.Device) device.Accelerator { return noCausalLimit{d} }},
	{"lost_past", "attention", func(d *cpu.Device) device.Accelerator { return lostPast{d} }},
	{"always_adds", "matmul", func(d *cpu.Device) device.Accelerator { return alwaysAdds{d} }},
	{"drops_pair", "matmul", func(d *cpu.Device) device.Accelerator { return dropsPair{d} }},
	{"ignores_beta", "rmsnorm", func(d *cpu.Device) device.Accelerator { return ignoresBeta{d} }},
	{"other_gelu", "gelu", func(d *cpu.Device) device.Accelerator { return otherGELU{d} }},
	{"touches_source", "swiglu", func(d *cpu.Device) device.Accelerator { return touchesSource{d} }},
	{"never_turns_back", "rope", func(d *cpu.Device) device.Accelerator { return neverTurnsBack{d} }},
	{"forgets_step", "adamw", func(d *cpu.Device) device.Accelerator { return forgetsStep{d} }},
}

// brokenVar makes TestBroken run the suite on the broken devices, in a process
// of its own, whose failures TestBroken looks for.
const brokenVar = "MOLE_TEST_BROKEN"

func TestBroken(t *testing.T) {
	if os.Getenv(brokenVar) != "" {
		for _, b := range broken {
			t.Run(b.name, func(t *testing.T) {
				devicetest.Run(t, func() device.Accelerator { return b.wrap(open(t, cpu.Options{Workers: 1})) })
			})
		}
		return
	}
	c := exec.Command(os.Args[0], "-test.run=^TestBroken$")
	c.Env = append(os.Environ(), brokenVar+"=1")
	out, err := c.CombinedOutput()
	if err == nil {
		t.Error("the suite passed every broken device")
	}
	for _, b := range broken {
		if want := "--- FAIL: TestBroken/" + b.name + "/" + b.check; !strings.Contains(string(out), want) {
			t.Errorf("the suite passed the device %s", b.name)
		}
	}
}
