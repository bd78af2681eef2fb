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
	sorted, err := inOrder(entries)
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
	for _, e := range sorted {
		if _, err := w.Write(e.Tensor.Data); err != nil {
			return err
		}
	}
	return nil
}

// inOrder returns the entries in the order of storage, all of them checked.
func inOrder(entries []Entry) ([]Entry, error) {
	sorted := slices.SortedFunc(slices.Values(entries), func(a, b Entry) int {
		byType := dtypes[b.Tensor.DType].rank - dtypes[a.Tensor.DType].rank
		return cmp.Or(byType, cmp.Compare(a.Name, b.Name))
	})
	seen := make(map[string]bool, len(sorted))
	for _, e := range sorted {
		err := e.Tensor.check()
		switch {
		case err != nil:
		case e.Name == metadataKey:
			err = errors.New("the name is reserved")
		case !utf8.ValidString(e.Name):
			err = errors.New("the name is not valid UTF-8")
		case seen[e.Name]:
			err = errors.New("the name occurs twice")
		case len(e.Tensor.Shape) > maxRank:
			err = fmt.Errorf("%d axes, want at most %d", len(e.Tensor.Shape), maxRank)
		}
		if err != nil {
			return nil, fmt.Errorf("tensor %.100q: %w", e.Name, err)
		}
		seen[e.Name] = true
	}
	return sorted, nil
}

// headerText returns the padded header of tensors stored in the given order.
func headerText(entries []Entry, metadata map[string]string) ([]byte, error) {
	var text bytes.Buffer
	if len(metadata) > 0 {
		if err := writeMetadata(&text, metadata); err != nil {
			return nil, err
		}
	}
	offset := 0
	for _, e := range entries {
		end := offset + len(e.Tensor.Data)
		// Members in this order: the Python library's.
		member, err := memberText(e.Name, struct {
			DType   DType  `json:"dtype"`
			Shape   []int  `json:"shape"`
			Offsets [2]int `json:"data_offsets"`
		}{e.Tensor.DType, append([]int{}, e.Tensor.Shape...), [2]int{offset, end}})
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
