package router

import (
	"fmt"
	"math"
)

// Softmax sets probs to the softmax of logits divided by a temperature above 0
// and returns it. Finite logits give probabilities that sum to 1; equal logits
// give equal probabilities. probs may be logits.
func Softmax(probs, logits []float64, temperature float64) []float64 {
	top := logits[argmax(logits)]
	sum := 0.0
	for i, l := range logits {
		probs[i] = math.Exp((l - top) / temperature)
		sum += probs[i]
	}
	for i := range probs {
		probs[i] /= sum
	}
	return probs
}

// logSum returns the logarithm of the sum of the exponentials of x.
func logSum(x []float64) float64 {
	top := x[argmax(x)]
	sum := 0.0
	for _, v := range x {
		sum += math.Exp(v - top)
	}
	return top + math.Log(sum)
}

// argmax returns the index of the first of the largest elements of x.
func argmax(x []float64) int {
	best := 0
	for i, v := range x {
		if v > x[best] {
			best = i
		}
	}
	return best
}

// checkPositive refuses numbers that are not finite and above 0.
func checkPositive(name string, x ...float64) error {
	for i, v := range x {
		if !(v > 0) || math.IsInf(v, 1) {
			return fmt.Errorf("%s: number %d is %v, want a finite one above 0", name, i, v)
		}
	}
	return nil
}

// finite reports whether x holds neither infinities nor NaN.
func finite(x []float64) bool {
	for _, v := range x {
		if math.IsInf(v, 0) || math.IsNaN(v) {
			return false
		}
	}
	return true
}
