package kernel

import "math"

// CrossEntropy returns the loss in nats of one row of logits [V],
// lse − logits[target], and lse, the natural log of Σ exp(logits), for
// [CrossEntropyGrad]. Sums are float64.
func CrossEntropy(logits []float32, target int) (loss float32, lse float64) {
	top := logits[0]
	for _, v := range logits {
		top = max(top, v)
	}
	var sum float64
	for _, v := range logits {
		sum += math.Exp(float64(v) - float64(top))
	}
	lse = float64(top) + math.Log(sum)
	return float32(lse - float64(logits[target])), lse
}

// CrossEntropyGrad sets dlogits to weight · (softmax(logits) − e), e the unit
// vector of target, given the lse that [CrossEntropy] returned. dlogits may be
// logits.
func CrossEntropyGrad(dlogits, logits []float32, target int, lse float64, weight float32) {
	dlogits = dlogits[:len(logits)]
	w := float64(weight)
	hit := float32(w * (math.Exp(float64(logits[target])-lse) - 1))
	for i, v := range logits {
		dlogits[i] = float32(w * math.Exp(float64(v)-lse))
	}
	dlogits[target] = hit
}
