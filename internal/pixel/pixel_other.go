//go:build !amd64

package pixel

// The functions below return how much of the work is done, or whether it is:
// nothing, because there are no vector versions.

func upVector(_, _, _ []uint8) int { return 0 }

func paethVector(_, _, _ []uint8, _ int) int { return 0 }

func (f *Filter) rowVector(_, _ []uint8) int { return 0 }

func (f *Filter) lineVector(_, _ []uint8, _ int, _ []int32) int { return 0 }

func (l *Levels) patchVector(_ []float32, _ int, _ []uint8, _, _ int) bool { return false }

func adlerVector(a, b uint32, _ []uint8) (sum, sums uint32, n int) { return a, b, 0 }
