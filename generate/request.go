package generate

import (
	"encoding/json"
	"errors"

	"mole/batch"
)

// Errors that callers test for with [errors.Is].
var (
	ErrFull      = errors.New("queue is full")         // come back later
	ErrClosed    = errors.New("generator is closed")   // it drains, or is gone
	ErrNoAdapter = errors.New("no such adapter")       // nobody loaded one of that name
	ErrAdapter   = errors.New("adapter does not load") // its files are broken, or too large
	ErrChanged   = errors.New("adapter has changed")   // since the prompt was rendered: render it again
	ErrRequest   = errors.New("request")               // it asks for what cannot be: the caller's fault
)

// Request asks for one answer.
type Request struct {
	// Prompt is what stands before the answer: rendered by package prompt, open
	// for the assistant, without labels.
	Prompt  batch.Example
	Adapter string // by name, "" for the base network alone
	// Generation, if not 0, is that of the adapter that the prompt was rendered
	// for: if it is not the newest when the answer begins, there is none.
	Generation uint64
	Sampling   Sampling
	MaxTokens  int        // of the answer, 512 if 0
	Stop       []string   // texts that end the answer and do not belong to it, 16 at most
	LogProbs   bool       // whether tokens carry their probability
	Top        int        // alternatives of each token, with LogProbs, 20 at most
	Constrain  Constraint // what the answer must be
	// Tools holds the JSON of the functions that a constrained answer may call,
	// as OpenAI's API has them; none stands for any function. What of a schema
	// is followed, package grammar says.
	Tools []json.RawMessage
}

// Constraint says what an answer must be.
type Constraint string

// The constraints.
const (
	Free     Constraint = ""          // anything
	ToolCall Constraint = "tool-call" // one or more blocks <tool_call>…</tool_call> with a JSON object each, nothing else
)

// Sampling says how the next token is chosen. The zero value takes the most
// probable token. Filters apply in the order of the fields.
type Sampling struct {
	Repetition  float64 // > 0: logits of tokens seen in prompt and answer are divided by it, if positive, else multiplied; 0 and 1 change nothing
	Temperature float64 // ≥ 0; 0 takes the most probable token
	TopK        int     // ≥ 0: the most probable ones only; 0 for all
	TopP        float64 // 0 to 1: the fewest tokens that have so much together; 0 and 1 for all
	MinP        float64 // 0 to 1: those with at least so much of the greatest probability
	Seed        uint64  // of the choices; the same seed chooses the same tokens, whatever else is at work
}

// Chunk is a piece of an answer.
type Chunk struct {
	// Text is final: it ends at a whole character, and nothing in it belongs to
	// a stop text. Several tokens may have to come before there is some.
	Text   string
	Tokens []Token // those behind Text, with LogProbs
	Finish Finish  // of the last chunk, "" before
	Usage  Usage   // of the last chunk
	// Generation is that of the adapter's weights that wrote the answer, of the
	// last chunk; 0 for the base network.
	Generation uint64
}

// Token is a token of an answer.
type Token struct {
	ID      int32
	Bytes   []byte  // its text, which may be part of a character
	LogProb float64 // in nats, of the distribution before any filter but Constrain
	Top     []Alternative
}

// Alternative is a token that could have been.
type Alternative struct {
	ID      int32
	Bytes   []byte
	LogProb float64
}

// Finish says why an answer ended.
type Finish string

// The reasons.
const (
	Stop   Finish = "stop"   // end of turn, or a stop text
	Length Finish = "length" // MaxTokens
)

// Usage counts the tokens of a request.
type Usage struct {
	Prompt int // all of the prompt
	Cached int // of those, taken from a prefix that was computed before
	Answer int // with the end of turn
}
