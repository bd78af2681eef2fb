package train

import (
	"encoding/binary"
	"fmt"
	"math"

	"mole/device"
	"mole/lora"
	"mole/tensor"
)

// OptimizerOptions holds the settings of AdamW. A field that is 0 means the
// default in its comment.
type OptimizerOptions struct {
	Beta1    float64 // decay of the first moment, 0.9
	Beta2    float64 // decay of the second moment, 0.999
	Eps      float64 // added to the root of the second moment, 1e-8
	Decay    float64 // of the weights, decoupled; 0 is none
	ClipNorm float64 // largest norm of the gradient, 1; negative for no limit
}

// withDefaults returns o with defaults where it holds 0.
func (o OptimizerOptions) withDefaults() OptimizerOptions {
	setDefault(&o.Beta1, 0.9)
	setDefault(&o.Beta2, 0.999)
	setDefault(&o.Eps, 1e-8)
	setDefault(&o.ClipNorm, 1)
	return o
}

// setDefault sets v to d if it is 0.
func setDefault[T int | float64](v *T, d T) {
	if *v == 0 {
		*v = d
	}
}

// check returns an error if a setting, defaults filled in, is out of range.
func (o OptimizerOptions) check() error {
	for _, s := range []struct {
		name       string
		value, end float64 // 0 <= value < end
	}{{"beta1", o.Beta1, 1}, {"beta2", o.Beta2, 1}, {"eps", o.Eps, 1}, {"weight decay", o.Decay, math.Inf(1)}} {
		if !(s.value >= 0 && s.value < s.end) {
			return fmt.Errorf("%s %v, want at least 0 and below %v", s.name, s.value, s.end)
		}
	}
	if math.IsNaN(o.ClipNorm) {
		return fmt.Errorf("clip norm %v, want a number", o.ClipNorm)
	}
	return nil
}

// clipEps keeps the factor of clipping finite; its value is that of PyTorch's
// clip_grad_norm_.
const clipEps = 1e-6

// Optimizer is AdamW with clipping by the norm of all gradients together. The
// moments live on the device, beside the weights.
type Optimizer struct {
	device  device.Accelerator
	params  []lora.Param
	m, v    []tensor.Tensor // the moments of each parameter
	sum     tensor.Tensor   // [1], of the squares of the gradient
	options OptimizerOptions
	updates int // steps that changed the weights
}

// NewOptimizer returns an optimizer of params, which live on d, with moments 0.
func NewOptimizer(d device.Accelerator, params []lora.Param, o OptimizerOptions) *Optimizer {
	opt := &Optimizer{device: d, params: params, options: o.withDefaults()}
	opt.sum = d.Alloc(tensor.F32, tensor.Shape{1})
	for _, p := range params {
		for _, moments := range []*[]tensor.Tensor{&opt.m, &opt.v} {
			t := d.Alloc(tensor.F32, p.Weight.Shape)
			d.Fill(t, 0)
			*moments = append(*moments, t)
		}
	}
	return opt
}

// Step changes the weights by their gradients at the given learning rate, sets
// the gradients to zero, and returns the norm that they had before clipping.
// If that is not finite, or its square is beyond float32, weights and moments
// stay as they are and the error is ErrNotFinite.
func (o *Optimizer) Step(rate float64) (norm float64, err error) {
	defer o.zeroGrad()
	norm, err = o.gradNorm()
	if err != nil {
		return norm, err
	}
	if math.IsNaN(norm) || math.IsInf(norm, 0) {
		return norm, fmt.Errorf("gradient norm %v: %w", norm, ErrNotFinite)
	}
	o.updates++
	step := device.AdamW{
		Rate: rate, Beta1: o.options.Beta1, Beta2: o.options.Beta2, Eps: o.options.Eps, Decay: o.options.Decay,
		Step: o.updates, Scale: o.clipScale(norm),
	}
	for i, p := range o.params {
		o.device.AdamW(p.Weight, o.m[i], o.v[i], p.Grad, step)
	}
	return norm, nil
}

// gradNorm returns the Euclidean norm over all gradients.
func (o *Optimizer) gradNorm() (float64, error) {
	o.device.Fill(o.sum, 0)
	for _, p := range o.params {
		o.device.SumSquares(o.sum, p.Grad)
	}
	var b [4]byte
	o.device.Read(b[:], o.sum)
	sum := math.Float32frombits(binary.LittleEndian.Uint32(b[:]))
	return math.Sqrt(float64(sum)), o.device.Sync()
}

// clipScale returns the factor that limits a gradient of that norm.
func (o *Optimizer) clipScale(norm float64) float64 {
	if o.options.ClipNorm < 0 {
		return 1
	}
	return min(1, o.options.ClipNorm/(norm+clipEps))
}

// zeroGrad sets all gradients to zero.
func (o *Optimizer) zeroGrad() {
	for _, p := range o.params {
		o.device.Fill(p.Grad, 0)
	}
}

// Close frees the moments. Weights and gradients belong to the network.
func (o *Optimizer) Close() {
	for i := range o.params {
		o.device.Free(o.m[i])
		o.device.Free(o.v[i])
	}
	o.device.Free(o.sum)
	o.params, o.m, o.v = nil, nil, nil
}
