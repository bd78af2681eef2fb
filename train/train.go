// Package train changes an adapter until it answers as the examples do: AdamW
// over windows of examples, with warm-up, clipping, gradient accumulation,
// checkpoints, and a guard against numbers that are not finite.
//
// What a step computes is a function of the settings, the step's number and
// the state that the step before left: there is no random generator to carry
// along. A run that was killed and started again therefore gives the same
// bytes as one that was not, on the same device with any number of workers.
//
// Sources: specification mole 8.5 and 8.11, qwen3-vl 10.8; docs/checkpoint.md
// describes the files.
package train

import (
	"errors"
	"time"

	"mole/batch"
	"mole/device"
	"mole/lora"
)

// Network is the part of a model that training needs.
type Network interface {
	// Device returns the device that the parameters live on.
	Device() device.Accelerator
	// Params returns the trainable matrices, always the same in the same order.
	Params() []lora.Param
	// Forward returns the loss in nats of each of b.Labels, in order, and keeps
	// what Backward needs.
	Forward(b *batch.Batch) ([]float32, error)
	// Backward adds the gradient of Σ Weight·loss, over the labels of the last
	// Forward, to the gradients of Params.
	Backward() error
}

// Examples is what to learn from. Equal numbers must give equal examples for
// as long as a run and its continuations last. Whether two examples of a step
// have the same image, by pointer, must not change either: it decides what the
// step computes once, and with it the order of its sums.
type Examples interface {
	// Len returns the number of examples.
	Len() int
	// Example returns example i, 0 to Len()-1, with at least one label.
	Example(i int) (batch.Example, error)
}

// Grouped is what Examples may be besides, where several of them share much, as
// those about one screenshot do. The members of a group follow each other in
// every epoch, so that a step computes once what they share; the groups are
// shuffled, and the members of each.
type Grouped interface {
	// Group returns the group of example i: any number.
	Group(i int) int
}

// Step is the report of one optimizer step.
type Step struct {
	Index      int           // from 0
	Loss       float64       // what was minimised, in nats
	GradNorm   float64       // before clipping
	Rate       float64       // learning rate
	Tokens     int           // tokens that the network computed; those that examples share once for each pass
	Supervised int           // tokens with a label, of each example
	Parts      batch.Losses  // of the tokens that examples give a part, before any weight
	Duration   time.Duration // fetching the examples included, checkpoints not
	// Skipped says why the step changed nothing: what was not finite, and in
	// which examples. It is empty for a step that was taken.
	Skipped string
}

// Result says what a run came to.
type Result struct {
	First   int // the step that it began with, above 0 if it was resumed
	Steps   int // steps done in all; if that is First, there was nothing to do
	Skipped int // steps of these that were not finite and changed nothing

	Early    bool    // the run ended because evaluations brought no gain
	Best     float64 // lowest loss of an evaluation; of a run without evaluations 0
	BestStep int     // steps done when it was seen: the weights left are those
}

var (
	// ErrStopped says that the context ended the run at a step boundary. The
	// same call continues it.
	ErrStopped = errors.New("training stopped")
	// ErrNotFinite says that a loss or a gradient was infinite or not a number.
	ErrNotFinite = errors.New("not finite")
)
