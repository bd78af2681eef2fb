//go:build !linux

package cpu

// mapMemory returns nil: memory comes from the Go heap.
func mapMemory(int) []byte { return nil }

// unmapMemory is never called.
func unmapMemory([]byte) {}
