package parity

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"math"
	"slices"

	"mole/device"
	"mole/device/cpu"
	"mole/safetensors"
)

// The files of a case.
const (
	metaFile   = "case.json"
	arrayFile  = "tensors.safetensors"
	configFile = "config.json"    // as transformers 5 spells it
	oldFile    = "config-r4.json" // as the published files spell it
)

// run is the check of one case. Its first problem is kept in out.Err; after
// it, reads return zero values and comparisons do nothing, as the methods of
// [bufio.Writer] do. Whoever starts something long asks failed first.
type run struct {
	ctx     context.Context
	dev     device.Accelerator
	options Options
	files   fs.FS
	limits  limits
	meta    *record
	arrays  *safetensors.File
	known   map[string]bool // arrays that were read
	out     *Result
}

func newRun(ctx context.Context, dev device.Accelerator, c Case, o Options) *run {
	return &run{
		ctx: ctx, dev: dev, options: o, files: c.Files,
		known: map[string]bool{}, out: &Result{Case: c.Name},
	}
}

// fail keeps the first problem.
func (r *run) fail(err error) {
	if r.out.Err == nil && err != nil {
		r.out.Err = err
	}
}

func (r *run) failed() bool { return r.out.Err != nil }

// kinds maps the types of cases to their checks. arrays says whether they
// have a file of tensors.
var kinds = map[string]struct {
	check  func(*run)
	arrays bool
}{
	"step":      {(*run).checkStep, true},
	"batch":     {(*run).checkBatch, true},
	"wide":      {(*run).checkWide, true},
	"generate":  {(*run).checkGenerate, true},
	"adapter":   {(*run).checkAdapter, true},
	"processor": {(*run).checkProcessor, false},
	"tokens":    {(*run).checkTokens, false},
}

// check does all of it, and lists what no check has read.
func (r *run) check() {
	data, err := fs.ReadFile(r.files, metaFile)
	if err != nil {
		r.fail(err) // names the file
		return
	}
	r.meta = parseRecord(metaFile, data, r.fail)
	r.out.Type = r.meta.text("type")
	if r.failed() {
		return
	}
	k, ok := kinds[r.out.Type]
	if !ok {
		r.fail(fmt.Errorf("%s: type %q, want one of %v", metaFile, r.out.Type, sortedKeys(kinds)))
		return
	}
	if k.arrays {
		r.openArrays()
	}
	if r.failed() {
		return
	}
	r.limits = limitsOf(r.out.Type, r.options.Precision)
	k.check(r)
	r.provenance("case", "versions")
	if r.failed() {
		return // what is unread then says nothing
	}
	if rest := r.meta.unread(); len(rest) > 0 {
		r.out.leave(metaFile, NotChecked, "", rest...)
	}
	if rest := r.unreadArrays(); len(rest) > 0 {
		r.out.leave(arrayFile, NotChecked, "", rest...)
	}
	slices.SortStableFunc(r.out.Quantities, func(a, b *Quantity) int { return cmp.Compare(a.Kind, b.Kind) })
}

// provenance lists keys of case.json that only say how the case was made.
// Those that a case does not have are left out.
func (r *run) provenance(keys ...string) {
	for _, key := range keys {
		if r.meta.has(key) {
			r.meta.known[key] = true
			r.out.leave("provenance", Provenance, "", key)
		}
	}
}

func (r *run) openArrays() {
	data, err := fs.ReadFile(r.files, arrayFile)
	if err != nil {
		r.fail(err)
		return
	}
	if r.arrays, err = safetensors.Parse(data); err != nil {
		r.fail(fmt.Errorf("%s: %w", arrayFile, err))
	}
}

func (r *run) unreadArrays() []string {
	if r.arrays == nil {
		return nil
	}
	return slices.DeleteFunc(r.arrays.Names(), func(name string) bool { return r.known[name] })
}

// array returns a recorded tensor, which must have the given shape.
func (r *run) array(name string, shape []int) safetensors.Tensor {
	if r.failed() {
		return safetensors.Tensor{}
	}
	t, err := r.arrays.Tensor(name)
	if err != nil {
		r.fail(fmt.Errorf("%s: %w", arrayFile, err))
		return t
	}
	r.known[name] = true
	if !slices.Equal(t.Shape, shape) {
		r.fail(fmt.Errorf("%s: tensor %q: shape %v, want %v", arrayFile, name, t.Shape, shape))
	}
	return t
}

// floats returns a recorded tensor of F64 or F32. Numbers that are not finite
// are a problem: the recorder writes none.
func (r *run) floats(name string, shape ...int) []float64 {
	t := r.array(name, shape)
	if r.failed() {
		return nil
	}
	if t.DType != safetensors.F64 && t.DType != safetensors.F32 {
		r.fail(fmt.Errorf("%s: tensor %q: type %s, want F64 or F32", arrayFile, name, t.DType))
		return nil
	}
	v, err := t.Float64s()
	if err != nil {
		r.fail(fmt.Errorf("%s: tensor %q: %w", arrayFile, name, err))
	}
	for i, x := range v {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			r.fail(fmt.Errorf("%s: tensor %q: element %d is %v", arrayFile, name, i, x))
			return nil
		}
	}
	return v
}

// integers returns a recorded tensor of I64.
func (r *run) integers(name string, shape ...int) []int64 {
	t := r.array(name, shape)
	if r.failed() {
		return nil
	}
	v, err := t.Int64s()
	if err != nil {
		r.fail(fmt.Errorf("%s: tensor %q: %w", arrayFile, name, err))
	}
	return v
}

// limits are the tolerances of one type of case at one precision: relative
// errors, after the tables of docs/parity.md.
type limits struct {
	values    float64 // of logits, losses and everything before them
	gradient  float64 // of one tensor of the gradient
	gradients float64 // of all of them together
	after     float64 // of losses, norms and adapters after optimizer steps
}

// limitsOf returns the tolerances of a type of case. With BF16 products they
// are those that the reference itself keeps to in BF16.
func limitsOf(kind string, p cpu.Precision) limits {
	switch {
	case p == cpu.BF16:
		return limits{values: 2e-2, gradient: 5e-2, gradients: 2e-2, after: 5e-2}
	case kind == "step" || kind == "batch":
		return limits{values: 1e-5, gradient: 5e-5, gradients: 5e-5, after: 1e-4}
	}
	return limits{values: 2e-5, gradient: 2e-5, gradients: 2e-5}
}
