// Package route is a router at work: it opens a bundle on the base network that
// the bundle was made for, and answers pictures with decisions. Command infer,
// the server, and the check before a deployment all open a router here, so that
// what was checked is what is served (specification mole, 6 and 11).
package route

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"sync"
	"time"

	"mole/base"
	"mole/bundle"
	"mole/device"
	"mole/device/cpu"
	"mole/evidence"
	"mole/expert"
	"mole/model/qwen3vl"
	"mole/router"
	"mole/store"
	"mole/view"
	"mole/vision"
)

// Options says how a bundle is opened. The zero value is a good one.
type Options struct {
	// Base is the name or the folder of the base model, "" for the one that the
	// bundle names. Its weights must be those that the bundle was made for.
	Base string
	// Models is the volume that the base model may lie in, the zero Volume for
	// none.
	Models store.Volume
	// Rung is how to route, "" for the rung that the bundle was made for.
	Rung router.Rung
	// Experts is the table of the configuration. Experts of the bundle must have
	// the same labels there; additional ones are fine. nil compares nothing.
	Experts expert.Table
	// Force opens a bundle whose specification is not what this program makes of
	// it. A difference in the labels is refused all the same.
	Force bool
	// Networks is how many pictures are routed at the same time, 0 for one. The
	// base model's weights are shared, the cores divided.
	Networks int
	// Precision is that of products with weights in bfloat16, on such a share.
	Precision cpu.Precision
	// Recent is how many bytes pictures may take that were routed before, so that
	// they need not be decoded and encoded again; 0 for 128 MiB, negative for none.
	Recent int64
	// Alone, if not nil, runs the pass of a network when others leave the cores
	// to it. Its error, such as the context's, is that of the picture.
	Alone func(ctx context.Context, pass func()) error
	// Device opens the device of one network, nil for its share of the cores.
	Device func() (device.Accelerator, error)
}

// Errors that callers test for with [errors.Is].
var (
	ErrImage  = errors.New("picture") // it cannot be read: the caller's fault
	ErrClosed = errors.New("router is closed")
)

// Router routes pictures. It is safe for concurrent use.
type Router struct {
	Bundle *bundle.Bundle
	Rung   router.Rung // in use
	Base   string      // name of the base model in use
	Spec   string      // hash of the router specification
	Digest string      // of the base model's weights

	view     *view.View
	base     *base.Base
	engines  []*engine
	recent   *recent
	alone    func(ctx context.Context, pass func()) error
	idle     chan *engine  // those that nobody uses
	decoders chan struct{} // holds one element for each picture that is decoded
	closed   chan struct{}
	closing  sync.Once
}

// engine is one network with the device that it runs on.
type engine struct {
	device  device.Accelerator
	model   *qwen3vl.Model
	network *evidence.Network
}

// Answer is the decision about one picture.
type Answer struct {
	router.Decision
	Timings Timings
	Image   string // SHA-256 of the picture's file, hexadecimal
	Known   bool   // the picture was routed before, and not encoded again
	// Patches is the picture as the router saw it, with the features of the
	// frozen tower: an expert that sees pictures by the same [Router.Vision] on
	// the same base network need not look again.
	Patches *vision.Patches
}

// Timings says where the time went.
type Timings struct {
	Decode time.Duration // from the file to patches
	Wait   time.Duration // for a network
	Route  time.Duration // the network, and the decision
}

// recentBytes is the default of Options.Recent.
const recentBytes = 128 << 20

// maxDecoders bounds how many pictures are decoded at the same time: each may
// take 120 MB.
const maxDecoders = 4

// Open opens the router in a bundle. It refuses one that does not fit the base
// model, the program, or itself, and tries it on a blank picture, so that a
// router that opens also answers. Weights that the rung does not need are not
// touched: linear and prototype run the vision tower only.
func Open(ctx context.Context, fsys fs.FS, o Options) (*Router, error) {
	b, err := bundle.Read(fsys)
	if err != nil {
		return nil, fmt.Errorf("bundle: %w", err)
	}
	r := &Router{Bundle: b, Rung: b.Rung, closed: make(chan struct{})}
	if err := r.open(ctx, o); err != nil {
		return nil, errors.Join(fmt.Errorf("bundle of run %s: %w", b.Run, err), r.Close())
	}
	return r, nil
}

