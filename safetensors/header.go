package safetensors

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/bits"
	"slices"
)

const (
	// lengthBytes is the size of the number that a file begins with.
	lengthBytes = 8
	// maxHeaderBytes is the limit of the format.
	maxHeaderBytes = 100_000_000
	// maxRank is far above any real tensor; it bounds the memory that shapes
	// take, which the header writes in fewer bytes.
	maxRank = 64
	// metadataKey is the one key of the header that names no tensor.
	metadataKey = "__metadata__"
)

// header is the contents of a file's JSON header.
type header struct {
	tensors  []*placed // in the order of their data, after checkLayout
	metadata map[string]string
}

// placed is a tensor's entry in the header: its data is bytes begin to end
// after the header.
type placed struct {
	name       string
	dtype      DType
	shape      []int
	begin, end int
}

// parseHeader returns the header at the front of a file and the bytes after
// it. Where tensors lie is left to checkLayout.
func parseHeader(file []byte) (h *header, rest []byte, err error) {
	if len(file) < lengthBytes {
		return nil, nil, fmt.Errorf("%d bytes, want at least %d for the header length", len(file), lengthBytes)
	}
	n, rest := le.Uint64(file), file[lengthBytes:]
	switch {
	case n == 0:
		return nil, nil, errors.New("header length 0")
	case n > maxHeaderBytes:
		return nil, nil, fmt.Errorf("header length %d, want at most %d", n, maxHeaderBytes)
	case n > uint64(len(rest)):
		return nil, nil, fmt.Errorf("header length %d, but only %d bytes follow it", n, len(rest))
	case rest[0] != '{':
		return nil, nil, fmt.Errorf("header begins with %q, want '{'", rest[0])
	}
	h = &header{}
	tensors := map[string]*placed{}
	if err := readJSON(rest[:n], tensors, h.member); err != nil {
		return nil, nil, fmt.Errorf("header: %w", err)
	}
	delete(tensors, metadataKey)
	h.tensors = slices.Collect(maps.Values(tensors))
	return h, rest[n:], nil
}

// member reads the value of one key of the header: a tensor's entry, or nil for
// the metadata, which it keeps.
func (h *header) member(r *jsonReader, key string) (*placed, error) {
	if key == metadataKey {
		return nil, h.readMetadata(r)
	}
	t := &placed{name: key}
	if err := t.read(r); err != nil {
		return nil, fmt.Errorf("tensor %.100q: %w", key, err)
	}
	return t, nil
}

// readMetadata reads the object of strings that a file says about itself.
func (h *header) readMetadata(r *jsonReader) error {
	h.metadata = map[string]string{}
	err := object(r, h.metadata, func(key string) (string, error) {
		value, err := r.string()
		if err != nil {
			err = fmt.Errorf("key %.100q: %w", key, err)
		}
		return value, err
	})
	if err != nil {
		return fmt.Errorf("%s: %w", metadataKey, err)
	}
	return nil
}

// read reads a tensor's entry and checks that its size is what type and shape
// ask for.
func (t *placed) read(r *jsonReader) error {
	var offsets []int
	err := object(r, map[string]bool{}, func(key string) (bool, error) {
		var err error
		switch key {
		case "dtype":
			var name string
			name, err = r.string()
			t.dtype = DType(name)
		case "shape":
			t.shape, err = r.ints(maxRank)
		case "data_offsets":
			offsets, err = r.ints(2)
		default:
			return false, fmt.Errorf("unknown key %.100q", key)
		}
		if err != nil {
			err = fmt.Errorf("%s: %w", key, err)
		}
		return true, err
	})
	if err != nil {
		return err
	}
	return t.setOffsets(offsets)
}

// setOffsets sets where the data is, and compares with type and shape.
func (t *placed) setOffsets(offsets []int) error {
	switch {
	case t.dtype == "":
		return errors.New("no dtype")
	case t.shape == nil:
		return errors.New("no shape")
	case len(offsets) != 2:
		return fmt.Errorf("%d data_offsets, want 2", len(offsets))
	case offsets[0] > offsets[1]:
		return fmt.Errorf("data begins at %d, after its end at %d", offsets[0], offsets[1])
	}
	t.begin, t.end = offsets[0], offsets[1]
	want, err := sizeBytes(t.dtype, t.shape)
	if err != nil {
		return err
	}
	if t.end-t.begin != want {
		return fmt.Errorf("%d bytes of data, want %d for %s%v", t.end-t.begin, want, t.dtype, t.shape)
	}
	return nil
}

// sizeBytes returns the size of a tensor, or an error if the type is unknown,
// an extent negative, or the product beyond the address space.
func sizeBytes(d DType, shape []int) (int, error) {
	if d.Size() == 0 {
		return 0, fmt.Errorf("unknown dtype %.40q", string(d))
	}
	n := uint64(d.Size())
	for _, e := range shape {
		if e < 0 {
			return 0, fmt.Errorf("shape %v: extent %d is negative", shape, e)
		}
		hi, lo := bits.Mul64(n, uint64(e))
		if hi != 0 || lo > math.MaxInt {
			return 0, fmt.Errorf("shape %v: more than %d bytes", shape, math.MaxInt)
		}
		n = lo
	}
	return int(n), nil
}

// checkLayout sorts the tensors by place and checks that they cover size bytes
// exactly: every byte belongs to one tensor.
func (h *header) checkLayout(size int) error {
	slices.SortFunc(h.tensors, func(a, b *placed) int {
		return cmp.Or(a.begin-b.begin, a.end-b.end, cmp.Compare(a.name, b.name))
	})
	last := &placed{}
	for _, t := range h.tensors {
		switch {
		case t.end > size:
			return fmt.Errorf("tensor %.100q: data ends at %d, outside the %d bytes after the header", t.name, t.end, size)
		case t.begin < last.end:
			return fmt.Errorf("tensor %.100q: data begins at %d and overlaps that of %.100q, which ends at %d",
				t.name, t.begin, last.name, last.end)
		case t.begin > last.end:
			return fmt.Errorf("tensor %.100q: data begins at %d, but the data before it ends at %d",
				t.name, t.begin, last.end)
		}
		last = t
	}
	if last.end < size {
		return fmt.Errorf("%d bytes after the data of the last tensor", size-last.end)
	}
	return nil
}

// padded returns text with spaces added so that the data after it begins at a
// multiple of 8 bytes.
func padded(text []byte) []byte {
	n := -len(text) & 7
	return append(text, bytes.Repeat([]byte(" "), n)...)
}
