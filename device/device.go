// Package device says what a processor must be able to do to run and to train
// a network, and nothing about how. Package cpu implements it; a device for
// another processor must agree with it, which devicetest checks operation by
// operation.
//
// Operations write into tensors that the caller allocated, destination first.
// They are queued: a call may return before the work is done. They do not
// return errors. A wrong shape is a bug in the caller and panics at once with
// every shape in the message; a failing device is remembered, later operations
// do nothing, and [Device.Sync] reports it, as [bufio.Writer.Flush] does.
//
// Activations, adapters, gradients and moments are F32. Frozen matrices (the
// second operand of MatMul, the source of Gather) are F32 or BF16. Vectors
// (norm weights, biases) are F32. Row numbers are I32.
//
// A destination must not overlap a source unless the operation says so. The
// same operations on the same values give the same bytes, whatever the number
// of workers of the device: every reduction has a fixed order. Operations come
// from one goroutine at a time.
//
// In the comments T is the number of tokens in a batch, C the width of the
// residual stream, H the query heads, K the key and value heads, D the width of
// a head, F the width of the MLP, V the vocabulary.
package device

import "mole/tensor"

// Device is what every processor can do with memory.
type Device interface {
	// Name returns what the device is, with the kernels it chose: "cpu avx2".
	Name() string

	// Alloc returns a tensor with undefined contents.
	Alloc(d tensor.DType, s tensor.Shape) tensor.Tensor
	// Import returns a tensor with the contents of data, little-endian, in the
	// element layout of d. The device may use the memory of data itself until
	// Free and never writes to it, so the caller must neither change nor unmap it.
	Import(d tensor.DType, s tensor.Shape, data []byte) tensor.Tensor
	// Free gives the memory of t back; views of t die with it.
	Free(t tensor.Tensor)

	// Write copies src, little-endian in the element layout of dst, from the
	// host; src must have exactly the size of dst.
	Write(dst tensor.Tensor, src []byte)
	// Read copies src to the host. It is the only operation that waits. dst
	// must have exactly the size of src.
	Read(dst []byte, src tensor.Tensor)

	// Sync waits for queued work and returns the first failure since the
	// device was opened. A device that failed stays failed.
	Sync() error
	// Close stops the device. Tensors of a closed device must not be used.
	Close() error
}

// Forward is what inference needs on top of memory.
type Forward interface {
	// Gather sets row i of dst [T, C] to Σ_j weights[i,j] · src[rows[i,j]],
	// with src [N, C] F32 or BF16, and rows [T] or [T, n]. Without weights (the
	// zero tensor) every weight is 1. A negative row contributes nothing, so a
	// row that has no other is zero.
	Gather(dst, src, rows, weights tensor.Tensor)

	// AddRows adds row i of src [n, C] to row rows[i] of dst [T, C], in the
	// order of i where rows repeat; a negative row counts for nothing. It is the
	// gradient of Gather.
	AddRows(dst, src, rows tensor.Tensor)

	// MatMul sets dst [M, N] = o.Alpha · (a · b + o.A2 · o.B2) + o.Beta · dst +
	// o.Bias, where a is [M, K] and b is [K, N], or their transposes if o says so.
	// Sums are F32 at least. dst is not read if o.Beta is 0.
	MatMul(dst, a, b tensor.Tensor, o MatMul)

	// MatMuls does several products, in any order or at one time, each to the bit
	// as MatMul does it. None may write what another reads or writes.
	MatMuls(list []Product)

	// Add sets dst to a + b, all of one shape. dst may be a or b.
	Add(dst, a, b tensor.Tensor)
	// Fill sets every element of dst [any] to v.
	Fill(dst tensor.Tensor, v float32)

	// RMSNorm sets each row of dst [T, C] to x · w / rms(x), with
	// rms(x) = √(mean(x²) + eps), and rstd [T] to 1/rms for the way back.
	RMSNorm(dst, rstd, x, w tensor.Tensor, eps float32)
	// LayerNorm sets each row of dst [T, C] to (x − mean) · rstd · w + bias,
	// with rstd = 1/√(variance + eps) and the biased variance, and keeps mean
	// [T] and rstd [T] for the way back.
	LayerNorm(dst, mean, rstd, x, w, bias tensor.Tensor, eps float32)

	// RoPE turns, in place, each pair (i, i+D/2) of every head of
	// x [T, heads, D] by the angles in cos and sin [T, D/2]. sign is 1, or −1 to
	// turn them back, which is the gradient.
	RoPE(x, cos, sin tensor.Tensor, sign float32)

	// Attention sets dst [T, H, D] from q [T, H, D], k and v [S, K, D], and
	// lse [T, H] to the natural log of each softmax denominator, the scaled
	// scores included. H is a multiple of K; query head h reads key head h/(H/K).
	Attention(dst, lse, q, k, v tensor.Tensor, o Attention)

	// SwiGLU sets dst to gate · sigmoid(gate) · up, all [T, F]. dst may be
	// gate or up.
	SwiGLU(dst, gate, up tensor.Tensor)
	// GELU sets dst [T, F] to the form of it that form names. dst may be x.
	GELU(dst, x tensor.Tensor, form GELUForm)

	// CrossEntropy sets loss [T], in nats, to lse(logits) − logits[target] and,
	// unless it is the zero tensor, dlogits [T, V] to the gradient of
	// Σ weights[i] · loss[i]. targets [T] are I32 in 0..V-1; weights [T] F32 are
	// none where dlogits is. dlogits may be logits. A logit that is not a number
	// makes the loss of its row one.
	CrossEntropy(loss, dlogits, logits, targets, weights tensor.Tensor)
}

