package devicetest

import (
	"math"
)

// normSizes are T and C.
var normSizes = [][2]int{{1, 1}, {3, 2}, {2, 15}, {5, 16}, {4, 63}, {3, 64}, {9, 65}, {1, 130}, {40, 129}}

// normLarge is for many workers.
var normLarge = [2]int{150, 65}

const eps = 1e-6

// normInput is what both norms read. Rows differ in size and in mean.
type normInput struct {
	t, c     int
	x, w, dy *array
}

func (x *trial) normInput(t, c int) normInput {
	values := x.draw(t * c)
	for i := range values {
		row := i / c
		values[i] = values[i]*[]float64{1, 0.25, 4}[row%3] + []float64{0, 0, 0, 3}[row%4]
	}
	return normInput{t, c, x.source("x", values, t, c), x.normal("w", c), x.normal("dy", t, c)}
}

// row returns row i of values.
func (n *normInput) row(values []float64, i int) []float64 { return values[i*n.c : (i+1)*n.c] }

func checkRMSNorm(x *trial) {
	for i, s := range sizes(x, normSizes, normLarge) {
		x.try("T=%d C=%d", s[0], s[1])
		n := x.normInput(s[0], s[1])
		dst, rstd := x.empty("dst", n.t, n.c), x.empty("rstd", n.t)
		x.dev.RMSNorm(dst.Tensor, rstd.Tensor, n.x.Tensor, n.w.Tensor, eps)
		x.expect(dst, func() []bound { return n.rms(false) })
		x.expect(rstd, func() []bound { return n.rms(true) })

		beta := []float32{0, 1, 0.5}[i%3]
		x.try("gradient T=%d C=%d beta=%v", s[0], s[1], beta)
		n = x.normInput(s[0], s[1])
		dx := x.accumulator("dx", beta, n.t, n.c)
		r := x.source("rstd", wants(n.rms(true)), n.t)
		x.dev.RMSNormGrad(dx.Tensor, n.dy.Tensor, n.x.Tensor, n.w.Tensor, r.Tensor, beta)
		x.expect(dx, func() []bound { return n.rmsGrad(dx.values, float64(beta)) })

		x.try("gradient in place T=%d C=%d", s[0], s[1])
		n = x.normInput(s[0], s[1])
		n.dy.changes = true
		r = x.source("rstd", wants(n.rms(true)), n.t)
		x.dev.RMSNormGrad(n.dy.Tensor, n.dy.Tensor, n.x.Tensor, n.w.Tensor, r.Tensor, 0)
		x.expect(n.dy, func() []bound { return n.rmsGrad(nil, 0) })
	}
}

// accumulator returns a destination that is read only if beta is not 0.
func (x *trial) accumulator(name string, beta float32, extents ...int) *array {
	if beta == 0 {
		return x.empty(name, extents...)
	}
	return x.inout(name, extents...)
}

func wants(list []bound) []float64 {
	values := make([]float64, len(list))
	for i, b := range list {
		values[i] = b.want
	}
	return values
}

// rmsNorm returns one row of RMSNorm and its 1/rms.
func rmsNorm(x, w []float64) (y []float64, rstd float64) {
	ss, _ := dot(x, x)
	rstd = 1 / math.Sqrt(ss/float64(len(x))+eps)
	y = make([]float64, len(x))
	for i, v := range x {
		y[i] = v * w[i] * rstd
	}
	return y, rstd
}

// rms returns the result of RMSNorm, or the reciprocals that it keeps.
func (n *normInput) rms(rstds bool) (list []bound) {
	for i := range n.t {
		y, rstd := rmsNorm(n.row(n.x.values, i), n.w.values)
		if rstds {
			y = []float64{rstd}
		}
		for _, v := range y {
			list = append(list, bound{v, slack(n.c, math.Abs(v))})
		}
	}
	return list
}

// rmsGrad returns the gradient of RMSNorm by differences. mag follows the terms
// of r·w∘dy − x·r³/C·Σ w∘dy∘x.
func (n *normInput) rmsGrad(old []float64, beta float64) (list []bound) {
	for i := range n.t {
		row, dy := n.row(n.x.values, i), n.row(n.dy.values, i)
		_, r := rmsNorm(row, n.w.values)
		var sum float64
		for j, v := range row {
			sum += math.Abs(n.w.values[j] * dy[j] * v)
		}
		for j, v := range row {
			grad := partial(row, j, 1/r, func() float64 {
				y, _ := rmsNorm(row, n.w.values)
				loss, _ := dot(dy, y)
				return loss
			})
			mag := math.Abs(r*n.w.values[j]*dy[j]) + math.Abs(v)*r*r*r/float64(n.c)*sum
			list = append(list, accumulated(old, beta, i*n.c+j, grad, slack(n.c, mag)))
		}
	}
	return list
}

// accumulated returns the bound of beta·old[i] + grad.
func accumulated(old []float64, beta float64, i int, grad, tol float64) bound {
	if beta == 0 {
		return bound{grad, tol}
	}
	return bound{beta*old[i] + grad, tol + slack(1, math.Abs(beta*old[i]))}
}

