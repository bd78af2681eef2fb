// Package qwen3vl is the Qwen3-VL network: a vision tower with deep stack, a
// text decoder with interleaved rotary positions, and their gradients with
// respect to low-rank adapters. It is written for this one family, dense
// models only. Its source is the specification qwen3-vl.
package qwen3vl
