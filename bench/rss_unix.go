//go:build unix

package bench

import (
	"runtime"
	"syscall"
)

// peakBytes returns the most memory that the process had in use, 0 if that is
// not known.
func peakBytes() int64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	if runtime.GOOS == "darwin" {
		return int64(u.Maxrss) // bytes there, kibibytes elsewhere
	}
	return int64(u.Maxrss) << 10
}
