package train

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"time"

	"mole/batch"
)

// abortAfter is the number of steps in a row that may be skipped: the run ends
// with the last of them.
const abortAfter = 3

// Trainer is one run. Set its fields and call Run.
type Trainer struct {
	Network  Network
	Layout   batch.Layout // of the network, for packing
	Examples Examples
	Options  Options
	// Dir is the folder of the checkpoints, which is made if there is none.
	// With "" the run leaves none and cannot be continued.
	Dir string
	// Report, if not nil, is called after each step, with the step's effect not
	// yet in a checkpoint. A continued run may report steps again.
	Report func(Step)
	// Evaluate, if not nil, returns the loss on held-out examples, in nats, after
	// the given number of steps. It is called every Options.EvalEvery steps and
	// after the last one, and must be a function of the weights alone. With it,
	// a finished run leaves the weights of the lowest loss, not the last ones.
	Evaluate func(step int) (float64, error)
	// Evaluated, if not nil, is called after each evaluation.
	Evaluated func(Evaluation)
	// Log, if not nil, takes what happens beside the steps: the step that a run
	// continues from, damaged checkpoints.
	Log *slog.Logger
}

// Run trains until Options.Steps, from the newest sound checkpoint in Dir if
// there is one. The weights of the network's parameters are then those of the
// finished run, also when there was nothing left to do.
//
// When ctx ends, Run finishes the step at hand, writes a checkpoint and returns
// ErrStopped. It refuses a folder that another run has locked, and a checkpoint
// of other settings or parameters. Three steps in a row whose loss or gradient
// is not finite end it with ErrNotFinite.
func (t *Trainer) Run(ctx context.Context) (_ Result, err error) {
	r := &run{Trainer: t, options: t.Options.withDefaults(), log: t.Log}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	if err := r.options.check(); err != nil {
		return Result{}, err
	}
	n := t.Examples.Len()
	if n < 1 {
		return Result{}, errors.New("no examples to learn from")
	}
	r.arrange(n)
	if t.Dir != "" {
		if r.folder, err = openFolder(t.Dir, r.log); err != nil {
			return Result{}, err
		}
		defer func() { err = errors.Join(err, r.folder.close()) }()
	}
	params := t.Network.Params()
	r.optimizer = NewOptimizer(t.Network.Device(), params, r.options.Optimizer)
	defer r.optimizer.Close()
	r.optimizer.zeroGrad()
	if err := r.resume(); err != nil {
		return Result{}, err
	}
	first := r.step
	if err = r.loop(ctx); err == nil {
		err = r.stopping.restore(r.optimizer)
	}
	result := Result{First: first, Steps: r.step, Skipped: r.skipped, Early: r.step < r.options.Steps && r.stopped()}
	if r.stopping.evaluations > 0 {
		result.Best, result.BestStep = r.stopping.lowest, r.stopping.lowestStep
	}
	return result, err
}

// arrange sets the order of n examples, and the settings that decide what the
// run computes.
func (r *run) arrange(n int) {
	r.order = &order{seed: r.options.Seed, n: n}
	r.settings = r.options.settings(n)
	if g, ok := r.Examples.(Grouped); ok {
		r.order.group, r.settings["order"] = g.Group, "groups"
	}
}

// run is a Trainer at work.
type run struct {
	*Trainer
	options   Options
	settings  map[string]string
	log       *slog.Logger
	folder    *folder // nil for none
	order     *order
	optimizer *Optimizer

	step    int      // steps done
	skipped int      // of these, steps that changed nothing
	inRow   int      // of these, the last ones without a taken step after them
	reasons []string // of the steps skipped in a row, as far as this process did them

	stopping stopping
}

// resume continues from the newest sound checkpoint, if there is one.
func (r *run) resume() error {
	if r.folder == nil {
		return nil
	}
	return r.folder.load(func(s *state) error {
		if err := s.matches(r.settings, r.optimizer.params); err != nil {
			return err
		}
		if s.step > r.options.Steps {
			return fmt.Errorf("step %d, want at most the %d of the run", s.step, r.options.Steps)
		}
		if name := r.optimizer.device.Name(); name != s.device {
			r.log.Warn("other device than before, results may differ in rounding", "was", s.device, "is", name)
		}
		r.step, r.skipped, r.inRow = s.step, s.skipped, s.inRow
		r.stopping = s.stopping.clone()
		message := "continue"
		if s.step == r.options.Steps || r.stopped() {
			message = "finished before, nothing to do"
		}
		r.log.Info(message, "step", s.step, "steps", r.options.Steps, "skipped", s.skipped)
		return s.upload(r.optimizer)
	})
}

// loop takes the steps that are left.
func (r *run) loop(ctx context.Context) error {
	for r.step < r.options.Steps && !r.stopped() {
		if ctx.Err() != nil {
			return cmp.Or(r.save(), ErrStopped)
		}
		if err := r.next(); err != nil {
			return err
		}
		if r.step%r.options.SaveEvery == 0 || r.step == r.options.Steps || r.stopped() {
			if err := r.save(); err != nil {
				return err
			}
		}
	}
	return nil
}

