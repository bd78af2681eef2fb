package train_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"mole/batch"
	"mole/device"
	"mole/device/cpu"
	"mole/lora"
	"mole/tensor"
	"mole/train"
)

// The sizes of the test network.
const (
	vocab = 24
	width = 16
	rank  = 4
)

var layout = batch.Layout{ImageToken: 1000, VideoToken: 1001, Merge: 2}

// network predicts a token from the one before: an embedding, a linear head
// with an adapter, and the loss. Only the adapter learns.
type network struct {
	dev         *cpu.Device
	arena       *device.Arena
	embed, head tensor.Tensor // [vocab, width], frozen
	a, b        lora.Param    // [rank, width], [vocab, rank]

	// Kept from Forward for Backward: x [n, width], h [n, rank], dlogits [n, vocab].
	x, h, dlogits tensor.Tensor
}

// newNetwork returns a network that is the same each time.
func newNetwork(workers int) (*network, error) {
	dev, err := cpu.Open(cpu.Options{Workers: workers, Tier: "generic"})
	if err != nil {
		return nil, err
	}
	random := rand.New(rand.NewPCG(1, 2))
	n := &network{dev: dev, arena: device.NewArena(dev)}
	n.embed = n.matrix(random, 1, vocab, width)
	n.head = n.matrix(random, 0.5, vocab, width)
	n.a = lora.Param{Name: "site.lora_A.weight", Weight: n.matrix(random, 0.5, rank, width), Grad: n.matrix(random, 0, rank, width)}
	n.b = lora.Param{Name: "site.lora_B.weight", Weight: n.matrix(random, 0, vocab, rank), Grad: n.matrix(random, 0, vocab, rank)}
	return n, nil
}

// open returns a network that is closed with the test.
func open(t *testing.T, workers int) *network {
	t.Helper()
	n, err := newNetwork(workers)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.dev.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

// matrix returns a matrix of uniform numbers in ±scale.
func (n *network) matrix(random *rand.Rand, scale float64, rows, cols int) tensor.Tensor {
	t := n.dev.Alloc(tensor.F32, tensor.Shape{rows, cols})
	values := make([]float32, rows*cols)
	for i := range values {
		values[i] = float32(scale * (2*random.Float64() - 1))
	}
	n.dev.Write(t, floatBytes(values))
	return t
}

// floatBytes returns the elements of v, little-endian.
func floatBytes(v []float32) []byte {
	var b []byte
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return b
}

// floats returns the elements of t.
func floats(d device.Device, t tensor.Tensor) []float32 {
	b := make([]byte, 4*t.Len())
	d.Read(b, t)
	v := make([]float32, t.Len())
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return v
}

// Device implements train.Network.
func (n *network) Device() device.Accelerator { return n.dev }

// Params implements train.Network.
func (n *network) Params() []lora.Param { return []lora.Param{n.a, n.b} }

// Forward implements train.Network.
func (n *network) Forward(b *batch.Batch) ([]float32, error) {
	n.arena.Reset()
	count := len(b.Labels)
	var rows, targets []byte
	var weights []float32
	for _, l := range b.Labels {
		rows = binary.LittleEndian.AppendUint32(rows, uint32(b.Tokens[l.Row]))
		targets = binary.LittleEndian.AppendUint32(targets, uint32(l.Target))
		weights = append(weights, l.Weight)
	}
	n.x, n.h, n.dlogits = n.arena.F32(count, width), n.arena.F32(count, rank), n.arena.F32(count, vocab)
	loss := n.arena.F32(count)
	n.dev.Gather(n.x, n.embed, n.put(tensor.I32, rows), tensor.Tensor{})
	n.dev.MatMul(n.h, n.x, n.a.Weight, device.MatMul{TransB: true, Alpha: 1})
	n.dev.MatMul(n.dlogits, n.x, n.head, device.MatMul{TransB: true, Alpha: 1})
	n.dev.MatMul(n.dlogits, n.h, n.b.Weight, device.MatMul{TransB: true, Alpha: 2, Beta: 1})
	n.dev.CrossEntropy(loss, n.dlogits, n.dlogits, n.put(tensor.I32, targets), n.put(tensor.F32, floatBytes(weights)))
	return floats(n.dev, loss), n.dev.Sync()
}

// put returns a vector with the given contents.
func (n *network) put(d tensor.DType, data []byte) tensor.Tensor {
	t := n.arena.Alloc(d, tensor.Shape{len(data) / d.Size()})
	n.dev.Write(t, data)
	return t
}

// Backward implements train.Network.
func (n *network) Backward() error {
	dh := n.arena.F32(n.h.Shape[0], rank)
	n.dev.MatMul(n.b.Grad, n.dlogits, n.h, device.MatMul{TransA: true, Alpha: 2, Beta: 1})
	n.dev.MatMul(dh, n.dlogits, n.b.Weight, device.MatMul{Alpha: 2})
	n.dev.MatMul(n.a.Grad, dh, n.x, device.MatMul{TransA: true, Alpha: 1, Beta: 1})
	return n.dev.Sync()
}

// examples is n examples made by formula: sequences of unequal length in which
// each token decides the next.
type examples int

// Len implements train.Examples.
func (n examples) Len() int { return int(n) }

// Example implements train.Examples. Its first token is 7 times its number.
func (n examples) Example(i int) (batch.Example, error) {
	if i < 0 || i >= int(n) {
		return batch.Example{}, fmt.Errorf("example %d of %d", i, n)
	}
	token := int32(7*i) % vocab
	e := batch.Example{Tokens: []int32{token}, Labels: []int32{batch.Ignore}}
	for range 2 + i%5 {
		token = (5*token + 3) % vocab
		e.Tokens, e.Labels = append(e.Tokens, token), append(e.Labels, token)
	}
	return e, nil
}

// trainer returns a run of a few steps on a new network.
func trainer(t *testing.T, workers int) *train.Trainer {
	return &train.Trainer{
		Network: open(t, workers), Layout: layout, Examples: examples(20),
		Options: train.Options{Steps: 12, BatchExamples: 4, PassTokens: 10, Rate: 0.05, Warmup: 2, Seed: 3, SaveEvery: 3},
	}
}

// weights returns all trainable numbers of a network.
func weights(n train.Network) []float32 {
	var all []float32
	for _, p := range n.Params() {
		all = append(all, floats(n.Device(), p.Weight)...)
	}
	return all
}
