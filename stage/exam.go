package stage

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"mole/batch"
	"mole/evidence"
	"mole/model/qwen3vl"
	"mole/router"
	"mole/shard"
)

// exam is the evaluation of a net that is being trained.
type exam struct {
	*lessons
	ctx  context.Context
	net  *qwen3vl.Net
	val  *labelled
	held []int // samples of val that are asked for
}

// shownAnswers is how many answers of an evaluation are logged as text.
const shownAnswers = 3

// examResult is what came of an evaluation.
type examResult struct {
	step       int
	loss       float64 // by which the run is judged, nats: the mean over the supervised tokens, or lossOf
	parts      batch.Losses
	duration   time.Duration
	samples    int
	right      map[string]tally // by expert; nil where nothing is decided
	confidence float64          // mean
	texts      []string         // a few answers
}

// tally counts right answers.
type tally struct{ right, all int }

// share returns the share of right answers, 0 where nothing was asked.
func (t tally) share() float64 { return float64(t.right) / float64(max(t.all, 1)) }

// evaluate returns the loss on the held samples, and tells the record how the
// router would decide. A run that is being stopped finishes its evaluation.
func (e *exam) evaluate(step int) (float64, error) {
	r := examResult{step: step, samples: len(e.held)}
	began := time.Now()
	var err error
	if r.loss, r.parts, err = meanLoss(e.net, e.held, e.val, e.settings.PassTokens); err != nil {
		return 0, err
	}
	if w := e.settings.Loss; w.On() {
		r.loss = w.lossOf(&r.parts)
		e.logParts(&r)
	}
	r.duration = time.Since(began)
	show := e.answer
	if e.expert != nil {
		show = e.show
	}
	if err := show(&r); err != nil {
		return 0, err
	}
	e.record.evaluation(r)
	return r.loss, nil
}

// logParts logs the loss of each part of the answers.
func (e *exam) logParts(r *examResult) {
	values, means := []any{"step", r.step}, r.parts.Means()
	for _, name := range slices.Sorted(maps.Keys(means)) {
		values = append(values, name+"_nats", means[name])
	}
	e.log().Info("loss by part", values...)
}

// answer lets the router decide about the held samples.
func (e *exam) answer(r *examResult) error {
	net, err := evidence.WithNet(e.model, e.net, evidence.Options{View: e.View, Features: e.settings.Features})
	if err != nil {
		return err
	}
	defer net.Close()
	r.right = map[string]tally{}
	at := 0
	return e.look(context.WithoutCancel(e.ctx), net, "", e.val.split, e.held, func(s shard.Sample, found router.Evidence) {
		r.add(e, s, e.val.labels[e.held[at]], found)
		at++
	})
}

// add counts one answer.
func (r *examResult) add(e *exam, s shard.Sample, label int, found router.Evidence) {
	probs := router.Softmax(make([]float64, len(found.Logits)), found.Logits, 1)
	best := slices.Index(probs, slices.Max(probs))
	want, _ := e.Experts.ByLabel(label)
	count := r.right[want.Name]
	count.all++
	if e.Experts[best].Label == label {
		count.right++
	}
	r.right[want.Name] = count
	r.confidence += probs[best] / float64(r.samples)
	if len(r.texts) < shownAnswers {
		r.texts = append(r.texts, e.text(s, want.Name, best, probs))
	}
}

// text returns an answer for people.
func (e *exam) text(s shard.Sample, want string, best int, probs []float64) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n    %s\n\nexpected %s, predicted %s\n", s.Path, e.readable(question(s)), want, e.Experts[best].Name)
	for i, x := range e.Experts {
		fmt.Fprintf(&b, "\n    %d %-16s %.4f", x.Label, x.Name, probs[i])
	}
	return b.String()
}

// readable returns tokens as an indented text, cut, and the picture one mark.
func (e *exam) readable(tokens []int32) string {
	const longest = 2000 // characters
	text := []rune(e.Base.Tokenizer.Decode(e.withoutCells(tokens), false))
	return strings.ReplaceAll(string(text[:min(len(text), longest)]), "\n", "\n    ")
}

// show takes down what an expert reads in a few samples, and what it is to
// answer.
func (e *exam) show(r *examResult) error {
	for _, i := range e.held[:min(len(e.held), shownAnswers)] {
		s, err := e.val.split.Sample(i)
		if err != nil {
			return err
		}
		asked := question(s)
		r.texts = append(r.texts, fmt.Sprintf("%s\n\n    %s\n\nexpected\n\n    %s\n", s.Path, e.readable(asked), e.readable(s.Tokens[len(asked):])))
	}
	return nil
}

// withoutCells returns tokens with one placeholder for a picture.
func (e *exam) withoutCells(tokens []int32) []int32 {
	image := e.Base.Config.ImageToken
	same := func(a, b int32) bool { return a == image && b == image }
	return slices.CompactFunc(slices.Clone(tokens), same)
}
