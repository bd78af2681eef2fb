package batch

// Part is the part of an answer that a token is, as far as losses are reported
// by part.
type Part uint8

// The parts of answers: those of tool calls, then those of routes.
const (
	NoPart     Part = iota // none of those below
	CallBase               // of a tool call, what the next two are not
	CallAction             // which action
	CallArg                // the values of its arguments
	RouteLabel             // the expert's label
	RouteEnd               // the token that ends the answer

	parts // how many
)

// partNames are the names of the parts in records of runs.
var partNames = [parts]string{CallBase: "base", CallAction: "action", CallArg: "arg", RouteLabel: "label", RouteEnd: "end"}

// String returns the name that losses of the part are logged under, "" of NoPart.
func (p Part) String() string { return partNames[p] }

// Losses sums losses by part of the answer.
type Losses [parts]struct {
	Sum   float64 // nats
	Count int     // tokens
}

// Add adds the losses of the labels of ex, in the order of a batch of them.
func (l *Losses) Add(ex []Example, losses []float32) {
	for i := range ex {
		for k, label := range ex[i].Labels {
			if label == Ignore {
				continue
			}
			if ex[i].Parts != nil {
				sum := &l[ex[i].Parts[k]]
				sum.Sum += float64(losses[0])
				sum.Count++
			}
			losses = losses[1:]
		}
	}
}

// Join adds the losses of another sum.
func (l *Losses) Join(other *Losses) {
	for p := range l {
		l[p].Sum += other[p].Sum
		l[p].Count += other[p].Count
	}
}

// Mean returns the mean loss of the tokens of a part, in nats, each counted
// once whatever its weight; ok is false if there was none.
func (l *Losses) Mean(p Part) (mean float64, ok bool) {
	s := l[p]
	if s.Count == 0 {
		return 0, false
	}
	return s.Sum / float64(s.Count), true
}

// Means returns the means of the parts that occurred, by name, nil if none did.
func (l *Losses) Means() map[string]float64 {
	var means map[string]float64
	for p := NoPart + 1; p < parts; p++ {
		if mean, ok := l.Mean(p); ok {
			if means == nil {
				means = map[string]float64{}
			}
			means[p.String()] = mean
		}
	}
	return means
}
