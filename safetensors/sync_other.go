//go:build !unix

package safetensors

// syncFolder does nothing where folders cannot be flushed.
func syncFolder(string) error { return nil }
