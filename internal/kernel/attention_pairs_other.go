//go:build !amd64

package kernel

// No tier multiplies pairs here: what follows AttentionPairs is never called.

var tilePairs tileTier

// AttentionPairs reports whether [AttentionTile.BeginPairs] works with heads of width d
// on tier t.
func (t Tier) AttentionPairs(int) bool { return false }

func pairColumns(_, _ []float32, _, _, _, _ int) {}

func pairKeys(_, _ []float32, _, _, _, _ int) {}

func pairValues(_, _ []float32, _, _, _, _ int) {}

func pairScores(_ []float32, _, _ int) {}