// Close waits for the pictures that are being routed and frees everything.
// Twice is fine.
func (r *Router) Close() error {
	var err error
	r.closing.Do(func() {
		close(r.closed)
		for range len(r.engines) {
			e := <-r.idle
			e.network.Close()
			e.model.Close()
			err = errors.Join(err, e.device.Close())
		}
		if r.base != nil {
			err = errors.Join(err, r.base.Close())
		}
	})
	return err
}

// Experts returns the experts that r chooses from.
func (r *Router) Experts() expert.Table { return r.Bundle.Table }

// Vision returns how r turns a picture into patches.
func (r *Router) Vision() vision.Options { return r.view.Vision }

// Route decides which expert a picture, the bytes of a PNG, JPEG or WebP file,
// belongs to. The instruction counts only where the router was trained to read
// it. The error is [ErrImage] for a picture that cannot be read, [ErrClosed]
// after Close, or the context's.
func (r *Router) Route(ctx context.Context, file []byte, instruction string) (Answer, error) {
	begin := time.Now()
	sum := sha256.Sum256(file)
	a := Answer{Image: hex.EncodeToString(sum[:])}
	p, err := r.picture(ctx, &a, file, instruction)
	a.Timings.Decode = time.Since(begin)
	if err != nil {
		return a, err
	}
	begin = time.Now()
	e, err := r.take(ctx)
	a.Timings.Wait = time.Since(begin)
	if err != nil {
		return a, err
	}
	defer func() { r.idle <- e }()
	begin = time.Now()
	found, err := r.gather(ctx, e, p)
	if err != nil {
		return a, err
	}
	r.recent.put(a.Image, p)
	a.Decision, a.Patches = r.Bundle.Decide(r.Rung, found[0]), p.Patches
	a.Timings.Route = time.Since(begin)
	return a, nil
}

// gather runs a network over a picture.
func (r *Router) gather(ctx context.Context, e *engine, p *evidence.Picture) (found []router.Evidence, err error) {
	pass := func() { found, err = e.network.Gather(ctx, []*evidence.Picture{p}) }
	if r.alone == nil {
		pass()
		return found, err
	}
	if kept := r.alone(ctx, pass); kept != nil {
		return nil, kept
	}
	return found, err
}

// picture returns the picture of a file, which may have been routed before.
func (r *Router) picture(ctx context.Context, a *Answer, file []byte, instruction string) (*evidence.Picture, error) {
	if p := r.recent.get(a.Image); p != nil {
		a.Known, p.Instruction = true, instruction
		return p, nil
	}
	return r.look(ctx, file, instruction)
}

// Check reports whether Route could read a picture, and how long that took.
func (r *Router) Check(ctx context.Context, file []byte) (time.Duration, error) {
	begin := time.Now()
	_, err := r.look(ctx, file, "")
	return time.Since(begin), err
}

// look makes patches of a picture.
func (r *Router) look(ctx context.Context, file []byte, instruction string) (*evidence.Picture, error) {
	select {
	case r.decoders <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { <-r.decoders }()
	im, patches, err := r.view.Look(file)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrImage, err)
	}
	return &evidence.Picture{Image: im, Patches: patches, Instruction: instruction}, nil
}

// take waits for a network.
func (r *Router) take(ctx context.Context) (*engine, error) {
	select {
	case <-r.closed:
		return nil, ErrClosed
	default:
	}
	select {
	case e := <-r.idle:
		return e, nil
	case <-r.closed:
		return nil, ErrClosed
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// cores returns how many cores each of n networks gets.
func cores(n int) int { return max(1, runtime.GOMAXPROCS(0)/n) }
