package stage

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"mole/batch"
	"mole/prompt"
	"mole/shard"
)

// LossWeights say how much each token of a tool call counts in the training of an
// expert; tokens of no call count nothing (specification mole, 8.6). The zero value
// is none: then all supervised tokens count the same.
type LossWeights struct {
	Base   float64         `json:"base"`   // tags, keys and punctuation
	Action float64         `json:"action"` // the name of the action
	Arg    float64         `json:"arg"`    // the values of its arguments
	Mode   prompt.Division `json:"mode"`   // how these are told apart
}

// ErrRouterWeights says that a router was to be trained with loss weights.
var ErrRouterWeights = errors.New("loss weights are for the calls of experts: the answer of a router is a label")

// ParseLossWeights reads three numbers with commas between them, for base, action
// and arguments, and the name of a division. An empty text means no weights.
func ParseLossWeights(text, mode string) (w LossWeights, err error) {
	if text == "" {
		if mode != "" {
			err = fmt.Errorf("none, but the mode %s of weights; want both or neither", mode)
		}
		return w, err
	}
	numbers := strings.Split(text, ",")
	if len(numbers) != 3 {
		return w, fmt.Errorf("found %q, want three numbers for base, action and arguments, such as 1,1.5,2", text)
	}
	for i, to := range []*float64{&w.Base, &w.Action, &w.Arg} {
		if *to, err = strconv.ParseFloat(strings.TrimSpace(numbers[i]), 64); err != nil {
			return LossWeights{}, fmt.Errorf("found %q, want a number in place of %q", text, numbers[i])
		}
	}
	if w.Mode, err = prompt.ParseDivision(mode); err != nil {
		return LossWeights{}, err
	}
	return w, w.check()
}

// On reports whether there are weights.
func (w LossWeights) On() bool { return w != LossWeights{} }

// String returns the weights for people and for checkpoints.
func (w LossWeights) String() string {
	return fmt.Sprintf("base %v, action %v, arg %v (%s)", w.Base, w.Action, w.Arg, w.Mode)
}

// check returns an error unless there are no weights, or ones to train with.
func (w LossWeights) check() error {
	if !w.On() {
		return nil
	}
	for _, v := range []struct {
		name  string
		value float64
	}{{"base", w.Base}, {"action", w.Action}, {"arg", w.Arg}} {
		if !(v.value >= 0 && v.value <= math.MaxFloat32) {
			return fmt.Errorf("%s %v, want a finite number, at least 0", v.name, v.value)
		}
	}
	if w.Base+w.Action+w.Arg == 0 {
		return errors.New("0 for everything, want a number above 0: nothing would be learnt")
	}
	_, err := prompt.ParseDivision(string(w.Mode))
	return err
}

// of returns what a token of a part counts.
func (w LossWeights) of(p batch.Part) float64 {
	switch p {
	case batch.CallBase:
		return w.Base
	case batch.CallAction:
		return w.Action
	case batch.CallArg:
		return w.Arg
	}
	return 0
}

// lossOf returns the loss by which a run with weights stops and keeps what is best:
// of the means over the tokens of each part, a tenth of action and base each and
// eight of the arguments, which stand in for a part that does not occur. Where
// there are no arguments, all tokens of calls do.
func (LossWeights) lossOf(l *batch.Losses) float64 {
	arg, ok := l.Mean(batch.CallArg)
	if !ok {
		base, action := l[batch.CallBase], l[batch.CallAction]
		arg = (base.Sum + action.Sum) / float64(base.Count+action.Count)
	}
	loss := 0.8 * arg
	for _, p := range []batch.Part{batch.CallAction, batch.CallBase} {
		mean, ok := l.Mean(p)
		if !ok {
			mean = arg
		}
		loss += 0.1 * mean
	}
	return loss
}

// parting returns what tells the parts of answers apart, and weighs their tokens:
// for routers the label and the end, for experts the parts of calls if they have
// weights, else nil.
func (l *lessons) parting() func(*batch.Example) error {
	switch {
	case l.expert == nil:
		return partRoute
	case l.settings.Loss.On():
		return l.partCalls
	}
	return nil
}

// partRoute tells the end of an answer, its last token, from the label before.
func partRoute(e *batch.Example) error {
	e.Parts = make([]batch.Part, len(e.Tokens))
	last := 0
	for i, label := range e.Labels {
		if label != batch.Ignore {
			e.Parts[i], last = batch.RouteLabel, i
		}
	}
	e.Parts[last] = batch.RouteEnd
	return nil
}

// partCalls gives the tokens of an answer's calls their parts and weights.
func (l *lessons) partCalls(e *batch.Example) (err error) {
	w := l.settings.Loss
	if e.Parts, err = l.expert.Parts(e.Tokens, e.Labels, w.Mode); err != nil {
		return err
	}
	e.Weights = make([]float32, len(e.Tokens))
	for i, p := range e.Parts {
		e.Weights[i] = float32(w.of(p))
	}
	return nil
}

// checkCalls returns an error that names the first sample of a split whose tokens
// cannot have weights, or says that all weights are 0: better now than some
// thousand steps later.
func (l *lessons) checkCalls(split *shard.Split) error {
	if l.expert == nil || !l.settings.Loss.On() {
		return nil
	}
	sum := 0.0
	for i := range split.Len() {
		s, err := split.Sample(i)
		if err != nil {
			return err
		}
		e := batch.Example{Tokens: s.Tokens, Labels: s.Labels}
		if err := l.partCalls(&e); err != nil {
			return fmt.Errorf("%s:%d: record %s: loss weights: %w", split.Name, s.Line, s.ID, err)
		}
		for _, v := range e.Weights {
			sum += float64(v)
		}
	}
	if sum == 0 && split.Len() > 0 {
		return fmt.Errorf("%s: loss weights %v: no token of its %d samples counts", split.Name, l.settings.Loss, split.Len())
	}
	return nil
}
