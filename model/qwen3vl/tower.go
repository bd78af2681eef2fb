package qwen3vl

import (
	"fmt"
	"math"

	"mole/device"
	"mole/tensor"
	"mole/vision"
)

// towerEps is the eps of the tower's LayerNorm, fixed in the reference's code.
const towerEps = 1e-6

// tower is the result of a pass of the vision tower over some images, N
// merged cells of P patches in all, and what its gradient needs.
type tower struct {
	feats tensor.Tensor   // [N, C]
	deep  []tensor.Tensor // [N, C] each

	pixels    linearTape
	cos, sin  tensor.Tensor // [P, head/2]
	attention device.Attention
	// What every block works in: its normed input [P, E], and the inner channels
	// of its MLP [P, F]. As in the decoder, the way back computes them again.
	normed, wide tensor.Tensor
	blocks       []blockTape
	merger       mergerTape
	deepTapes    []mergerTape

	// Gradients of feats and deep, set by decoderBackward; none where nothing
	// reaches a label.
	dFeats tensor.Tensor
	dDeep  []tensor.Tensor
}

// blockTape is what the gradient of a vision block needs. E is its width.
type blockTape struct {
	x, mean1, rstd1   tensor.Tensor // input [P, E]
	qkv               linearTape
	q, k, v, y        tensor.Tensor // as attention saw them [P, heads, head]
	lse               tensor.Tensor // [P, heads]
	proj              linearTape
	mid, mean2, rstd2 tensor.Tensor
	fc1, fc2          linearTape
	up                tensor.Tensor // [P, F], before GELU
}

// mergerTape is what the gradient of a merger needs.
type mergerTape struct {
	x, mean, rstd tensor.Tensor // normed width as the norm saw it
	fc1, fc2      linearTape
	up            tensor.Tensor // [N, 4E], before GELU
}

// towerForward runs the tower over images. With keep it records the tapes,
// otherwise only the features stay in the arena.
func (n *Net) towerForward(images []*vision.Patches, keep bool) *tower {
	v := &n.config.Vision
	t := &tower{dDeep: make([]tensor.Tensor, len(n.deep))}
	patches := 0
	for _, im := range images {
		patches += im.Grid.Patches()
	}
	cells := patches / (v.Merge * v.Merge)
	t.feats = n.arena.F32(cells, n.config.Text.Hidden)
	for range n.deep {
		t.deep = append(t.deep, n.arena.F32(cells, n.config.Text.Hidden))
	}
	mark := n.arena.Mark()
	x := n.patchRows(t, images, patches)
	n.towerPlaces(t, images)
	n.towerBlocks(t, x, keep)
	if !keep {
		n.arena.Release(mark)
	}
	return t
}

// patchRows returns the input of the first block [P, E]: projected pixels and
// learned positions.
func (n *Net) patchRows(t *tower, images []*vision.Patches, patches int) tensor.Tensor {
	v := &n.config.Vision
	pixels := n.arena.F32(patches, v.PatchWidth())
	x := n.arena.F32(patches, v.Hidden)
	var place taps
	at := 0
	for _, im := range images {
		rows := im.Grid.Patches()
		n.dev.Write(pixels.Rows(at, at+rows), elementBytes(im.Pixels))
		place.add(v, im.Grid)
		at += rows
	}
	t.pixels = n.linear(n.patch, pixels, nil, x)
	n.trace("vision.patch_embed", x)
	learned := n.arena.F32(patches, v.Hidden)
	rows := n.ints(place.rows).Reshape(tensor.Shape{patches, 4})
	n.dev.Gather(learned, n.table, rows, n.floats(place.shares, patches, 4))
	n.dev.Add(x, x, learned)
	n.trace("vision.embed", x)
	return x
}

// towerPlaces sets the rotation of the patches, and that each frame of each
// image attends to itself only.
func (n *Net) towerPlaces(t *tower, images []*vision.Patches) {
	v := &n.config.Vision
	var cos, sin []float32
	t.attention.Scale = float32(1 / math.Sqrt(float64(v.HeadDim())))
	at := int32(0)
	for _, im := range images {
		cos, sin = towerAngles(v, im.Grid, cos, sin)
		frame := int32(im.Grid.H * im.Grid.W)
		for range im.Grid.T {
			t.attention.Segments = append(t.attention.Segments, device.Segment{Start: at, End: at + frame, Key: at})
			at += frame
		}
	}
	half := v.HeadDim() / 2
	t.cos, t.sin = n.floats(cos, int(at), half), n.floats(sin, int(at), half)
}

