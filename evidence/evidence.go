// Package evidence runs a base network over pictures and gathers what package
// router decides from: the logits of the labels, the last hidden state, and
// features of the frozen vision tower.
package evidence

import (
	"context"
	"fmt"

	"mole/batch"
	"mole/lora"
	"mole/model/qwen3vl"
	"mole/router"
	"mole/view"
	"mole/vision"
)

// Picture is one picture as a view sees it.
type Picture struct {
	Image       *vision.Image // resized
	Patches     *vision.Patches
	Instruction string // counts only where the view reads instructions
	// Question, if not nil, is what the router reads, as preprocessing rendered
	// it; otherwise the view renders it.
	Question []int32
}

// Options says what is gathered. A number that is 0 means the default in its
// comment.
type Options struct {
	View     *view.View      // how the router sees; required
	Features router.Features // the set of frozen features
	Batch    int             // pictures in one pass, 8
}

// Network gathers evidence with one router: an adapter on the base network, or
// none for the rungs that need frozen features only. It runs one pass at a
// time and is not safe for concurrent use.
type Network struct {
	Options
	base   *qwen3vl.Net // without adapter, for frozen features
	router *qwen3vl.Net // nil without adapter
	owned  bool         // router was made here
	trie   *router.Trie
}

// New returns a Network over m. adapter is nil for rungs without one.
func New(m *qwen3vl.Model, adapter *lora.Adapter, o Options) (*Network, error) {
	if o.Batch == 0 {
		o.Batch = 8
	}
	n := &Network{Options: o}
	var err error
	if n.trie, err = router.NewTrie(o.View.Answers()); err != nil {
		return nil, err
	}
	if n.base, err = m.With(nil); err != nil {
		return nil, err
	}
	if adapter != nil {
		if n.router, err = m.With(adapter); err != nil {
			n.base.Close()
			return nil, err
		}
		n.router.Remember() // the system prompt
		n.owned = true
	}
	return n, nil
}

// WithNet returns a Network that scores with a net that somebody trains. Close
// does not close it.
func WithNet(m *qwen3vl.Model, net *qwen3vl.Net, o Options) (*Network, error) {
	n, err := New(m, nil, o)
	if err == nil {
		n.router = net
	}
	return n, err
}

// Close frees the memory of the passes. The Model stays open.
func (n *Network) Close() {
	n.base.Close()
	if n.owned {
		n.router.Close()
	}
}

// Gather returns the evidence about each picture, in order.
func (n *Network) Gather(ctx context.Context, pictures []*Picture) ([]router.Evidence, error) {
	var all []router.Evidence
	for lo := 0; lo < len(pictures); lo += n.Batch {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		part, err := n.pass(pictures[lo:min(lo+n.Batch, len(pictures))])
		if err != nil {
			return nil, err
		}
		all = append(all, part...)
	}
	return all, nil
}

// pass gathers evidence about the pictures of one pass.
func (n *Network) pass(pictures []*Picture) ([]router.Evidence, error) {
	out := make([]router.Evidence, len(pictures))
	if err := n.encode(pictures); err != nil {
		return nil, err
	}
	merge := n.View.Vision.MergeSize
	for i, p := range pictures {
		g, f := p.Patches.Grid, p.Patches.Features
		h, w := g.H/merge, g.W/merge
		if h < 1 || w < 1 || len(f.Tokens) == 0 || len(f.Tokens)%(h*w) != 0 {
			return nil, fmt.Errorf("picture %d: %d features for %d by %d cells", i, len(f.Tokens), h, w)
		}
		out[i].Pooled = n.Features.Of(f.Tokens, h, w, len(f.Tokens)/(h*w), p.Image)
	}
	if n.router == nil {
		return out, nil
	}
	return out, n.score(pictures, out)
}

// encode gives every picture the features of the frozen tower.
func (n *Network) encode(pictures []*Picture) error {
	var todo []*vision.Patches
	for _, p := range pictures {
		if p.Patches.Features == nil {
			todo = append(todo, p.Patches)
		}
	}
	if todo == nil {
		return nil
	}
	features, err := n.base.Encode(todo)
	for i, f := range features {
		todo[i].Features = f
	}
	return err
}

// score sets the logits and hidden states of the router.
func (n *Network) score(pictures []*Picture, out []router.Evidence) error {
	branches := n.trie.Branches()
	at := func(picture, branch int) int { return picture*max(len(branches), 1) + branch }
	o, vocab, hidden, err := n.ask(pictures, branches)
	if err != nil {
		return err
	}
	for i := range pictures {
		row := o.Hidden[at(i, 0)*hidden:][:hidden]
		out[i].Hidden = wide(row)
		out[i].Logits, err = n.trie.Score(func(bs []router.Branch) ([][]float64, error) {
			scores := make([][]float64, len(bs))
			for k, b := range bs {
				logits := o.Logits[at(i, k)*vocab:][:vocab]
				for _, id := range b.Next {
					scores[k] = append(scores[k], float64(logits[id]))
				}
			}
			return scores, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// ask runs the router over every picture, once for each point where answers
// part, and returns what it says at the last rows.
func (n *Network) ask(pictures []*Picture, branches []router.Branch) (o qwen3vl.Outputs, vocab, hidden int, err error) {
	if len(branches) == 0 { // one expert: there is nothing to ask, but a hidden state
		branches = []router.Branch{{}}
	}
	var examples []batch.Example
	for i, p := range pictures {
		question, err := n.question(p)
		if err != nil {
			return o, 0, 0, fmt.Errorf("picture %d: %w", i, err)
		}
		for _, b := range branches {
			e := question
			e.Tokens = append(append([]int32(nil), question.Tokens...), b.Prefix...)
			examples = append(examples, e)
		}
	}
	b, err := batch.Share(n.router.Layout(), examples)
	if err != nil {
		return o, 0, 0, err
	}
	o, err = n.router.Outputs(b, b.Ends)
	c := n.router.Config()
	return o, c.Text.Vocab, c.Text.Hidden, err
}

// question returns what the router reads about a picture.
func (n *Network) question(p *Picture) (batch.Example, error) {
	if p.Question != nil {
		return batch.Example{Tokens: p.Question, Images: []*vision.Patches{p.Patches}}, nil
	}
	return n.View.Question(p.Patches, p.Instruction)
}

func wide(v []float32) []float64 {
	out := make([]float64, len(v))
	for i, x := range v {
		out[i] = float64(x)
	}
	return out
}
