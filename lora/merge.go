package lora

// AddTo adds what the pair does to the rows lo to hi of the weight w of its site,
// [Out, In]: w += Scale·B·A. Rows are independent of each other, so that several
// goroutines may share a weight; the sums are in the order of the rank.
func (p *Pair) AddTo(w []float32, lo, hi int) {
	in := p.Site.In
	for i := lo; i < hi; i++ {
		row := w[i*in : (i+1)*in]
		for k, b := range p.B[i*p.Rank : (i+1)*p.Rank] {
			scaled := float32(p.Scale * float64(b))
			if scaled == 0 {
				continue
			}
			for j, a := range p.A[k*in : (k+1)*in] {
				row[j] += scaled * a
			}
		}
	}
}
