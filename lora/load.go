package lora

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"mole/safetensors"
)

// The names of the two files of an adapter in its folder.
const (
	ConfigFile  = "adapter_config.json"
	WeightsFile = "adapter_model.safetensors"
)

// Load reads the adapter in the folder dir for a network with the given sites.
// It is strict: an adapter that would be applied only in part is an error that
// names the key.
func Load(dir string, sites []Site) (*Adapter, error) {
	path := filepath.Join(dir, ConfigFile)
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err // names the path
	}
	c, err := ParseConfig(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	path = filepath.Join(dir, WeightsFile)
	f, err := safetensors.Open(path)
	if err != nil {
		return nil, err // names the path
	}
	a, err := assemble(c, f, sites)
	if err != nil {
		err = fmt.Errorf("%s: %w", path, err)
	}
	return a, errors.Join(err, f.Close())
}

// Decode is Load from the contents of the two files.
func Decode(config, weights []byte, sites []Site) (*Adapter, error) {
	c, err := ParseConfig(config)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", ConfigFile, err)
	}
	f, err := safetensors.Parse(weights)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", WeightsFile, err)
	}
	a, err := assemble(c, f, sites)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", WeightsFile, err)
	}
	return a, nil
}

// half is one tensor of a file; the empty key stands for none.
type half struct {
	key    string
	tensor safetensors.Tensor
}

// assemble makes the adapter of all tensors of f. Which sites it has is decided
// by the keys alone: targets are often stored in a form that names no layer.
func assemble(c Config, f *safetensors.File, sites []Site) (*Adapter, error) {
	r, err := c.rules()
	if err != nil {
		return nil, err
	}
	found, err := sortHalves(f, newDirectory(sites))
	if err != nil {
		return nil, err
	}
	a := &Adapter{Config: c}
	for i, s := range sites {
		halves := found[i]
		if halves == nil {
			continue
		}
		p, err := join(s, halves[matrixA], halves[matrixB])
		if err != nil {
			return nil, err
		}
		p.Scale = r.scale(s.Name, p.Rank)
		a.Pairs = append(a.Pairs, p)
	}
	if len(a.Pairs) == 0 {
		return nil, errors.New("no tensors: the adapter would do nothing")
	}
	return a, nil
}

// sortHalves returns the tensors of f by the index of their site.
func sortHalves(f *safetensors.File, d *directory) (map[int]*[2]half, error) {
	found := map[int]*[2]half{}
	for _, key := range f.Names() {
		site, kind, err := d.find(key)
		if err != nil {
			return nil, err
		}
		t, err := f.Tensor(key)
		if err != nil {
			return nil, err
		}
		if found[site] == nil {
			found[site] = &[2]half{}
		}
		h := &found[site][kind]
		if h.key != "" {
			return nil, fmt.Errorf("tensors %.200q and %.200q: two spellings of one matrix", h.key, key)
		}
		*h = half{key, t}
	}
	return found, nil
}

// join makes a pair, without its scale, of the two tensors of a site.
func join(s Site, a, b half) (*Pair, error) {
	switch {
	case a.key == "":
		return nil, fmt.Errorf("tensor %.200q: has no partner %q", b.key, KeyA(s.Name))
	case b.key == "":
		return nil, fmt.Errorf("tensor %.200q: has no partner %q", a.key, KeyB(s.Name))
	}
	p := &Pair{Site: s}
	if len(a.tensor.Shape) > 0 {
		p.Rank = a.tensor.Shape[0]
	}
	if p.Rank < 1 || p.Rank > maxRank {
		return nil, fmt.Errorf("tensor %.200q: shape %v, want a rank from 1 to %d first", a.key, a.tensor.Shape, maxRank)
	}
	shapeA, shapeB := shapes(s, p.Rank)
	var err error
	if p.A, err = a.values(shapeA); err != nil {
		return nil, err
	}
	if p.B, err = b.values(shapeB); err != nil {
		return nil, err
	}
	return p, nil
}

// shapes returns the shapes of A and B as PEFT stores them.
func shapes(s Site, rank int) (a, b []int) {
	if s.Kernel == nil {
		return []int{rank, s.In}, []int{s.Out, rank}
	}
	a = append([]int{rank}, s.Kernel...)
	b = []int{s.Out, rank}
	for range s.Kernel[1:] { // the first axis is the input channel
		b = append(b, 1)
	}
	return a, b
}

// values returns the elements as float32. A number that is not finite would
// spoil every result, so it is an error.
func (h half) values(want []int) ([]float32, error) {
	t := h.tensor
	if !slices.Equal(t.Shape, want) {
		return nil, fmt.Errorf("tensor %.200q: shape %v, want %v", h.key, t.Shape, want)
	}
	switch t.DType {
	case safetensors.F32, safetensors.BF16, safetensors.F16:
	default:
		return nil, fmt.Errorf("tensor %.200q: elements are %s, want F32, BF16 or F16", h.key, t.DType)
	}
	out, err := t.Float32s()
	if err != nil {
		return nil, fmt.Errorf("tensor %.200q: %w", h.key, err)
	}
	for i, v := range out {
		if v-v != 0 { // infinite or not a number
			return nil, fmt.Errorf("tensor %.200q: element %d is %v", h.key, i, v)
		}
	}
	return out, nil
}
