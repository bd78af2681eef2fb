package safetensors

import (
	"fmt"
	"maps"
	"slices"
)

// File is one open file. It is safe for concurrent use, Close excepted.
type File struct {
	names    []string // in the order of their data
	tensors  map[string]Tensor
	metadata map[string]string
	unmap    func() error // nil if the memory is not a mapping
}

// Open maps the file at path into memory, read only, and checks its header.
// Close gives the memory back. The file must not be truncated while it is
// open: the operating system would end the program at the next access.
func Open(path string) (*File, error) {
	data, unmap, err := mapFile(path)
	if err != nil {
		return nil, err // names the path
	}
	f, err := Parse(data)
	if err != nil {
		_ = unmap() // the header's fault is the one to report
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	f.unmap = unmap
	return f, nil
}

// Parse reads a whole file held in memory. The tensors alias data.
func Parse(data []byte) (*File, error) {
	h, rest, err := parseHeader(data)
	if err != nil {
		return nil, err
	}
	if err := h.checkLayout(len(rest)); err != nil {
		return nil, err
	}
	f := &File{metadata: h.metadata, tensors: make(map[string]Tensor, len(h.tensors))}
	for _, e := range h.tensors {
		f.names = append(f.names, e.name)
		f.tensors[e.name] = Tensor{DType: e.dtype, Shape: e.shape, Data: rest[e.begin:e.end:e.end]}
	}
	return f, nil
}

// Names returns the names of all tensors, in the order of their data.
func (f *File) Names() []string { return slices.Clone(f.names) }

// Has reports whether there is a tensor of that name.
func (f *File) Has(name string) bool {
	_, ok := f.tensors[name]
	return ok
}

// Tensor returns the tensor of that name, or an error that says there is none.
func (f *File) Tensor(name string) (Tensor, error) {
	t, ok := f.tensors[name]
	if !ok {
		return Tensor{}, fmt.Errorf("no tensor %q among the %d of the file", name, len(f.names))
	}
	t.Shape = slices.Clone(t.Shape)
	return t, nil
}

// Metadata returns a copy of the strings that the file carries about itself,
// empty if there are none.
func (f *File) Metadata() map[string]string {
	if f.metadata == nil {
		return map[string]string{}
	}
	return maps.Clone(f.metadata)
}

// Close gives the memory of the file back. Data of its tensors must not be
// touched afterwards.
func (f *File) Close() error {
	unmap := f.unmap
	f.names, f.tensors, f.unmap = nil, nil, nil
	if unmap == nil {
		return nil
	}
	return unmap()
}
