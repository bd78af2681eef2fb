package generate

import (
	"mole/batch"
	"mole/lora"
	"mole/model/qwen3vl"
)

// Turn is what one sequence does in a pass.
type Turn = qwen3vl.Turn

// What an engine reports of a sequence that does not fit: now, or ever.
var (
	ErrNoPages = qwen3vl.ErrNoPages
	ErrTooLong = qwen3vl.ErrTooLong
)

// EngineStats says what an engine holds.
type EngineStats = qwen3vl.EngineStats

// Engine runs sequences on one base network: a [qwen3vl.Engine]. It is not safe
// for concurrent use; a [Service] calls it from one goroutine. What it computes
// for a sequence does not depend on the others, nor on how its prompt was cut.
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
