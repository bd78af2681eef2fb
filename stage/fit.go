package stage

import (
	"context"
	"fmt"
	"slices"

	"mole/bundle"
	"mole/evidence"
	"mole/expert"
	"mole/lora"
	"mole/router"
)

// fit fits the heads on frozen features and the calibration of every rung.
func (l *lessons) fit(ctx context.Context, adapter *lora.Adapter, b *bundle.Bundle) error {
	net, err := evidence.New(l.model, adapter, evidence.Options{View: l.View, Features: l.settings.Features})
	if err != nil {
		return err
	}
	defer net.Close()
	forFit, forVal := perClass, l.set.Meta.ValSamples
	if n := l.settings.TrainMax; n > 0 {
		forFit, forVal = max(1, n/len(l.Experts)), max(1, l.settings.EvalMax/len(l.Experts))
	}
	known, err := l.gather(ctx, net, "train", forFit)
	if err != nil {
		return err
	}
	val, err := l.gather(ctx, net, "val", forVal)
	if err != nil {
		return err
	}
	return fitRungs(l.Experts, l.settings, known, val, b)
}

// perClass is how many training pictures of each expert the heads and the
// distance statistics are fitted on.
const perClass = 200

// fitRungs sets the heads and the calibrations of b.
func fitRungs(experts expert.Table, s Settings, known, val []router.Known, b *bundle.Bundle) (err error) {
	if b.Linear, err = router.FitLinear(experts, s.Features, vectors(known), vectors(val)); err != nil {
		return err
	}
	if b.Prototype, err = router.FitPrototype(experts, s.Features, vectors(known)); err != nil {
		return err
	}
	for _, r := range router.Rungs() {
		if r == router.LoRA && b.Weights == nil {
			continue
		}
		if b.Calibrations[r], err = calibrate(r, experts, s, known, val, b); err != nil {
			return fmt.Errorf("calibrate %s: %w", r, err)
		}
	}
	if s.Rung == router.Auto {
		b.Rung = best(b)
	}
	return nil
}

// calibrate returns the calibration of a rung of b.
func calibrate(r router.Rung, experts expert.Table, s Settings, known, val []router.Known, b *bundle.Bundle) (*router.Calibration, error) {
	k, err := withLogits(b, r, known)
	if err != nil {
		return nil, err
	}
	v, err := withLogits(b, r, val)
	if err != nil {
		return nil, err
	}
	return router.Calibrate(experts, r, s.Features, k, v, router.Options{MaxError: s.MaxError, MaxFalseAlarm: s.MaxFalseAlarm})
}

// best returns the rung with the least loss on the validation pictures, of
// equals the cheapest.
func best(b *bundle.Bundle) router.Rung {
	var found router.Rung
	for _, r := range slices.Backward(b.Rungs()) { // the cheapest first
		if found == "" || b.Calibrations[r].Fit.Loss < b.Calibrations[found].Fit.Loss {
			found = r
		}
	}
	return found
}
