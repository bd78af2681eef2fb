//go:build !linux

package cpu

// pages returns nil: the memory comes from the Go heap.
func pages(int) []byte { return nil }

// unmap has nothing to do.
func unmap([]byte) {}