// towerBlocks runs the blocks and the mergers that read them.
func (n *Net) towerBlocks(t *tower, x tensor.Tensor, keep bool) {
	dst := n.arena.Alloc(tensor.F32, x.Shape)
	t.normed, t.wide = n.arena.Alloc(tensor.F32, x.Shape), n.arena.F32(x.Shape[0], n.config.Vision.Intermediate)
	k := 0
	for i := range n.blocks {
		mark := n.arena.Mark()
		tape := n.blockForward(&n.blocks[i], x, dst, t)
		if keep {
			t.blocks = append(t.blocks, tape)
		} else {
			n.arena.Release(mark)
		}
		n.trace(fmt.Sprintf("vision.blocks.%d", i), dst)
		if k < len(n.deep) && n.deep[k].after == i {
			t.deepTapes = append(t.deepTapes, n.mergerForward(&n.deep[k], dst, t.deep[k]))
			n.trace(fmt.Sprintf("vision.deep.%d", k), t.deep[k])
			k++
		}
		x, dst = dst, x
		if keep {
			dst = n.arena.Alloc(tensor.F32, x.Shape)
		}
	}
	t.merger = n.mergerForward(&n.merger, x, t.feats)
	n.trace("vision.feats", t.feats)
}

// blockForward sets dst to the output of b on x, both [P, E] (specification
// qwen3-vl, 3.6).
func (n *Net) blockForward(b *block, x, dst tensor.Tensor, t *tower) blockTape {
	rows, width := x.Shape[0], x.Shape[1]
	p := blockTape{x: x, mid: n.arena.F32(rows, width)}
	a := t.normed
	p.mean1, p.rstd1 = n.layerNorm(a, x, b.norm1)
	p.q, p.k, p.v = n.arena.F32(rows, width), n.arena.F32(rows, width), n.arena.F32(rows, width)
	p.qkv = n.linear(b.qkv, a, nil, p.q, p.k, p.v)
	n.look(b, &p, t)
	p.proj = n.linear(b.proj, p.y.Reshape(x.Shape), nil, p.mid)
	n.dev.Add(p.mid, p.mid, x)

	c := t.normed
	p.mean2, p.rstd2 = n.layerNorm(c, p.mid, b.norm2)
	p.up = n.arena.F32(rows, n.config.Vision.Intermediate)
	p.fc1 = n.linear(b.fc1, c, nil, p.up)
	g := t.wide
	n.dev.GELU(g, p.up, device.GELUTanh)
	p.fc2 = n.linear(b.fc2, g, nil, dst)
	n.dev.Add(dst, dst, p.mid)
	return p
}

// look rotates p.q and p.k and sets p.y to the attention of the frame.
func (n *Net) look(b *block, p *blockTape, t *tower) {
	v := &n.config.Vision
	heads := tensor.Shape{p.q.Shape[0], v.Heads, v.HeadDim()}
	p.q, p.k, p.v = p.q.Reshape(heads), p.k.Reshape(heads), p.v.Reshape(heads)
	n.dev.RoPE(p.q, t.cos, t.sin, 1)
	n.dev.RoPE(p.k, t.cos, t.sin, 1)
	p.y, p.lse = n.arena.Alloc(tensor.F32, heads), n.arena.F32(heads[0], heads[1])
	o := t.attention
	o.Round = b.qkv.w.DType == tensor.BF16 // as the products beside it
	n.dev.Attention(p.y, p.lse, p.q, p.k, p.v, o)
}

// layerNorm sets dst to x normed by w and returns mean and 1/deviation.
func (n *Net) layerNorm(dst, x tensor.Tensor, w norm) (mean, rstd tensor.Tensor) {
	mean, rstd = n.arena.F32(x.Shape[0]), n.arena.F32(x.Shape[0])
	n.dev.LayerNorm(dst, mean, rstd, x, w.w, w.bias, towerEps)
	return mean, rstd
}

// mergerForward sets dst [N, C] to the tokens of the patches x [P, E]. Joining
// the patches of a cell is a change of shape, thanks to their order
// (specification qwen3-vl, 3.7).
func (n *Net) mergerForward(m *merger, x, dst tensor.Tensor) mergerTape {
	joined := tensor.Shape{dst.Shape[0], n.config.Vision.MergedWidth()}
	t := mergerTape{x: x}
	if m.shuffled {
		t.x = x.Reshape(joined)
	}
	a := n.arena.Alloc(tensor.F32, t.x.Shape)
	t.mean, t.rstd = n.layerNorm(a, t.x, m.norm)
	t.up = n.arena.Alloc(tensor.F32, joined)
	t.fc1 = n.linear(m.fc1, a.Reshape(joined), nil, t.up)
	g := n.arena.Alloc(tensor.F32, joined)
	n.dev.GELU(g, t.up, device.GELUErf)
	t.fc2 = n.linear(m.fc2, g, nil, dst)
	return t
}