func checkLayerNorm(x *trial) {
	for i, s := range sizes(x, normSizes, normLarge) {
		x.try("T=%d C=%d", s[0], s[1])
		n := x.normInput(s[0], s[1])
		bias := x.normal("bias", n.c)
		dst, mean, rstd := x.empty("dst", n.t, n.c), x.empty("mean", n.t), x.empty("rstd", n.t)
		x.dev.LayerNorm(dst.Tensor, mean.Tensor, rstd.Tensor, n.x.Tensor, n.w.Tensor, bias.Tensor, eps)
		x.expect(dst, func() []bound { return n.layer(bias.values) })
		x.expect(mean, n.means)
		x.expect(rstd, n.rstds)

		beta := []float32{0.5, 0, 1}[i%3]
		x.try("gradient T=%d C=%d beta=%v", s[0], s[1], beta)
		n = x.normInput(s[0], s[1])
		dx := x.accumulator("dx", beta, n.t, n.c)
		mean, rstd = x.source("mean", wants(n.means()), n.t), x.source("rstd", wants(n.rstds()), n.t)
		x.dev.LayerNormGrad(dx.Tensor, n.dy.Tensor, n.x.Tensor, n.w.Tensor, mean.Tensor, rstd.Tensor, beta)
		x.expect(dx, func() []bound { return n.layerGrad(dx.values, float64(beta)) })

		x.try("gradient in place T=%d C=%d", s[0], s[1])
		n = x.normInput(s[0], s[1])
		n.dy.changes = true
		mean, rstd = x.source("mean", wants(n.means()), n.t), x.source("rstd", wants(n.rstds()), n.t)
		x.dev.LayerNormGrad(n.dy.Tensor, n.dy.Tensor, n.x.Tensor, n.w.Tensor, mean.Tensor, rstd.Tensor, 0)
		x.expect(n.dy, func() []bound { return n.layerGrad(nil, 0) })
	}
}

// layerNorm returns one row of LayerNorm without weight and bias, its mean and
// 1/√(variance + eps).
func layerNorm(x []float64) (z []float64, mean, rstd float64) {
	n := float64(len(x))
	for _, v := range x {
		mean += v
	}
	mean /= n
	var variance float64
	for _, v := range x {
		variance += (v - mean) * (v - mean)
	}
	rstd = 1 / math.Sqrt(variance/n+eps)
	z = make([]float64, len(x))
	for i, v := range x {
		z[i] = (v - mean) * rstd
	}
	return z, mean, rstd
}

func (n *normInput) means() (list []bound) {
	for i := range n.t {
		row := n.row(n.x.values, i)
		_, mean, _ := layerNorm(row)
		list = append(list, bound{mean, slack(n.c, meanAbs(row))})
	}
	return list
}

func (n *normInput) rstds() (list []bound) {
	for i := range n.t {
		_, _, rstd := layerNorm(n.row(n.x.values, i))
		list = append(list, bound{rstd, slack(n.c, rstd)})
	}
	return list
}

func meanAbs(x []float64) (sum float64) {
	for _, v := range x {
		sum += math.Abs(v)
	}
	return sum / float64(len(x))
}

// layer returns the result of LayerNorm. The error of the mean stays in every
// x − mean.
func (n *normInput) layer(bias []float64) (list []bound) {
	for i := range n.t {
		row := n.row(n.x.values, i)
		z, _, rstd := layerNorm(row)
		for j, v := range row {
			w := n.w.values[j]
			mag := math.Abs(w)*rstd*(math.Abs(v)+meanAbs(row)) + math.Abs(bias[j])
			list = append(list, bound{z[j]*w + bias[j], slack(n.c, mag)})
		}
	}
	return list
}

// layerGrad returns the gradient of LayerNorm by differences. mag follows the
// terms of rstd·(g − mean(g) − z·mean(g∘z)), g = w∘dy, with z as exact as the
// rounded mean leaves it.
func (n *normInput) layerGrad(old []float64, beta float64) (list []bound) {
	for i := range n.t {
		row, dy := n.row(n.x.values, i), n.row(n.dy.values, i)
		_, mean, r := layerNorm(row)
		g, z, gz := make([]float64, n.c), make([]float64, n.c), make([]float64, n.c)
		for j, v := range row {
			g[j] = n.w.values[j] * dy[j]
			z[j] = (math.Abs(v) + math.Abs(mean)) * r
			gz[j] = g[j] * z[j]
		}
		for j := range row {
			grad := partial(row, j, 1/r, func() float64 {
				y, _, _ := layerNorm(row)
				loss, _ := dot(g, y)
				return loss
			})
			mag := r * (math.Abs(g[j]) + meanAbs(g) + z[j]*meanAbs(gz))
			list = append(list, accumulated(old, beta, i*n.c+j, grad, slack(n.c, mag)))
		}
	}
	return list
}
