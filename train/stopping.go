package train

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"mole/lora"
	"mole/safetensors"
)

// Evaluation is the report of one evaluation during a run.
type Evaluation struct {
	Step    int     // steps done before it
	Loss    float64 // what Trainer.Evaluate returned, in nats
	Best    float64 // the loss to beat for the run to go on, before this one
	Lowest  bool    // lower than all before: these weights are the ones kept
	Without int     // evaluations in a row without enough gain, this one included
}

// stopping is the bookkeeping of early stop. The best loss for stopping, which
// must be beaten by a margin, and the lowest loss, whose weights are kept, are
// two things (specification mole, 8.5).
type stopping struct {
	evaluations int
	best        float64 // the last loss that was a gain
	without     int     // evaluations since
	lowest      float64
	lowestStep  int // steps done when it was seen
	weights     map[string]safetensors.Tensor
}

// add takes the loss after some steps into account.
func (s *stopping) add(step int, loss, minGain float64) Evaluation {
	e := Evaluation{Step: step, Loss: loss, Best: s.best, Lowest: s.evaluations == 0 || loss < s.lowest}
	if s.evaluations == 0 || loss < s.best-minGain {
		s.best, s.without = loss, 0
	} else {
		s.without++
	}
	if e.Lowest {
		s.lowest, s.lowestStep = loss, step
	}
	s.evaluations++
	e.Without = s.without
	return e
}

// keep copies the present weights, those of the lowest loss.
func (s *stopping) keep(o *Optimizer) {
	s.weights = map[string]safetensors.Tensor{}
	for _, p := range o.params {
		s.weights[p.Name] = read(o.device, p.Weight)
	}
}

// restore sets the weights to those of the lowest loss, if there was one.
func (s *stopping) restore(o *Optimizer) error {
	if s.evaluations == 0 {
		return nil
	}
	for _, p := range o.params {
		o.device.Write(p.Weight, s.weights[p.Name].Data)
	}
	return o.device.Sync()
}

// Keys of the metadata of a checkpoint that concern early stop, and the prefix
// of the weights kept.
const (
	keyEvaluations = "evaluations"
	keyBest        = "best_loss"
	keyWithout     = "evaluations_without_gain"
	keyLowest      = "lowest_loss"
	keyLowestStep  = "lowest_loss_step"

	prefixBest = "best."
)

// metadata adds s to the metadata of a checkpoint.
func (s *stopping) metadata(md map[string]string) {
	if s.evaluations == 0 {
		return
	}
	md[keyEvaluations] = strconv.Itoa(s.evaluations)
	md[keyWithout] = strconv.Itoa(s.without)
	md[keyLowestStep] = strconv.Itoa(s.lowestStep)
	md[keyBest] = strconv.FormatFloat(s.best, 'g', -1, 64)
	md[keyLowest] = strconv.FormatFloat(s.lowest, 'g', -1, 64)
}

// read sets s from the metadata of a checkpoint and takes its weights out of
// tensors.
func (s *stopping) read(md map[string]string, tensors map[string]safetensors.Tensor) error {
	if md[keyEvaluations] == "" {
		return nil
	}
	for key, to := range map[string]*int{keyEvaluations: &s.evaluations, keyWithout: &s.without, keyLowestStep: &s.lowestStep} {
		n, err := strconv.Atoi(md[key])
		if err != nil || n < 0 {
			return fmt.Errorf("metadata %q is %q, want a number from 0", key, md[key])
		}
		*to = n
	}
	for key, to := range map[string]*float64{keyBest: &s.best, keyLowest: &s.lowest} {
		v, err := strconv.ParseFloat(md[key], 64)
		if err != nil || math.IsNaN(v) {
			return fmt.Errorf("metadata %q is %q, want a number", key, md[key])
		}
		*to = v
	}
	s.take(tensors)
	return nil
}

// take moves the weights of the lowest loss out of tensors.
func (s *stopping) take(tensors map[string]safetensors.Tensor) {
	s.weights = map[string]safetensors.Tensor{}
	for name, t := range tensors {
		if param, ok := strings.CutPrefix(name, prefixBest); ok {
			s.weights[param] = t
			delete(tensors, name)
		}
	}
}

// matches returns an error unless the weights kept are those of params.
func (s *stopping) matches(params []lora.Param) error {
	if s.evaluations == 0 {
		return nil
	}
	if len(s.weights) != len(params) {
		return fmt.Errorf("%d weights of the lowest loss, want %d", len(s.weights), len(params))
	}
	for _, p := range params {
		if err := matchesParam(s.weights[p.Name], prefixBest+p.Name, p); err != nil {
			return err
		}
	}
	return nil
}

// clone returns a copy of s that later steps do not change; weights are never
// changed in place. The memory of a file that was mapped is copied too.
func (s *stopping) clone() stopping {
	c := *s
	c.weights = map[string]safetensors.Tensor{}
	for name, t := range s.weights {
		t.Data = append([]byte(nil), t.Data...)
		c.weights[name] = t
	}
	return c
}
