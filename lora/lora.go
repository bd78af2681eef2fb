// Package lora holds low-rank adapters: pairs of small matrices that change
// what a frozen linear layer computes, from x·Wᵀ to x·Wᵀ + s·(x·Aᵀ)·Bᵀ. It reads
// and writes them in PEFT's layout, strictly: a file that would be applied
// only in part is an error that names the key.
//
// Source: Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models",
// 2021; PEFT's layout as in specification qwen3-vl, section 9.
package lora

import "mole/tensor"

// Site is a linear layer of a network that can carry an adapter.
type Site struct {
	Name    string // module path in the network: "model.visual.blocks.0.attn.qkv"
	In, Out int
	// Kernel holds the shape of a convolution's kernel, without the output
	// axis, whose product is In; nil for a plain linear layer. PEFT stores A of
	// such a site as [rank, Kernel...] and B as [Out, rank, 1, 1, 1].
	Kernel []int
}

// Pair is the adapter of one site, in host memory.
type Pair struct {
	Site  Site
	Rank  int
	Scale float64   // s: alpha/rank, or alpha/√rank with rank-stabilised scaling
	A     []float32 // [Rank, In]
	B     []float32 // [Out, Rank]
}

// Adapter is a set of pairs with the settings they were made by.
type Adapter struct {
	Config Config
	Pairs  []*Pair // in the order of the network's sites
}

// Param is one trainable matrix on a device, with its gradient.
type Param struct {
	Name   string // key in adapter_model.safetensors
	Weight tensor.Tensor
	Grad   tensor.Tensor // of the same shape
}

// KeyA and KeyB return the keys of the two matrices of a site in
// adapter_model.safetensors.
func KeyA(site string) string { return keyPrefix + site + suffixA }

// KeyB is described at [KeyA].
func KeyB(site string) string { return keyPrefix + site + suffixB }

const (
	keyPrefix = "base_model.model."
	suffixA   = ".lora_A.weight"
	suffixB   = ".lora_B.weight"
)
