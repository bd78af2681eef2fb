package eval

import (
	"fmt"
	"math/big"
)

// Comparison is two routers on the same images.
type Comparison struct {
	A            string  `json:"a"` // names of the routers
	B            string  `json:"b"`
	Total        int     `json:"total"`
	BothRight    int     `json:"both_right"`
	OnlyA        int     `json:"only_a_right"`
	OnlyB        int     `json:"only_b_right"`
	NoneRight    int     `json:"none_right"`
	P            float64 `json:"p"`             // of the exact two-sided sign test
	OnlyAExample string  `json:"only_a_sample"` // id of the first image that only a got right, ""
	OnlyBExample string  `json:"only_b_sample"`
	SeenA        int     `json:"seen_by_a"` // images that the router was trained on, so that they speak for it too well
	SeenB        int     `json:"seen_by_b"`
}

// Seen returns a sentence for each router that was trained on some of the
// images.
func (c *Comparison) Seen() []string {
	var all []string
	for _, r := range []struct {
		name string
		seen int
	}{{c.A, c.SeenA}, {c.B, c.SeenB}} {
		if r.seen > 0 {
			all = append(all, fmt.Sprintf("%s was trained on %d of these images", r.name, r.seen))
		}
	}
	return all
}

// Compare pairs the decisions of two routers by sample id. Both must be about
// the same samples with the same expected experts; the order may differ.
func Compare(nameA string, a []Outcome, nameB string, b []Outcome) (*Comparison, error) {
	byID := make(map[string]*Outcome, len(b))
	for i := range b {
		byID[b[i].ID] = &b[i]
	}
	if len(a) != len(b) || len(byID) != len(b) {
		return nil, fmt.Errorf("compare %s and %s: %d and %d samples, %d different ones in the second; want the same ones",
			nameA, nameB, len(a), len(b), len(byID))
	}
	c := &Comparison{A: nameA, B: nameB, Total: len(a)}
	for i := range a {
		x := &a[i]
		y, ok := byID[x.ID]
		if !ok {
			return nil, fmt.Errorf("compare %s and %s: sample %s is missing in the second, or twice in the first", nameA, nameB, x.ID)
		}
		if x.Expected != y.Expected {
			return nil, fmt.Errorf("compare %s and %s: sample %s belongs to %q in one and %q in the other",
				nameA, nameB, x.ID, x.Expected, y.Expected)
		}
		delete(byID, x.ID)
		c.count(x, y)
	}
	c.P = SignTest(c.OnlyA, c.OnlyB)
	return c, nil
}

// count adds one pair.
func (c *Comparison) count(x, y *Outcome) {
	switch {
	case x.right() && y.right():
		c.BothRight++
	case x.right():
		if c.OnlyA == 0 {
			c.OnlyAExample = x.ID
		}
		c.OnlyA++
	case y.right():
		if c.OnlyB == 0 {
			c.OnlyBExample = x.ID
		}
		c.OnlyB++
	default:
		c.NoneRight++
	}
}

// SignTest returns the two-sided p-value of the exact sign test: how likely a
// fair coin, tossed a+b times, falls at least as unevenly as a to b. It sums
// binomial terms in 192-bit floating point, so that the result is exact to
// float64 for any number that can be counted. No tosses give 1.
func SignTest(a, b int) float64 {
	const precision = 192
	n, k := a+b, min(a, b)
	if a == b {
		return 1
	}
	term := new(big.Float).SetPrec(precision).SetMantExp(big.NewFloat(1), -n) // C(n, 0) / 2ⁿ
	sum := new(big.Float).SetPrec(precision).Set(term)
	factor := new(big.Float).SetPrec(precision)
	for i := range k {
		term.Mul(term, factor.SetInt64(int64(n-i)))
		term.Quo(term, factor.SetInt64(int64(i+1)))
		sum.Add(sum, term)
	}
	p, _ := sum.Mul(sum, factor.SetInt64(2)).Float64()
	return min(1, p)
}
