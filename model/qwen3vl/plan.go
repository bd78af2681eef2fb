package qwen3vl

import "fmt"

// Check returns an error unless src holds the tensors of c, all of them and no
// other, each of the right shape and of a type that can be used. It reads no
// elements.
func (c *Config) Check(src Source) error {
	l, err := newLoader(nil, c, src)
	if err != nil {
		return err
	}
	for _, s := range c.Tensors() {
		t, ok := l.fetch(s.Name)
		if !ok {
			return l.err
		}
		if t.DType != "F16" && t.DType != "BF16" && t.DType != "F32" {
			return fmt.Errorf("tensor %q: type %s, want BF16, F16 or F32", l.names[s.Name], t.DType)
		}
	}
	return nil
}

// floatBytes is what a number of a pass takes.
const floatBytes = 4

// EncodeBytes returns what [Net.Encode] takes in the memory of its Net for
// images of that many merged cells, which are the tokens of the images.
func (c *Config) EncodeBytes(cells int) int64 {
	v := &c.Vision
	patches := v.Merge * v.Merge
	join := 3 * v.MergedWidth() // of a merger: normed, and before and after its GELU
	block := 5*v.Hidden + v.Intermediate + v.Heads + 4
	patch := v.PatchWidth() + 5*v.Hidden + v.Intermediate + v.HeadDim() + 8
	features := (1 + len(v.DeepStack)) * c.Text.Hidden
	perCell := patches*patch + features + len(v.DeepStack)*join + max(patches*block, join)
	return floatBytes * int64(cells) * int64(perCell)
}

// OutputsBytes returns what [Net.Outputs] takes in the memory of its Net for one
// sequence of that many tokens, of which so many are of images whose features
// are known, and logits at so many rows.
func (c *Config) OutputsBytes(tokens, cells, rows int) int64 {
	t := &c.Text
	queries, keys := t.Heads*t.HeadDim, t.KVHeads*t.HeadDim
	features := (1+len(c.Vision.DeepStack))*t.Hidden + 2
	layer := t.Hidden + 3*queries + 3*keys + 2*t.Intermediate + 2*t.Heads + t.KVHeads + 2
	perToken := 3*t.Hidden + t.Intermediate + t.HeadDim + 1 + layer
	perRow := 2*t.Hidden + t.Vocab + 2
	return floatBytes * (int64(tokens)*int64(perToken) + int64(cells)*int64(features) + int64(rows)*int64(perRow))
}
