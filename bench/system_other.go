//go:build !unix

package bench

import "time"

// cpuTime returns the time since the program began: the system does not say how
// long it has been computing.
func cpuTime() time.Duration { return wallTime() }

// peakBytes returns the most memory that the process had in use, 0 if that is
// not known.
func peakBytes() int64 { return 0 }