// next takes the step at hand, reports it, and evaluates if it is time.
func (r *run) next() error {
	report, err := r.train()
	if err != nil {
		return fmt.Errorf("step %d: %w", r.step, err)
	}
	r.step++
	if r.Report != nil {
		r.Report(report)
	}
	if err := r.guard(report); err != nil {
		return err
	}
	if err := r.evaluate(); err != nil {
		return fmt.Errorf("evaluation after step %d: %w", r.step, err)
	}
	return nil
}

// stopped reports whether the last evaluations brought too little.
func (r *run) stopped() bool {
	return r.options.Patience > 0 && r.stopping.without >= r.options.Patience
}

// evaluate evaluates if it is time, and keeps the weights if they are the best.
func (r *run) evaluate() error {
	if r.Evaluate == nil || (r.step%r.options.EvalEvery != 0 && r.step != r.options.Steps) {
		return nil
	}
	loss, err := r.Evaluate(r.step)
	if err != nil {
		return err
	}
	if math.IsNaN(loss) || math.IsInf(loss, 0) {
		return fmt.Errorf("%w: loss %v", ErrNotFinite, loss)
	}
	e := r.stopping.add(r.step, loss, r.options.MinGain)
	if e.Lowest {
		r.stopping.keep(r.optimizer)
	}
	if r.Evaluated != nil {
		r.Evaluated(e)
	}
	return r.optimizer.device.Sync()
}

// guard counts skipped steps and returns an error when there are too many in a
// row.
func (r *run) guard(s Step) error {
	if s.Skipped == "" {
		r.inRow, r.reasons = 0, nil
		return nil
	}
	r.skipped++
	r.inRow++
	r.reasons = append(r.reasons, fmt.Sprintf("step %d: %s", s.Index, s.Skipped))
	if r.inRow < abortAfter {
		return nil
	}
	return fmt.Errorf("%w: %d steps in a row skipped; %s", ErrNotFinite, r.inRow, strings.Join(r.reasons, "; "))
}

// save writes a checkpoint of the present state, if that was not done.
func (r *run) save() error {
	if r.folder == nil || r.folder.saved(r.step) {
		return nil
	}
	s := &state{
		step: r.step, skipped: r.skipped, inRow: r.inRow,
		device: r.optimizer.device.Name(), settings: r.settings, stopping: r.stopping,
	}
	err := s.download(r.optimizer)
	if err == nil {
		err = r.folder.save(s)
	}
	if err != nil {
		return fmt.Errorf("checkpoint of step %d: %w", r.step, err)
	}
	return nil
}

// train takes the step at hand.
func (r *run) train() (Step, error) {
	start := time.Now()
	s := Step{Index: r.step, Rate: r.options.schedule().Rate(r.step)}
	w, err := gather(r.Examples, r.order, r.step, r.options.BatchExamples)
	if err != nil {
		return s, err
	}
	w.normalise(r.options.Normalise)
	s.Supervised = w.supervised()
	for rest := w; len(rest.index) > 0; {
		var pass *window
		pass, rest = rest.cut(r.Layout, r.options.PassTokens)
		if err := r.pass(pass, &s); err != nil {
			return s, err
		}
	}
	return s, r.update(w, &s, start)
}

// pass adds the loss and the gradient of one pass to those of the step. Once a
// loss was not finite it does nothing but count tokens.
func (r *run) pass(w *window, s *Step) error {
	b, err := batch.Share(r.Layout, w.examples)
	if err != nil {
		return fmt.Errorf("examples %v: %w", w.index, err)
	}
	s.Tokens += len(b.Tokens)
	if s.Skipped != "" {
		return nil
	}
	losses, err := r.Network.Forward(b)
	if err != nil {
		return fmt.Errorf("examples %v: %w", w.index, err)
	}
	if len(losses) != len(b.Labels) {
		return fmt.Errorf("%d losses for %d labels", len(losses), len(b.Labels))
	}
	for i, loss := range losses {
		if l := float64(loss); math.IsNaN(l) || math.IsInf(l, 0) {
			s.Loss, s.Skipped = l, fmt.Sprintf("loss %v, example %d", l, w.exampleOf(i))
			return nil
		}
		s.Loss += float64(b.Labels[i].Weight) * float64(loss)
	}
	s.Parts.Add(w.examples, losses)
	return r.Network.Backward()
}

// update lets the optimizer take its step, unless the loss was not finite.
func (r *run) update(w *window, s *Step, start time.Time) error {
	if s.Skipped != "" {
		r.optimizer.zeroGrad() // of the passes before
		s.Duration = time.Since(start)
		return r.optimizer.device.Sync()
	}
	var err error
	s.GradNorm, err = r.optimizer.Step(s.Rate)
	if errors.Is(err, ErrNotFinite) {
		s.Skipped, err = fmt.Sprintf("gradient norm %v, examples %v", s.GradNorm, w.index), nil
	}
	s.Duration = time.Since(start)
	return err
}
