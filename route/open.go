package route

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"
	"runtime"
	"strings"

	"mole/base"
	"mole/bundle"
	"mole/device"
	"mole/device/cpu"
	"mole/evidence"
	"mole/expert"
	"mole/lora"
	"mole/model/qwen3vl"
	"mole/router"
	"mole/spec"
	"mole/view"
	"mole/vision"
)

// open fills in what r consists of beside its bundle. What it opened before an
// error, Close closes.
func (r *Router) open(ctx context.Context, o Options) error {
	b := r.Bundle
	if o.Rung != "" {
		r.Rung = o.Rung
	}
	if !b.Has(r.Rung) {
		return fmt.Errorf("rung %q is not in it, want one of %q", r.Rung, b.Rungs())
	}
	if _, err := router.ParseFeatures(string(b.Features)); err != nil {
		return err
	}
	if err := checkLabels(b.Table, o.Experts); err != nil {
		return err
	}
	name := o.Base
	if name == "" {
		name = b.Base
	}
	var err error
	if r.base, err = base.OpenFrom(ctx, o.Models, name); err != nil {
		return err
	}
	r.Base, r.Digest = r.base.Name, r.base.Digest
	if r.view, err = rebuild(b, r.base, o.Force); err != nil {
		return err
	}
	r.Spec = r.view.Spec.Hash()
	if o.Recent == 0 {
		o.Recent = recentBytes
	}
	r.recent, r.alone = newRecent(o.Recent), o.Alone
	r.decoders = make(chan struct{}, min(maxDecoders, runtime.GOMAXPROCS(0)))
	if err := r.start(o); err != nil {
		return err
	}
	return r.try(ctx)
}

// checkLabels refuses experts whose labels are others in the configuration
// (specification mole, 6.6).
func checkLabels(t, configured expert.Table) error {
	if configured == nil {
		return nil
	}
	for _, e := range t {
		c, ok := configured.ByName(e.Name)
		switch {
		case !ok:
			return fmt.Errorf("expert %q, label %d, is not in the configuration, which has %v", e.Name, e.Label, configured)
		case c.Label != e.Label:
			return fmt.Errorf("expert %q has label %d, the configuration says %d", e.Name, e.Label, c.Label)
		}
	}
	return nil
}

// rebuild makes the view that a bundle was trained with, and compares its
// specification with the bundle's.
func rebuild(b *bundle.Bundle, n *base.Base, force bool) (*view.View, error) {
	if b.Spec.Base != n.Digest && !force {
		return nil, fmt.Errorf("made for the base model with digest %.12s, %s has %.12s", b.Spec.Base, n.Name, n.Digest)
	}
	rule, err := vision.ParseRule(strings.TrimPrefix(b.Spec.Image.Resample, "bicubic-"))
	if err != nil {
		return nil, fmt.Errorf("router_spec.image.resample: %w", err)
	}
	o := view.Options{
		Experts: b.Table, Tokenizer: n.Tokenizer, Base: n.Digest, Vision: n.Vision, Prompt: b.Spec.PromptID,
		MinTokens: b.Spec.Image.MinTokens, MaxTokens: b.Spec.Image.MaxTokens, UserText: !b.Spec.MaskUserText,
	}
	o.Vision.Rule = rule
	if o.MaxTokens > maxTokens {
		return nil, fmt.Errorf("router_spec.image.max_tokens: %d, want at most %d", o.MaxTokens, maxTokens)
	}
	v, err := view.New(o)
	if err != nil {
		return nil, err
	}
	err = spec.Check("bundle.json", b.Spec, v.Spec)
	if mismatch := (*spec.MismatchError)(nil); force && errors.As(err, &mismatch) && !mismatch.Labels {
		err = nil
	}
	return v, err
}

// maxTokens bounds the tokens of a picture, far beyond what is of use.
const maxTokens = 1 << 20

// start opens the networks.
func (r *Router) start(o Options) error {
	n := max(1, o.Networks)
	r.idle = make(chan *engine, n)
	for range n {
		e, err := r.engine(o, cores(n))
		if err != nil {
			return err
		}
		r.engines = append(r.engines, e)
		r.idle <- e
	}
	return nil
}

// engine opens one network.
func (r *Router) engine(o Options, cores int) (_ *engine, err error) {
	open := o.Device
	if open == nil {
		open = func() (device.Accelerator, error) {
			return cpu.Open(cpu.Options{Workers: cores, Precision: o.Precision})
		}
	}
	e := &engine{}
	if e.device, err = open(); err != nil {
		return nil, err
	}
	if e.model, err = qwen3vl.New(e.device, r.base.Config, r.base.Weights); err != nil {
		return nil, errors.Join(err, e.device.Close())
	}
	if e.network, err = r.network(e.model); err != nil {
		e.model.Close()
		return nil, errors.Join(err, e.device.Close())
	}
	return e, nil
}

// network puts the router's adapter on a model, if the rung has one.
func (r *Router) network(m *qwen3vl.Model) (*evidence.Network, error) {
	var adapter *lora.Adapter
	if r.Rung == router.LoRA {
		var err error
		if adapter, err = r.Bundle.Adapter(m.Sites()); err != nil {
			return nil, fmt.Errorf("%s: %w", bundle.AdapterFolder, err)
		}
	}
	return evidence.New(m, adapter, evidence.Options{View: r.view, Features: r.Bundle.Features, Batch: 1})
}

// try routes a blank picture by every rung that the network serves, and refuses
// a bundle whose heads or calibrations cannot use what comes out.
func (r *Router) try(ctx context.Context) error {
	var blank bytes.Buffer
	if err := png.Encode(&blank, image.NewGray(image.Rect(0, 0, 64, 64))); err != nil {
		return err
	}
	p, err := r.look(ctx, blank.Bytes(), "")
	if err != nil {
		return fmt.Errorf("blank picture: %w", err)
	}
	e, err := r.take(ctx)
	if err != nil {
		return err
	}
	defer func() { r.idle <- e }()
	found, err := e.network.Gather(ctx, []*evidence.Picture{p})
	if err != nil {
		return err
	}
	for _, rung := range r.Bundle.Rungs() {
		if rung == router.LoRA && r.Rung != router.LoRA {
			continue
		}
		if err := usable(r.Bundle, rung, found[0]); err != nil {
			return fmt.Errorf("rung %s: %w", rung, err)
		}
	}
	return nil
}

// usable returns an error if a rung of b has no use for evidence.
func usable(b *bundle.Bundle, rung router.Rung, e router.Evidence) error {
	if d := b.Decide(rung, e); d.Label < 0 {
		return errors.New(d.Reason)
	}
	if rung != router.LoRA {
		e.Hidden = nil
	}
	if far := b.Calibrations[rung].Distance; far != nil {
		_, err := far.Of(e)
		return err
	}
	return nil
}
