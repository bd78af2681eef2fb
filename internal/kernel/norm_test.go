package kernel_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"mole/internal/kernel"
)

const eps = 1e-6

// rmsNorm is one row of RMSNorm in float64, with h added to element j of x.
func rmsNorm(x, w []float32, j int, h float64) (y []float64, rstd float64) {
	z := widened(x, j, h)
	var ss float64
	for _, v := range z {
		ss += v * v
	}
	rstd = 1 / math.Sqrt(ss/float64(len(x))+float64(float32(eps)))
	for i, v := range z {
		y = append(y, v*rstd*float64(w[i]))
	}
	return y, rstd
}

// layerNorm is the same for LayerNorm, without weight and bias.
func layerNorm(x []float32, j int, h float64) (z []float64, mean, rstd float64) {
	z = widened(x, j, h)
	n := float64(len(x))
	for _, v := range z {
		mean += v / n
	}
	var variance float64
	for i := range z {
		z[i] -= mean
		variance += z[i] * z[i] / n
	}
	rstd = 1 / math.Sqrt(variance+float64(float32(eps)))
	for i := range z {
		z[i] *= rstd
	}
	return z, mean, rstd
}

func widened(x []float32, j int, h float64) []float64 {
	z := make([]float64, len(x))
	for i, v := range x {
		z[i] = float64(v)
	}
	z[j] += h
	return z
}

func dot64(a []float32, b []float64) (s float64) {
	for i, v := range a {
		s += float64(v) * b[i]
	}
	return s
}

func TestRMSNorm(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, c := range lengths {
		x, w, y := normals(r, c), normals(r, c), make([]float32, c)
		want, rstd := rmsNorm(x, w, 0, 0)
		once(t, "rstd", []float32{kernel.RMSNorm(y, x, w, eps)}, []float64{rstd})
		once(t, "y", y, want)
		kernel.RMSNorm(x, x, w, eps)
		if !slices.Equal(x, y) {
			t.Errorf("C=%d: in place got %v, want %v", c, x, y)
		}
	}
}

func TestRMSNormGrad(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, c := range lengths {
		x, w, dy, old := normals(r, c), normals(r, c), normals(r, c), normals(r, c)
		_, rstd := rmsNorm(x, w, 0, 0)
		dx, sum := make([]float32, c), slices.Clone(old)
		kernel.Fill(dx, float32(math.NaN()))
		kernel.RMSNormGrad(dx, dy, x, w, float32(rstd), 0)
		kernel.RMSNormGrad(sum, dy, x, w, float32(rstd), 2)
		for j := range c {
			want := slope(func(h float64) float64 {
				y, _ := rmsNorm(x, w, j, h)
				return dot64(dy, y)
			})
			if !close64(float64(dx[j]), want, 1e-6) {
				t.Errorf("C=%d: dx[%d]: got %v, want %v", c, j, dx[j], want)
			}
			if want += 2 * float64(old[j]); !close64(float64(sum[j]), want, 1e-6) {
				t.Errorf("C=%d: added dx[%d]: got %v, want %v", c, j, sum[j], want)
			}
		}
	}
}

func TestLayerNorm(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, c := range lengths[1:] {
		x, w, bias, y := normals(r, c), normals(r, c), make([]float32, c), make([]float32, c)
		for i := range x {
			x[i] += 1000 // a mean that E[x²] − mean² would not survive in float32
		}
		z, mean, rstd := layerNorm(x, 0, 0)
		for i := range z {
			z[i] *= float64(w[i])
		}
		gotMean, gotRstd := kernel.LayerNorm(y, x, w, bias, eps)
		for i := range y {
			if !close64(float64(y[i]), z[i], 1e-7) {
				t.Errorf("C=%d: y[%d]: got %v, want %v", c, i, y[i], z[i])
			}
		}
		once(t, "mean", []float32{gotMean}, []float64{mean})
		once(t, "rstd", []float32{gotRstd}, []float64{rstd})
	}
}

func TestLayerNormGrad(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for _, c := range lengths {
		x, w, dy, old := normals(r, c), normals(r, c), normals(r, c), normals(r, c)
		_, mean, rstd := layerNorm(x, 0, 0)
		dx, sum := make([]float32, c), slices.Clone(old)
		kernel.Fill(dx, float32(math.NaN()))
		kernel.LayerNormGrad(dx, dy, x, w, float32(mean), float32(rstd), 0)
		kernel.LayerNormGrad(sum, dy, x, w, float32(mean), float32(rstd), -1)
		for j := range c {
			want := slope(func(h float64) float64 {
				z, _, _ := layerNorm(x, j, h/rstd)
				for i := range z {
					z[i] *= float64(w[i])
				}
				return dot64(dy, z)
			}) * rstd
			if !close64(float64(dx[j]), want, 2e-6*rstd) {
				t.Errorf("C=%d: dx[%d]: got %v, want %v", c, j, dx[j], want)
			}
			if want -= float64(old[j]); !close64(float64(sum[j]), want, 2e-6*rstd) {
				t.Errorf("C=%d: added dx[%d]: got %v, want %v", c, j, sum[j], want)
			}
		}
	}
}