// Backward is what training adds to Forward. Each sets the gradient of the
// loss with respect to an input from that with respect to the output, dy.
type Backward interface {
	// RMSNormGrad sets dx [T, C] to beta · dx + the gradient of RMSNorm. The
	// weights are frozen, so they get none. dx may be dy if beta is 0.
	RMSNormGrad(dx, dy, x, w, rstd tensor.Tensor, beta float32)
	// LayerNormGrad sets dx [T, C] to beta · dx + the gradient of LayerNorm.
	// dx may be dy if beta is 0.
	LayerNormGrad(dx, dy, x, w, mean, rstd tensor.Tensor, beta float32)
	// AttentionGrad sets dq, dk and dv, of the shapes of q, k and v, from dy,
	// the result y and lse of Attention, and its operands. Rows of dk and dv
	// that no query saw are zero.
	AttentionGrad(dq, dk, dv, dy, y, lse, q, k, v tensor.Tensor, o Attention)
	// SwiGLUGrad sets dgate and dup [T, F]. Either may be dy, gate or up.
	SwiGLUGrad(dgate, dup, dy, gate, up tensor.Tensor)
	// GELUGrad sets dx [T, F]. It may be dy or x.
	GELUGrad(dx, dy, x tensor.Tensor, form GELUForm)

	// SumSquares adds Σ x² to the scalar sum [1], for the norm of a gradient. It
	// is not a number if an element is not.
	SumSquares(sum, x tensor.Tensor)
	// AdamW takes one step of Adam with decoupled weight decay on w, with its
	// moments m and v, all of one shape.
	AdamW(w, m, v, grad tensor.Tensor, o AdamW)
}

// Accelerator is a device that can train.
type Accelerator interface {
	Device
	Forward
	Backward
}

// MatMul holds the options of the operation of that name. The zero value
// means dst = 0, so set Alpha.
type MatMul struct {
	TransA, TransB bool
	Alpha, Beta    float32
	Bias           tensor.Tensor // [N] F32, added to every row; the zero tensor for none

	// A2 [M, R] and B2 [R, N], or [N, R] if TransB, both F32, are a second pair
	// of operands with an inner extent that is small beside K, such as the branch
	// of an adapter; the zero tensors for none. TransA must not be set beside it.
	A2, B2 tensor.Tensor

	// Stream is for products of few rows, such as those of decoding: b is read
	// once, as it lies. Row i of dst has the same bytes however many rows there are,
	// with it and without it, but not the same with it as without.
	Stream bool
}

// Product is one of the products of MatMuls, named as there.
type Product struct {
	Dst, A, B tensor.Tensor
	MatMul
}

// GELUForm names one of the two functions that are called GELU.
type GELUForm uint8

// The forms of GELU: Qwen3-VL's vision blocks use the first, its mergers the
// second.
const (
	GELUTanh GELUForm = iota // ½x(1 + tanh(√(2/π)(x + 0.044715x³)))
	GELUErf                  // x·Φ(x)
)

// Attention holds the options of the operation of that name. It says which
// keys each query sees; no query sees any other.
type Attention struct {
	Scale    float32   // multiplies q·k, usually 1/√D
	Segments []Segment // cover the query rows 0..T-1 in order, without gap

	// Round allows a device whose products with matrices in BF16 round the other
	// operand to round q, k, v and the probabilities too. Gradients are those of
	// operands that are not rounded.
	Round bool
}

// Segment is a run of query rows with one view of the keys. Query row Start+i
// sees all rows of every Past span, and of its own keys
// Key−Before..Key+(End-Start)-1 all, or, if Causal, Key−Before to Key+i. It thereby
// describes plain causal attention (one segment, no past), packed sequences (one
// segment each), a prefix tree (Past = the ancestors), a key cache (Past = what
// was there before), and images (not causal).
//
// Sums go over the spans in the order of Past, then over the own keys, each in
// blocks from its first key on. What a row gives depends, to the bit, on those
// blocks alone: rows that come in pieces give what they give together if Before
// says where the first piece began.
type Segment struct {
	Start, End int32 // query rows, End excluded
	Key        int32 // the key row that belongs to query row Start
	Before     int32 // key rows before Key that are own keys too
	Causal     bool
	// Past has no overlap with the segment's own keys, and may be empty. For a
	// gradient it ascends without overlap.
	Past []Span
}

// Span is a run of rows, End excluded.
type Span struct{ Start, End int32 }

// AdamW holds the options of one optimizer step (Loshchilov and Hutter,
// "Decoupled Weight Decay Regularization", 2019):
//
//	g = Scale·grad;  m = Beta1·m + (1−Beta1)·g;  v = Beta2·v + (1−Beta2)·g²
//	w = w − Rate·Decay·w − Rate · (m/(1−Beta1^Step)) / (√(v/(1−Beta2^Step)) + Eps)
type AdamW struct {
	Rate, Beta1, Beta2, Eps, Decay float64
	Step                           int     // from 1
	Scale                          float64 // of the gradient, for clipping; 1 for none
}
