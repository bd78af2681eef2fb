package generate

import (
	"errors"

	"mole/batch"
	"mole/lora"
)

// Turn is what one sequence does in a pass.
type Turn struct {
	Sequence int
	Rows     int   // > 0: so many more rows of the prompt
	Token    int32 // if Rows is 0: this token behind everything before
}

// ErrNoPages is what an engine reports if a sequence does not fit now, but may
// later.
var ErrNoPages = errors.New("no pages are free")

// EngineStats says what an engine holds.
type EngineStats struct {
	Free, Cached, Total int // pages of keys and values; Cached are free as soon as they are needed
	Adapters, Sequences int
}

// Engine runs sequences on one base network. It is not safe for concurrent use;
// a [Service] calls it from one goroutine. What it computes for a sequence does
// not depend on the others, nor on how its prompt was cut.
type Engine interface {
	// Attach puts an adapter beside the network. Its number is 1 or more; 0 is
	// the base network alone.
	Attach(a *lora.Adapter) (adapter int, err error)
	// Detach frees an adapter that no open sequence uses.
	Detach(adapter int)
	// Open begins a sequence of the prompt and up to answer tokens. The first
	// cached ones of the prompt were computed before and are not run again. The
	// error wraps [ErrNoPages] if it does not fit now, and [ErrTooLong] if it
	// never will.
	Open(prompt batch.Example, adapter, answer int) (sequence, cached int, err error)
	// Run runs turns of different sequences in one pass. It returns for each
	// the logits [V] after its last row, nil for rows that do not end a prompt.
	// They are the caller's. After an error the sequences can only be closed.
	Run(turns []Turn) ([][]float32, error)
	// Close ends a sequence and gives its pages back.
	Close(sequence int)
	// Stats says what the engine holds.
	Stats() EngineStats
	// Free frees everything.
	Free()
}
