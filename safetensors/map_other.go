//go:build !unix

package safetensors

import "os"

// mapFile returns the contents of the file at path and the function that gives
// them back. It reads the whole file: memory maps are for Unix here.
func mapFile(path string) (data []byte, unmap func() error, err error) {
	data, err = os.ReadFile(path)
	return data, func() error { return nil }, err
}
