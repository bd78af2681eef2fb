package stage

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"mole/batch"
	"mole/history"
	"mole/tbevents"
	"mole/train"
)

// Files of a run beside the bundle (specification mole, 4.11, 4.13 and 4.14).
const (
	runFile     = "run.json"
	stateFile   = "trainer_state.json"
	costFile    = "cost_report.json"
	resultsFile = "train-results.json"
	metricsFile = "final_metrics.json" // of a run on a manifest
)

// logEvery is how many steps an entry of the log history stands for.
const logEvery = 5

// record is what is written down about a run while it goes on: event files,
// the state of the trainer, time and cost. A run does not end because it cannot
// be written down: that is a warning at the end.
type record struct {
	*lessons
	dir    string // where state and cost lie while the run is under way
	began  time.Time
	state  history.TrainerState
	costs  *history.CostReport // of earlier attempts, nil for none
	meter  *history.Meter      // nil before the first step
	hold   io.Closer           // of the folder of the event files, nil if it cannot be held
	tb     *tbevents.Writer    // nil likewise
	shown  *tbevents.Writer    // answers as text
	result train.Result
	losses []float64    // since the last entry of the log history
	parts  batch.Losses // likewise
	tokens int64
	warned error
}

// openRecord continues the record in a folder, or begins one.
func openRecord(dir string, l *lessons) (*record, error) {
	r := &record{lessons: l, dir: dir, began: time.Now()}
	for _, f := range []struct {
		name string
		take func([]byte) error
	}{
		{stateFile, func(text []byte) error {
			s, err := history.ParseTrainerState(text)
			if err == nil {
				r.state = *s
			}
			return err
		}},
		{costFile, func(text []byte) (err error) {
			r.costs, err = history.ParseCostReport(text)
			return err
		}},
	} {
		text, err := os.ReadFile(filepath.Join(dir, f.name))
		if err == nil {
			err = f.take(text)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	// From here on, not from the first step: the files of an earlier attempt are
	// part of this run.
	hold, err := tbevents.Hold(r.LogDir(r.Dataset, r.Name))
	if err != nil {
		r.warn(err)
		return r, nil
	}
	r.hold = hold
	return r, nil
}

// LogDir returns the folder of the event files of a run, for TensorBoard.
func (p *Place) LogDir(dataset, run string) string {
	return filepath.Join(p.State, "tb_logs", filepath.FromSlash(dataset), filepath.FromSlash(run))
}

// start begins this attempt with a step: what an earlier one wrote down about
// it and later ones is void, because they are done again.
func (r *record) start(s train.Step) {
	ahead := func(e history.LogEntry) bool { return e.Step > s.Index }
	r.state.LogHistory = slices.DeleteFunc(r.state.LogHistory, ahead)
	r.state.MaxSteps = r.settings.Steps
	began := time.Now().Add(-s.Duration)
	r.startMeter(s.Index, began)
	dir := r.LogDir(r.Dataset, r.Name)
	var err error
	if r.tb, err = tbevents.Create(dir, tbevents.Options{Start: int64(s.Index + 1)}); err != nil {
		r.warn(err)
		return
	}
	if r.shown, err = tbevents.Create(filepath.Join(dir, "eval_examples"), tbevents.Options{Start: int64(s.Index + 1)}); err != nil {
		r.warn(err)
	}
	r.text("args", r.settings)
	r.text("model_config", r.Base.Config)
}

// startMeter starts the clock of time and cost.
func (r *record) startMeter(step int, began time.Time) {
	now := func() time.Time {
		t := began
		if t.IsZero() {
			t = time.Now()
		}
		began = time.Time{}
		return t
	}
	hardware := history.Hardware{GPUType: "cpu", HourlyRatePerGPU: r.HourlyRate}
	r.meter = history.NewMeter(hardware, r.costs, step, now)
}

// text logs a value as indented JSON.
func (r *record) text(tag string, v any) {
	text, err := json.MarshalIndent(v, "    ", "  ")
	if err != nil {
		r.warn(err)
		return
	}
	r.tb.Text(tag, int64(r.state.GlobalStep), "    "+string(text))
}

// warn keeps the first thing that went wrong.
func (r *record) warn(err error) { r.warned = cmp.Or(r.warned, err) }

// epoch returns how often a run has seen each sample after some steps.
func (r *record) epoch(steps int) float64 {
	return float64(steps*r.settings.Batch*r.settings.Accumulation) / float64(r.set.Meta.TrainSamples)
}

// step takes a step down (specification mole, 8.8).
func (r *record) step(s train.Step) {
	if r.meter == nil {
		r.start(s)
	}
	step := s.Index + 1
	r.state.GlobalStep, r.state.Epoch = step, r.epoch(step)
	r.state.DataPosition = step * r.settings.Batch * r.settings.Accumulation
	r.tokens += int64(s.Tokens)
	if s.Skipped == "" {
		r.losses = append(r.losses, s.Loss)
		r.parts.Join(&s.Parts)
		r.byPart("loss/", step, &s.Parts)
	}
	if r.tb != nil {
		seconds := s.Duration.Seconds()
		for _, v := range []struct {
			tag   string
			value float64
		}{
			{"train/loss", s.Loss}, {"train/grad_norm", s.GradNorm}, {"train/learning_rate", s.Rate}, {"train/epoch", r.state.Epoch},
			{"perf/step_time", seconds}, {"perf/tokens_per_second", float64(s.Tokens) / seconds}, {"cost/usd", r.meter.USD()},
		} {
			r.tb.Scalar(v.tag, int64(step), v.value)
		}
	}
	if step%logEvery == 0 && len(r.losses) > 0 {
		loss := mean(r.losses)
		r.state.LogHistory = append(r.state.LogHistory, history.LogEntry{
			Step: step, Epoch: r.state.Epoch, Loss: &loss, LearningRate: &s.Rate, GradNorm: &s.GradNorm, LossByPart: r.parts.Means(),
		})
		r.losses, r.parts = nil, batch.Losses{}
	}
	if step%r.settings.SaveEvery == 0 {
		r.meter.Saved(step)
		r.save()
	}
}

// byPart logs the mean loss of each part of the answers that occurred.
func (r *record) byPart(prefix string, step int, l *batch.Losses) {
	if r.tb == nil {
		return
	}
	means := l.Means()
	for _, name := range slices.Sorted(maps.Keys(means)) {
		r.tb.Scalar(prefix+name, int64(step), means[name])
	}
}

func mean(values []float64) float64 {
	var sum float64
	for _, v := range values {
		sum += v
	}
	return sum / float64(max(len(values), 1))
}

// evaluation takes an evaluation down.
func (r *record) evaluation(e examResult) {
	seconds := max(e.duration.Seconds(), 1e-9) // a rate is a number
	rate := float64(e.samples) / seconds
	entry := history.LogEntry{
		Step: e.step, Epoch: r.epoch(e.step), EvalLoss: &e.loss, EvalLossByPart: e.parts.Means(), EvalRuntime: &seconds, EvalRate: &rate,
	}
	if e.right != nil {
		var all tally
		for _, s := range e.right {
			all.right, all.all = all.right+s.right, all.all+s.all
		}
		accuracy := all.share()
		entry.EvalAccuracy = &accuracy
	}
	r.logEvaluation(e, entry.EvalAccuracy)
	r.state.LogHistory = append(r.state.LogHistory, entry)
	if r.state.BestMetric == nil || e.loss < *r.state.BestMetric {
		best := fmt.Sprintf("checkpoint-%d", e.step)
		r.state.BestMetric, r.state.BestModelCheckpoint = &e.loss, &best
	}
	r.save()
}

// logEvaluation adds an evaluation to the event files.
func (r *record) logEvaluation(e examResult, accuracy *float64) {
	if r.tb == nil {
		return
	}
	step, seconds := int64(e.step), e.duration.Seconds()
	for _, v := range []struct {
		tag   string
		value float64
	}{
		{"loss", e.loss}, {"runtime", seconds}, {"samples_per_second", float64(e.samples) / seconds}, {"steps_per_second", 1 / seconds},
	} {
		r.tb.Scalar("eval/"+v.tag, step, v.value)
	}
	if accuracy != nil {
		r.tb.Scalar("eval/confidence", step, e.confidence)
		r.tb.Scalar("eval/accuracy", step, *accuracy)
	}
	for _, x := range r.Experts {
		if s, ok := e.right[x.Name]; ok {
			r.tb.Scalar("eval/accuracy/"+x.Name, step, s.share())
		}
	}
	r.byPart("eval/loss/", e.step, &e.parts)
	r.tb.Scalar("mem/bytes", step, float64(memoryInUse()))
	if r.shown == nil {
		return
	}
	for i, text := range e.texts {
		r.shown.Text(fmt.Sprintf("eval_examples/example_%d", i), step, text)
	}
}

// memoryInUse returns the bytes that the process has from the system.
func memoryInUse() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Sys
}

// save brings the files of the record up to date.
func (r *record) save() {
	if r.tb != nil {
		r.warn(r.tb.Flush())
	}
	if r.shown != nil {
		r.warn(r.shown.Flush())
	}
	state, err := r.state.JSON()
	if err == nil {
		err = replaceFile(filepath.Join(r.dir, stateFile), state)
	}
	r.warn(err)
	cost, err := r.costReport().JSON()
	if err == nil {
		err = replaceFile(filepath.Join(r.dir, costFile), cost)
	}
	r.warn(err)
}

// costReport returns what the run has cost up to now.
func (r *record) costReport() history.CostReport {
	if r.meter == nil {
		r.startMeter(r.state.GlobalStep, r.began)
	}
	return r.meter.Report(r.Dataset, r.Name, r.state.GlobalStep)
}

// finish takes down what the training came to.
func (r *record) finish(result train.Result) {
	r.result = result
	r.state.GlobalStep, r.state.Epoch = result.Steps, r.epoch(result.Steps)
	if r.tb == nil {
		return
	}
	step := int64(result.Steps)
	seconds := r.costReport().Time.TotalSeconds
	samples := float64(r.state.DataPosition)
	params := 0.0
	for _, t := range r.Base.Config.Tensors() {
		params += float64(tensorWidth(t) * t.Shape[0])
	}
	r.tb.Scalar("train/train_loss", step, r.trainLoss())
	r.tb.Scalar("train/train_runtime", step, seconds)
	r.tb.Scalar("train/train_samples_per_second", step, samples/seconds)
	r.tb.Scalar("train/train_steps_per_second", step, float64(result.Steps)/seconds)
	// The usual estimate: three products of two operations for each parameter
	// and token.
	share := float64(result.Steps) / float64(max(result.Steps-result.First, 1)) // of earlier attempts
	r.tb.Scalar("train/total_flos", step, 6*params*float64(r.tokens)*share)
	r.save()
}

// trainLoss returns the mean loss of all steps, nats.
func (r *record) trainLoss() float64 {
	var losses []float64
	for _, e := range r.state.LogHistory {
		if e.Loss != nil {
			losses = append(losses, *e.Loss)
		}
	}
	if losses == nil {
		losses = r.losses
	}
	return mean(losses)
}

// close ends the event files, and says what could not be written down.
func (r *record) close() {
	if r.meter != nil {
		r.save()
	}
	for _, w := range []*tbevents.Writer{r.tb, r.shown} {
		if w != nil {
			r.warn(w.Close())
		}
	}
	if r.hold != nil {
		r.warn(r.hold.Close())
	}
	if r.warned != nil {
		r.log().Warn("the record of the run is not complete", "run", r.Name, "error", r.warned)
	}
}

// write writes the files of a finished run into a folder; the state of the
// trainer only if it trained an adapter.
func (r *record) write(dir string, trained bool) error {
	var errs []error
	put := func(name string, text []byte, err error) {
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), text, 0o666)
		}
		errs = append(errs, err)
	}
	text, err := json.MarshalIndent(map[string]any{
		"settings": r.settings, "run_name": r.Name, "dataset_name": r.Dataset, "device": r.Device.Name(), r.specName() + "_sha256": r.specHash(),
		"base_model": r.Base.Name, "base_model_sha256": r.Base.Digest, "completed": time.Now().UTC().Format(time.RFC3339),
	}, "", "  ")
	put(runFile, append(text, '\n'), err)
	text, err = r.costReport().JSON()
	put(costFile, text, err)
	if trained {
		text, err = r.state.JSON()
		put(stateFile, text, err)
	}
	text, err = r.results().JSON()
	put(resultsFile, text, err)
	if m, ok := r.state.Final(); ok && r.Linked {
		text, err = m.JSON()
		put(metricsFile, text, err)
	}
	return errors.Join(errs...)
}

