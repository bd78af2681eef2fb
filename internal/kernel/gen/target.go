package main

import "slices"

// A target is an architecture and its vector tiers.
type target struct {
	arch
	sets     []set
	products func() []unit // of matrices
	tiles    []table       // micro-kernels of attention
	pairs    []table       // the same for pairs of bfloat16
	packers  []*function   // of attention, for those
	data     string        // of vector kernels, besides constants
}

// A set is a vector tier with its instructions.
type set struct {
	name string
	isa  isa
}

// targets returns all of them, that which names the kernels first.
func targets() []target {
	x86 := target{arch: amd64{}, products: func() []unit { return []unit{products(), fewRows()} }, data: laneNumbers}
	for _, t := range tiers {
		x86.sets = append(x86.sets, set{t.name, t.bank})
		for _, vecs := range []int{2, 1} {
			x86.tiles = append(x86.tiles, t.table("tile", "tileMicro", vecs, func(m micro) *function { return tile{m}.function() }))
		}
	}
	for _, vecs := range bf16Tier.vecs {
		x86.pairs = append(x86.pairs, bf16Tier.table("tile", "tileMicro", vecs, func(m micro) *function { return tile{m}.function() }))
	}
	x86.packers = attentionPackers()
	arm := target{arch: arm64{}, products: func() []unit { return []unit{neonProducts()} }, sets: []set{{"NEON", &neon{}}}}
	for _, t := range neonTiers {
		arm.tiles = append(arm.tiles, t.table("tile", "tileMicro", t.vecs[0], func(m micro) *function { return neonTile{tile{m}}.function() }))
	}
	return []target{x86, arm}
}

// names returns those of the tiers.
func (t target) names() []string {
	var names []string
	for _, s := range t.sets {
		names = append(names, s.name)
	}
	return names
}

// attention returns the kernels of attention.
func (t target) attention() unit {
	u := unit{
		arch: t.arch,
		name: "attention",
		intro: `// Routines of attention: micro-kernels of small products, and the softmax
// between them and its gradient. The line above each says which instructions it
// requires; attention_` + t.goarch() + `.go chooses.`,
	}
	used := words{}
	for i, s := range t.sets {
		u.functions = append(u.functions, attentionKernels(s.name, s.isa, used)...)
		n := len(t.tiles) / len(t.sets)
		for _, tiles := range t.tiles[i*n : (i+1)*n] {
			u.add(tiles)
		}
	}
	for _, tiles := range t.pairs {
		u.add(tiles)
	}
	u.functions = append(u.functions, t.packers...)
	data := ""
	if len(t.packers) > 0 {
		data = wordTurns
	}
	u.seal(used, data, t.names(), "attendSoftmax", "attendGrad", "attendScale", "attendDot")
	return u
}

// vectors returns the kernels that compute element by element.
func (t target) vectors() unit {
	u := unit{
		arch: t.arch,
		name: "vector",
		intro: `// Routines that compute element by element, and sums. The line above each says
// which instructions it requires; vector_asm_` + t.goarch() + `.go chooses.`,
	}
	used := words{}
	var names []string
	for _, p := range slices.Concat(activations, rows) {
		names = append(names, p.name)
		for _, s := range t.sets {
			u.functions = append(u.functions, p.function(s.name, s.isa, used))
		}
	}
	u.seal(used, t.data, t.names(), names...)
	return u
}
