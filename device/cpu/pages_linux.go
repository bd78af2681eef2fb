package cpu

import "golang.org/x/sys/unix"

// pages returns n bytes outside of the Go heap, zero and at the start of a
// page, or nil if the system has none. Large pages save the matrix products
// most of their misses in the address cache, so they are asked for.
func pages(n int) []byte {
	mem, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil
	}
	_ = unix.Madvise(mem, unix.MADV_HUGEPAGE) // a wish
	return mem
}

// unmap gives back what pages returned.
func unmap(mem []byte) { _ = unix.Munmap(mem) }
