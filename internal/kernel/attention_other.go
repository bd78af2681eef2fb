//go:build !amd64 && !arm64

package kernel

// There is no vector tier: nothing here is ever called.

var tileTiers [1]tileTier

func (t *tileTier) product(_, _, _ int, _ matrix, _ []float32, _ int, _ []float32, _ int, _ bool) {}

func tileCopy(_, _ []float32, _, _, _, _ int) {}

func tileColumns(_, _, _ []float32, _, _, _, _ int) {}

func tileRowsOf(_ []float32, _ int, _ []float32, _, _ int) {}
