package main

import "math"

// The kernels of norms, of the loss, of the optimizer and of rotary positions.
// Sums run in 8 or 16 lanes, which the caller adds up.
var rows = []*pointwise{
	{
		name:    "sumSquares",
		doc:     []string{"sums the squares of n elements, in lanes."},
		sources: []string{"x"},
		sums:    []string{"squares"},
		emit: func(e *vector, s scalars) []int {
			e.addProduct(0, 0, s["squares"])
			return nil
		},
	},
	{
		name:    "sumPlain",
		doc:     []string{"sums n elements, in lanes."},
		sources: []string{"x"},
		sums:    []string{"sum"},
		emit: func(e *vector, s scalars) []int {
			e.add(s["sum"], 0, s["sum"])
			return nil
		},
	},
	{
		name:    "sumDeviations",
		doc:     []string{"sums (x − mean)² over n elements, in lanes."},
		sources: []string{"x"},
		scalars: []string{"mean"},
		sums:    []string{"squares"},
		emit: func(e *vector, s scalars) []int {
			e.sub(0, s["mean"], 0)
			e.isa.drop(e, 0)
			e.addProduct(0, 0, s["squares"])
			return nil
		},
	},
	{
		name:    "rmsNorm",
		doc:     []string{"sets n elements of y to x · rstd · w."},
		results: []string{"y"},
		sources: []string{"x", "w"},
		scalars: []string{"rstd"},
		emit: func(e *vector, s scalars) []int {
			e.mul(0, s["rstd"], 0)
			e.mul(0, 1, 0)
			return []int{0}
		},
	},
	{
		name:    "rmsNormSum",
		doc:     []string{"sums w · dy · x over n elements, in lanes."},
		sources: []string{"dy", "x", "w"},
		sums:    []string{"sum"},
		emit: func(e *vector, s scalars) []int {
			e.mul(0, 2, 0)
			e.addProduct(0, 1, s["sum"])
			return nil
		},
	},
	rmsNormGrad("rmsNormGrad", false),
	rmsNormGrad("rmsNormGradAdd", true),
	{
		name:    "layerNorm",
		doc:     []string{"sets n elements of y to (x − mean) · rstd · w + bias."},
		results: []string{"y"},
		sources: []string{"x", "w", "bias"},
		scalars: []string{"mean", "rstd"},
		emit: func(e *vector, s scalars) []int {
			e.sub(0, s["mean"], 0)
			e.mul(0, s["rstd"], 0)
			e.addProduct(0, 1, 2)
			return []int{2}
		},
	},
	{
		name:    "layerNormSums",
		doc:     []string{"sums g = w · dy and g · (x − mean) · rstd over n elements, in lanes."},
		sources: []string{"dy", "x", "w"},
		scalars: []string{"mean", "rstd"},
		sums:    []string{"g", "gz"},
		emit: func(e *vector, s scalars) []int {
			e.mul(0, 2, 0)
			e.add(s["g"], 0, s["g"])
			e.sub(1, s["mean"], 1)
			e.mul(1, s["rstd"], 1)
			e.addProduct(0, 1, s["gz"])
			return nil
		},
	},
	layerNormGrad("layerNormGrad", false),
	layerNormGrad("layerNormGradAdd", true),
	{
		name:    "ropeHalves",
		doc:     []string{"turns n pairs of lo and hi; see RoPE."},
		results: []string{"lo", "hi"},
		sources: []string{"lo", "hi", "cos", "sin"},
		scalars: []string{"sign"},
		emit: func(e *vector, s scalars) []int {
			e.mul(3, s["sign"], 3)
			e.mul(0, 2, 4)
			e.subProduct(1, 3, 4)
			e.mul(1, 2, 5)
			e.addProduct(0, 3, 5)
			return []int{4, 5}
		},
	},
	{
		name:    "addVectors",
		doc:     []string{"sets n elements of dst to a + b."},
		results: []string{"dst"},
		sources: []string{"a", "b"},
		emit: func(e *vector, _ scalars) []int {
			e.add(0, 1, 0)
			return []int{0}
		},
	},
	{
		name:    "maxLanes",
		doc:     []string{"finds the largest of n elements, a multiple of 16, in lanes. It skips NaN."},
		sources: []string{"x"},
		sums:    []string{"top"},
		start:   math.Inf(-1),
		emit: func(e *vector, s scalars) []int {
			e.max(0, s["top"], s["top"])
			return nil
		},
	},
	{
		name:    "sumExp",
		doc:     []string{"sums exp(x − top) over n elements, in lanes."},
		sources: []string{"x"},
		scalars: []string{"top"},
		sums:    []string{"sum"},
		emit: func(e *vector, s scalars) []int {
			e.sub(0, s["top"], 0)
			e.exp(0, 1, 2)
			e.isa.drop(e, 0)
			e.add(s["sum"], 0, s["sum"])
			return nil
		},
	},
	{
		name:    "scaledExp",
		doc:     []string{"sets n elements of y to weight · exp(x − high − low)."},
		results: []string{"y"},
		sources: []string{"x"},
		scalars: []string{"high", "low", "weight"},
		emit: func(e *vector, s scalars) []int {
			e.sub(0, s["high"], 0)
			e.sub(0, s["low"], 0)
			e.exp(0, 1, 2)
			e.mul(0, s["weight"], 0)
			return []int{0}
		},
	},
	{
		name: "adamW",
		doc: []string{
			"takes the step on n elements; see AdamW. keep1 and keep2 are 1 − beta1",
			"and 1 − beta2, shrink is Rate·Decay, and rate and correct2 correct the bias.",
		},
		results: []string{"w", "m", "v"},
		sources: []string{"w", "m", "v", "grad"},
		scalars: []string{"scale", "beta1", "keep1", "beta2", "keep2", "shrink", "rate", "correct2", "eps"},
		emit:    adamW,
	},
}

