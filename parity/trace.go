package parity

import (
	"fmt"
	"strings"

	"mole/batch"
	"mole/model/qwen3vl"
	"mole/tensor"
)

// traced is an intermediate value of a forward pass, by the name that the
// reference gives it.
type traced struct {
	name  string
	shape []int
}

// tracedValues lists what the reference records of a pass over s, in the order
// of the pass. Without images the tower does not run.
func tracedValues(c *qwen3vl.Config, s *sample) []traced {
	patches, tokens := 0, len(s.ids)
	for _, g := range s.grids {
		patches += g.Patches()
	}
	var out []traced
	add := func(shape []int, format string, args ...any) {
		out = append(out, traced{fmt.Sprintf(format, args...), shape})
	}
	if patches > 0 {
		inside := []int{patches, c.Vision.Hidden}
		outside := []int{patches / (c.Vision.Merge * c.Vision.Merge), c.Text.Hidden}
		add(inside, "vision.patch_embed")
		add(inside, "vision.embed")
		for i := range c.Vision.Depth {
			add(inside, "vision.blocks.%d", i)
		}
		for k := range c.Vision.DeepStack {
			add(outside, "vision.deep.%d", k)
		}
		add(outside, "vision.feats")
	}
	stream := []int{tokens, c.Text.Hidden}
	add(stream, "text.embed")
	for i := range c.Text.Layers {
		add(stream, "text.layers.%d", i)
	}
	add(stream, "text.norm")
	add([]int{tokens, c.Text.Vocab}, "logits")
	return out
}

// trace runs b forward and returns every intermediate value by name, with the
// logits of all rows.
func (r *run) trace(net *qwen3vl.Net, b *batch.Batch) map[string][]float32 {
	if r.failed() {
		return nil
	}
	got := map[string][]float32{}
	net.Trace = func(name string, t tensor.Tensor) { got[name] = r.read(t) }
	logits, err := net.Logits(b, nil)
	net.Trace = nil
	r.fail(err)
	got["logits"] = logits
	return got
}

// group returns the row of the report for a traced value: all of the tower
// share one, and all of the decoder.
func group(prefix, name string) string {
	part, _, _ := strings.Cut(name, ".")
	return prefix + "." + part
}
