package stage

import (
	"context"
	"slices"

	"mole/batch"
	"mole/lora"
	"mole/model/qwen3vl"
)

// Answerer writes the most probable answer to a prompt.
type Answerer interface {
	// Answer returns at most so many tokens, without the one that ends the answer.
	Answer(ctx context.Context, prompt batch.Example, most int) ([]int32, error)
}

// greedy answers with one adapter, one prompt at a time. What prompts begin with
// is computed once.
type greedy struct {
	model   *qwen3vl.Model
	adapter *lora.Adapter
	end     int32 // ends an answer

	engine *qwen3vl.Engine // nil as long as nobody asked
	room   int             // tokens of it
	number int             // of the adapter in it
}

// close frees the engine.
func (g *greedy) close() {
	if g.engine != nil {
		g.engine.Free()
	}
	g.engine = nil
}

// fit makes sure that there is an engine with room for so many tokens, and as
// many again for what prompts begin with.
func (g *greedy) fit(tokens int) (err error) {
	if g.engine != nil && tokens <= g.room {
		return nil
	}
	g.close()
	g.room = tokens + tokens/4
	if g.engine, err = g.model.NewEngine(qwen3vl.EngineOptions{Tokens: 2 * max(g.room, 128)}); err == nil {
		g.number, err = g.engine.Attach(g.adapter)
	}
	return err
}

// Answer implements [Answerer].
func (g *greedy) Answer(ctx context.Context, prompt batch.Example, most int) ([]int32, error) {
	if err := g.fit(len(prompt.Tokens) + most); err != nil {
		return nil, err
	}
	sequence, cached, err := g.engine.Open(prompt, g.number, most)
	if err != nil {
		return nil, err
	}
	defer g.engine.Close(sequence)
	var answer []int32
	turn := qwen3vl.Turn{Sequence: sequence, Rows: len(prompt.Tokens) - cached}
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		logits, err := g.engine.Run([]qwen3vl.Turn{turn})
		if err != nil {
			return nil, err
		}
		best := int32(slices.Index(logits[0], slices.Max(logits[0])))
		if best == g.end || len(answer) == most {
			return answer, nil
		}
		answer = append(answer, best)
		turn = qwen3vl.Turn{Sequence: sequence, Token: best}
	}
}
