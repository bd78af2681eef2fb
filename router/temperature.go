package router

import "math"

// The temperatures that FitTemperature may return.
const (
	minTemperature = 0.02
	maxTemperature = 50
)

// FitTemperature returns the temperature T that minimises the mean negative
// log-likelihood of softmax(logits/T) on known images. It never changes which
// expert is best.
//
// The targets are Platt's: the right class of n images counts (n+1)/(n+2), the
// others share the rest. Without that, images which are all answered rightly
// would ask for T = 0, and a small validation set for confidence that it cannot
// vouch for; with many images it makes no difference. No images give 1.
//
// In β = 1/T the likelihood is convex, so bisection of its slope finds the one
// minimum; 100 halvings leave nothing to round.
func FitTemperature(known []Known) float64 {
	if len(known) == 0 {
		return 1
	}
	slopes := make([]slope, 0, len(known))
	for _, k := range known {
		slopes = append(slopes, newSlope(k, len(known)))
	}
	low, high := 1/float64(maxTemperature), 1/float64(minTemperature)
	for range 100 {
		mid := (low + high) / 2
		if totalSlope(slopes, mid) < 0 {
			low = mid
		} else {
			high = mid
		}
	}
	return 2 / (low + high)
}

// slope is what the derivative of one image's loss with respect to β needs.
type slope struct {
	logits []float64 // less the largest
	target float64   // their mean under the target distribution
}

// newSlope prepares one of n images.
func newSlope(k Known, n int) slope {
	s := slope{logits: make([]float64, len(k.Logits))}
	top := k.Logits[argmax(k.Logits)]
	sum := 0.0
	for i, l := range k.Logits {
		s.logits[i] = l - top
		sum += l - top
	}
	s.target = s.logits[k.Class]
	if others := len(k.Logits) - 1; others > 0 {
		miss := 1 / float64(n+2)
		s.target = (1-miss)*s.logits[k.Class] + miss*(sum-s.logits[k.Class])/float64(others)
	}
	return s
}

// totalSlope returns the derivative of the summed loss at β: for each image,
// the mean logit under softmax(β·logits) less that under the target.
func totalSlope(slopes []slope, beta float64) float64 {
	total := 0.0
	for _, s := range slopes {
		sum, mean := 0.0, 0.0
		for _, l := range s.logits {
			p := math.Exp(beta * l)
			sum += p
			mean += p * l
		}
		total += mean/sum - s.target
	}
	return total
}

// calibratedLoss returns the mean negative log-likelihood, in nats, of images, at
// least one, with a temperature.
func calibratedLoss(images []Known, temperature float64) float64 {
	sum := 0.0
	for _, k := range images {
		probs := Softmax(make([]float64, len(k.Logits)), k.Logits, temperature)
		sum -= math.Log(math.Max(probs[k.Class], math.SmallestNonzeroFloat64))
	}
	return sum / float64(len(images))
}
