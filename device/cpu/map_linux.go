package cpu

import "golang.org/x/sys/unix"

// mapMemory returns memory of the system, zero and at the start of a page, nil if
// there is none. Huge pages are asked for: a step touches gigabytes.
func mapMemory(size int) []byte {
	data, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil
	}
	_ = unix.Madvise(data, unix.MADV_HUGEPAGE) // advice only: not every kernel has them
	return data
}

// unmapMemory gives memory of mapMemory back.
func unmapMemory(data []byte) { _ = unix.Munmap(data) } // it is a mapping