// results returns train-results.json.
func (r *record) results() history.TrainResults {
	s, m := r.settings, &r.set.Meta
	return history.TrainResults{
		Type: r.subject(), DatasetName: r.Dataset, RunName: r.Name, CompletionTime: time.Now().Format(history.Layout),
		Dataset: history.TrainDataset{TrainSamples: m.TrainSamples, ValSamples: m.ValSamples, TotalSamples: m.TrainSamples + m.ValSamples},
		Training: history.Training{
			TotalSteps: r.result.Steps, TrainLoss: r.trainLoss(), LoRARank: s.Rank, LoRAAlpha: s.Alpha, LearningRate: s.Rate,
			BatchSize: s.Batch, GradientAccumulationSteps: s.Accumulation,
		},
		OutputDir: r.checkpoint(), LogDir: r.LogDir(r.Dataset, r.Name),
	}
}

// line returns the record for the list of all runs.
func (r *record) line() history.Run {
	s, m, cost, now := r.settings, &r.set.Meta, r.costReport(), time.Now()
	return history.Run{
		ID: history.ID(r.Dataset, r.Name, now), Type: r.subject(), DatasetName: r.Dataset, RunName: r.Name, Timestamp: now.Format(history.Layout),
		Metrics: history.Metrics{
			ValLoss: r.state.BestMetric, CostUSD: &cost.Cost.TotalUSD, TrainingTimeHours: &cost.Time.TotalHours,
			TotalSteps: r.result.Steps, EarlyStopped: r.result.Early,
		},
		DatasetSize: history.DatasetSize{Train: m.TrainSamples, Val: m.ValSamples, Eval: m.TestSamples},
		Hyperparams: history.Hyperparams{
			LoRARank: s.Rank, LoRAAlpha: s.Alpha, LearningRate: s.Rate, BatchSize: s.Batch, GradientAccumulationSteps: s.Accumulation,
			VisionLoRARank: s.VisionRank, VisionLoRAAlpha: s.VisionAlpha,
		},
	}
}
