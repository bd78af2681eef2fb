//go:build !unix

package bench

// peakBytes returns the most memory that the process had in use, 0 if that is
// not known.
func peakBytes() int64 { return 0 }
