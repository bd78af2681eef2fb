package shard

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"

	"mole/safetensors"
)

// Tensors of images/index.safetensors, for n pictures sorted by digest.
const (
	digestsTensor = "digests" // U8 [n, 32]
	shardsTensor  = "shards"  // I32 [n], number of the shard
	sizesTensor   = "sizes"   // I32 [n, 2], height and width
)

// writeIndex writes where each picture is.
func (w *writer) writeIndex() error {
	var digests, shards, sizes []byte
	keys := slices.SortedFunc(maps.Keys(w.stored), func(a, b key) int { return bytes.Compare(a[:], b[:]) })
	for _, k := range keys {
		p := w.stored[k]
		digests = append(digests, k[:]...)
		shards = appendInts(shards, []int32{int32(p.shard)})
		sizes = appendInts(sizes, []int32{int32(p.h), int32(p.w)})
	}
	n := len(keys)
	return w.write(indexFile, []safetensors.Entry{
		{Name: digestsTensor, Tensor: safetensors.Tensor{DType: safetensors.U8, Shape: []int{n, len(key{})}, Data: digests}},
		{Name: shardsTensor, Tensor: safetensors.Tensor{DType: safetensors.I32, Shape: []int{n}, Data: shards}},
		{Name: sizesTensor, Tensor: safetensors.Tensor{DType: safetensors.I32, Shape: []int{n, 2}, Data: sizes}},
	}, nil, n)
}

// parseIndex reads an index: pictures in shards 0 to shards-1 whose sides are
// multiples of side.
func parseIndex(f *safetensors.File, shards, side int) (map[key]place, error) {
	t, err := f.Tensor(digestsTensor)
	if err != nil {
		return nil, err
	}
	n := len(t.Data) / len(key{})
	digests, err := tensorOf(f, digestsTensor, safetensors.U8, n, len(key{}))
	if err != nil {
		return nil, err
	}
	numbers, err := tensorOf(f, shardsTensor, safetensors.I32, n)
	if err != nil {
		return nil, err
	}
	sizes, err := tensorOf(f, sizesTensor, safetensors.I32, n, 2)
	if err != nil {
		return nil, err
	}
	out := make(map[key]place, n)
	for i := range n {
		k := key(digests[i*len(key{}):])
		shard, size := ints(numbers, i, i+1), ints(sizes, 2*i, 2*i+2)
		p := place{int(shard[0]), int(size[0]), int(size[1])}
		if p.shard < 0 || p.shard >= shards || !sized(p, side) {
			return nil, fmt.Errorf("picture %s: shard %d of %d, %dx%d pixels, want sides that are multiples of %d", k, p.shard, shards, p.w, p.h, side)
		}
		out[k] = p
	}
	if len(out) != n {
		return nil, fmt.Errorf("%d of %d digests occur twice", n-len(out), n)
	}
	return out, nil
}

// sized reports whether both sides of a picture are multiples of side.
func sized(p place, side int) bool { return p.h > 0 && p.w > 0 && p.h%side == 0 && p.w%side == 0 }

// tensorOf returns the data of a tensor, which has to be of that type and
// shape.
func tensorOf(f *safetensors.File, name string, d safetensors.DType, shape ...int) ([]byte, error) {
	t, err := f.Tensor(name)
	if err == nil && (t.DType != d || !slices.Equal(t.Shape, shape)) {
		err = fmt.Errorf("tensor %s: %s %v, want %s %v", name, t.DType, t.Shape, d, shape)
	}
	return t.Data, err
}

// shownSizes is how many sizes of pictures the metadata lists.
const shownSizes = 64

// countImages returns the counts of the pictures.
func (w *writer) countImages() ImageMeta {
	m := ImageMeta{Files: len(w.names), Distinct: len(w.stored), Samples: w.samples}
	sizes := map[SizeCount]int{}
	for _, p := range w.stored {
		sizes[SizeCount{W: p.w, H: p.h}]++
	}
	for s, n := range sizes {
		m.Sizes = append(m.Sizes, SizeCount{s.W, s.H, n})
	}
	slices.SortFunc(m.Sizes, func(a, b SizeCount) int {
		return cmp.Or(b.Count-a.Count, a.W-b.W, a.H-b.H)
	})
	for _, s := range m.Sizes[min(len(m.Sizes), shownSizes):] {
		m.Other += s.Count
	}
	m.Sizes = m.Sizes[:min(len(m.Sizes), shownSizes)]
	return m
}
