package kernel

// No tier multiplies pairs of bfloat16: but for the functions of float32, nothing
// here is ever called.

func (g *gemm) pairA(_ []float32, _, _ int) {}

func (g *gemm) pairRowsB(*gemmPanel) (done int) { return 0 }

func (g *gemm) joinB(_ *gemmPanel, _, _ int) (done int) { return 0 }

// elementB returns packed element k of the run, in column j.
func (g *gemm) elementB(k, j int) float32 { return g.b(g.k+k, j) }

// whole returns the tier that multiplies float32 in tiles like those of t.
func (t *gemmTier) whole() *gemmTier { return t }
