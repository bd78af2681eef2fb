package safetensors

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"unicode/utf8"
)

// Write writes a file of the given tensors and metadata to w. The layout is
// that of the Python library: data sorted by element type, widest first, then
// by name, in a header padded with spaces to 8 bytes. Metadata keys are sorted,
// so that equal arguments, in any order, give equal bytes. It refuses a name
// that occurs twice or is not UTF-8, and data of the wrong size, before it
// writes anything.
func Write(w io.Writer, entries []Entry, metadata map[string]string) error {
	specs := make([]Spec, len(entries))
	data := make(map[string][]byte, len(entries))
	for i, e := range entries {
		if err := e.Tensor.check(); err != nil {
			return fmt.Errorf("tensor %.100q: %w", e.Name, err)
		}
		specs[i] = Spec{e.Name, e.Tensor.DType, e.Tensor.Shape}
		data[e.Name] = e.Tensor.Data
	}
	return WriteFunc(w, specs, metadata, func(w io.Writer, s Spec) error {
		_, err := w.Write(data[s.Name])
		return err
	})
}

// WriteFunc is Write for tensors that are not in memory: elements is called for
// each in the order of storage, and writes the bytes of its elements to w, all
// of them.
func WriteFunc(w io.Writer, specs []Spec, metadata map[string]string, elements func(w io.Writer, s Spec) error) error {
	sorted, err := inOrder(specs)
	if err != nil {
		return err
	}
	text, err := headerText(sorted, metadata)
	if err != nil {
		return err
	}
	if _, err := w.Write(append(le.AppendUint64(nil, uint64(len(text))), text...)); err != nil {
		return err
	}
	for _, s := range sorted {
		size, err := sizeBytes(s.DType, s.Shape)
		if err != nil {
			return err
		}
		c := &counter{w: w}
		if err := elements(c, s); err != nil {
			return err
		}
		if c.n != size {
			return fmt.Errorf("tensor %.100q: %d bytes of elements were written, want %d", s.Name, c.n, size)
		}
	}
	return nil
}

// counter counts what is written.
type counter struct {
	w io.Writer
	n int
}

// Write implements [io.Writer].
func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += n
	return n, err
}

// inOrder returns the tensors in the order of storage, all of them checked.
func inOrder(specs []Spec) ([]Spec, error) {
	sorted := slices.SortedFunc(slices.Values(specs), func(a, b Spec) int {
		byType := dtypes[b.DType].rank - dtypes[a.DType].rank
		return cmp.Or(byType, cmp.Compare(a.Name, b.Name))
	})
	seen := make(map[string]bool, len(sorted))
	for _, s := range sorted {
		_, err := sizeBytes(s.DType, s.Shape)
		switch {
		case err != nil:
		case s.Name == metadataKey:
			err = errors.New("the name is reserved")
		case !utf8.ValidString(s.Name):
			err = errors.New("the name is not valid UTF-8")
		case seen[s.Name]:
			err = errors.New("the name occurs twice")
		case len(s.Shape) > maxRank:
			err = fmt.Errorf("%d axes, want at most %d", len(s.Shape), maxRank)
		}
		if err != nil {
			return nil, fmt.Errorf("tensor %.100q: %w", s.Name, err)
		}
		seen[s.Name] = true
	}
	return sorted, nil
}

// headerText returns the padded header of tensors stored in the given order.
func headerText(specs []Spec, metadata map[string]string) ([]byte, error) {
	var text bytes.Buffer
	if len(metadata) > 0 {
		if err := writeMetadata(&text, metadata); err != nil {
			return nil, err
		}
	}
	offset := 0
	for _, s := range specs {
		size, err := sizeBytes(s.DType, s.Shape)
		if err != nil {
			return nil, err
		}
		end := offset + size
		// Members in this order: the Python library's.
		member, err := memberText(s.Name, struct {
			DType   DType  `json:"dtype"`
			Shape   []int  `json:"shape"`
			Offsets [2]int `json:"data_offsets"`
		}{s.DType, append([]int{}, s.Shape...), [2]int{offset, end}})
		if err != nil {
			return nil, err
		}
		text.WriteByte(',')
		text.Write(member)
		offset = end
	}
	body := bytes.TrimPrefix(text.Bytes(), []byte(","))
	out := padded(fmt.Appendf(nil, "{%s}", body))
	if len(out) > maxHeaderBytes {
		return nil, fmt.Errorf("header of %d bytes, want at most %d", len(out), maxHeaderBytes)
	}
	return out, nil
}

// writeMetadata adds the member of that name to text.
func writeMetadata(text *bytes.Buffer, metadata map[string]string) error {
	for _, key := range slices.Sorted(maps.Keys(metadata)) {
		if !utf8.ValidString(key) || !utf8.ValidString(metadata[key]) {
			return fmt.Errorf("metadata %.100q: not valid UTF-8", key)
		}
	}
	member, err := memberText(metadataKey, metadata) // maps are written in key order
	text.Write(member)
	return err
}

// memberText returns "key":value. Unlike json.Marshal it leaves <, > and & be.
func memberText(key string, value any) ([]byte, error) {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(key); err != nil {
		return nil, err
	}
	text.Truncate(text.Len() - 1) // Encode ends with a newline
	text.WriteByte(':')
	if err := enc.Encode(value); err != nil {
		return nil, err
	}
	return text.Bytes()[:text.Len()-1], nil
}
