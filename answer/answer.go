// Package answer opens what writes answers: a base network, the engine that runs
// sequences on it, and the service that batches them and keeps adapters. The
// server and command infer use the same.
package answer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"mole/base"
	"mole/device/cpu"
	"mole/generate"
	"mole/model/qwen3vl"
	"mole/prompt"
	"mole/spec"
	"mole/store"
)

// Options says what to open. A number that is 0 means the default in its
// comment.
type Options struct {
	Base      string        // name or folder of the base network, as package base takes it
	Models    store.Volume  // that it may lie in; the zero Volume for none
	Workers   int           // cores, all of them
	Precision cpu.Precision // of products with weights in bfloat16
	// Keys is how many bytes the keys and values of all sequences may take,
	// 1 GiB; of those only what sequences need is touched.
	Keys          int64
	MaxBatch      int          // sequences in a pass, 16
	MaxQueue      int          // requests that wait, 64
	AdapterMemory int64        // bytes of the adapters in memory, 1 GiB
	Log           *slog.Logger // nothing is logged without one
}

// The defaults of Options.
const (
	keyMemory     = 1 << 30
	adapterMemory = 1 << 30
	batch         = 16
)

// longest bounds the tokens of a prompt with its answer, and with the size of a
// batch those of all sequences: more memory for keys than that brings nothing.
const longest = 16 << 10

// Writer writes answers with a base network and its adapters.
type Writer struct {
	*generate.Service
	Base     *base.Base
	Renderer *prompt.Renderer

	device *cpu.Device
	model  *qwen3vl.Model
}

// Open opens a base network and starts the service over it.
func Open(ctx context.Context, o Options) (*Writer, error) {
	b, err := base.OpenFrom(ctx, o.Models, o.Base)
	if err != nil {
		return nil, err
	}
	w := &Writer{Base: b}
	if err := w.open(o); err != nil {
		return nil, errors.Join(fmt.Errorf("base model %s: %w", b.Name, err), w.free())
	}
	return w, nil
}

func (w *Writer) open(o Options) (err error) {
	if w.Renderer, err = prompt.New(w.Base.Tokenizer, w.Base.Config.Vision.Merge); err != nil {
		return err
	}
	if w.device, err = cpu.Open(cpu.Options{Workers: o.Workers, Precision: o.Precision}); err != nil {
		return err
	}
	if w.model, err = qwen3vl.New(w.device, w.Base.Config, w.Base.Weights); err != nil {
		return err
	}
	engine, err := w.model.NewEngine(qwen3vl.EngineOptions{Tokens: tokens(w.Base.Config, o)})
	if err != nil {
		return err
	}
	w.Service, err = generate.New(generate.Options{
		Engine: engine, Tokenizer: w.Base.Tokenizer, Sites: w.model.Sites(), MaxBatch: o.MaxBatch, MaxQueue: o.MaxQueue,
		AdapterMemory: or(o.AdapterMemory, adapterMemory), Check: w.check, Log: o.Log,
	})
	if err != nil {
		engine.Free()
	}
	return err
}

// check refuses an adapter that was trained on another base network.
func (w *Writer) check(e *spec.Expert) error {
	if e.Base != "" && e.Base != w.Base.Digest {
		return fmt.Errorf("trained on the base model with digest %.12s, %s has %.12s", e.Base, w.Base.Name, w.Base.Digest)
	}
	if got := w.Base.Tokenizer.Digest(); e.Tokenizer != "" && e.Tokenizer != got {
		return fmt.Errorf("trained with the tokenizer of digest %.12s, %s has %.12s", e.Tokenizer, w.Base.Name, got)
	}
	return nil
}

// tokens returns how many tokens' keys and values fit into what they may take.
func tokens(c *qwen3vl.Config, o Options) int {
	one := int64(c.Text.Layers * c.Text.KVHeads * c.Text.HeadDim * 2 * 4) // keys and values, float32
	return int(min(or(o.Keys, keyMemory)/one, longest*or(int64(o.MaxBatch), batch)))
}

func or(n, otherwise int64) int64 {
	if n > 0 {
		return n
	}
	return otherwise
}

// Close lets the answers under way end until ctx does, cuts off the others, and
// frees everything.
func (w *Writer) Close(ctx context.Context) error {
	return errors.Join(w.Service.Close(ctx), w.free())
}

// free frees what is below the service.
func (w *Writer) free() error {
	if w.model != nil {
		w.model.Close()
	}
	var err error
	if w.device != nil {
		err = w.device.Close()
	}
	return errors.Join(err, w.Base.Close())
}