// rmsNormGrad returns the kernel that sets dx, or adds to beta · dx.
func rmsNormGrad(name string, add bool) *pointwise {
	p := &pointwise{
		name:    name,
		doc:     []string{"sets n elements of dx to rstd · w · dy − k · x."},
		results: []string{"dx"},
		sources: []string{"dy", "x", "w"},
		scalars: []string{"rstd", "k"},
		emit: func(e *vector, s scalars) []int {
			e.mul(0, 2, 0)
			e.mul(0, s["rstd"], 0)
			e.subProduct(1, s["k"], 0)
			return []int{0}
		},
	}
	return adding(p, add)
}

// layerNormGrad returns the kernel that sets dx, or adds to beta · dx.
func layerNormGrad(name string, add bool) *pointwise {
	p := &pointwise{
		name:    name,
		doc:     []string{"sets n elements of dx to rstd · (w · dy − gMean − (x − mean) · rstd · gzMean)."},
		results: []string{"dx"},
		sources: []string{"dy", "x", "w"},
		scalars: []string{"mean", "rstd", "gMean", "gzMean"},
		emit: func(e *vector, s scalars) []int {
			e.mul(0, 2, 0)
			e.sub(0, s["gMean"], 0)
			e.sub(1, s["mean"], 1)
			e.mul(1, s["rstd"], 1)
			e.subProduct(1, s["gzMean"], 0)
			e.mul(0, s["rstd"], 0)
			return []int{0}
		},
	}
	return adding(p, add)
}

// adding returns p as it is, or made to add its result to beta · dx.
func adding(p *pointwise, add bool) *pointwise {
	if !add {
		return p
	}
	set := p.emit
	p.doc = append(p.doc, "That is added to beta · dx.")
	p.sources = append(p.sources, "dx")
	p.scalars = append(p.scalars, "beta")
	p.emit = func(e *vector, s scalars) []int {
		set(e, s)
		e.addProduct(3, s["beta"], 0)
		return []int{0}
	}
	return p
}

func adamW(e *vector, s scalars) []int {
	const w, m, v, g, t = 0, 1, 2, 3, 4
	e.mul(g, s["scale"], g)
	e.mul(g, s["keep1"], t)
	e.mul(m, s["beta1"], m)
	e.add(m, t, m)
	e.mul(g, g, g)
	e.mul(g, s["keep2"], g)
	e.mul(v, s["beta2"], v)
	e.add(v, g, v)
	e.mul(v, s["correct2"], t)
	e.isa.root(e, t, t)
	e.add(t, s["eps"], t)
	e.mul(m, s["rate"], g)
	e.div(g, t, t)
	e.subProduct(w, s["shrink"], w)
	e.sub(w, t, w)
	return []int{w, m, v}
}
