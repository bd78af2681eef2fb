package router

import (
	"bytes"
	"encoding/json"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"mole/expert"
)

// newTable returns k experts a, b, c, …
func newTable(t testing.TB, k int) expert.Table {
	t.Helper()
	var experts []expert.Expert
	for i := range k {
		experts = append(experts, expert.Expert{Name: string(rune('a' + i)), Label: 10 * i})
	}
	table, err := expert.NewTable(experts)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// clouds returns n vectors around class centres that lie apart times the
// distance of their spread from each other.
func clouds(seed uint64, n, width, k int, apart float64) Examples {
	centres := rand.New(rand.NewPCG(1, 1))
	centre := make([][]float64, k)
	for c := range centre {
		for range width {
			centre[c] = append(centre[c], centres.NormFloat64()*apart)
		}
	}
	r := rand.New(rand.NewPCG(seed, 2))
	var e Examples
	for i := range n {
		x := make([]float64, width)
		for j := range x {
			x[j] = 5 + float64(j+1)*(centre[i%k][j]+r.NormFloat64()) // offset and scale differ by feature
		}
		e.X, e.Class = append(e.X, x), append(e.Class, i%k)
	}
	return e
}

// toJSON returns v as a file holds it.
func toJSON(t testing.TB, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// accuracy returns the share of examples that a head gets right.
func accuracy(t *testing.T, logits func([]float64) ([]float64, error), e Examples) float64 {
	t.Helper()
	right := 0
	for i, x := range e.X {
		l, err := logits(x)
		if err != nil {
			t.Fatal(err)
		}
		if argmax(l) == e.Class[i] {
			right++
		}
	}
	return float64(right) / float64(len(e.X))
}

func TestHeadsLearn(t *testing.T) {
	table := newTable(t, 4)
	train, val, test := clouds(1, 160, 24, 4, 1), clouds(2, 60, 24, 4, 1), clouds(3, 200, 24, 4, 1)
	linear, err := FitLinear(table, Pooled, train, val)
	if err != nil {
		t.Fatal(err)
	}
	if got := accuracy(t, linear.Logits, test); got < 0.97 {
		t.Errorf("linear: got %v, want at least 0.97", got)
	}
	prototype, err := FitPrototype(table, Pooled, train)
	if err != nil {
		t.Fatal(err)
	}
	if got := accuracy(t, prototype.Logits, test); got < 0.97 {
		t.Errorf("prototype: got %v, want at least 0.97", got)
	}
}

// TestHeadsAreDeterministic fits with one processor and with many, and reads
// back what was written.
func TestHeadsAreDeterministic(t *testing.T) {
	table := newTable(t, 3)
	train, val := clouds(1, 101, 9, 3, 0.7), clouds(2, 30, 9, 3, 0.7)
	var want []byte
	for _, procs := range []int{1, 7} {
		old := runtime.GOMAXPROCS(procs)
		h, err := FitLinear(table, PooledColour, train, val)
		runtime.GOMAXPROCS(old)
		if err != nil {
			t.Fatal(err)
		}
		got := toJSON(t, h)
		if want != nil && !bytes.Equal(got, want) {
			t.Errorf("%d processors give other bytes", procs)
		}
		want = got
	}
	h, err := ParseLinear(want, table)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(toJSON(t, h), want) {
		t.Error("linear head changed on its way through JSON")
	}
	p, err := FitPrototype(table, Pooled, train)
	if err != nil {
		t.Fatal(err)
	}
	q, err := ParsePrototype(toJSON(t, p), table)
	if err != nil {
		t.Fatal(err)
	}
	a, _ := p.Logits(val.X[0])
	b, _ := q.Logits(val.X[0])
	if !slices.Equal(a, b) {
		t.Errorf("got %v after reading, want %v", b, a)
	}
}

// TestRegressionGradient compares with central differences.
func TestRegressionGradient(t *testing.T) {
	e := clouds(4, 37, 5, 3, 0.5)
	r := newRegression(e, standardise(e), 3)
	r.l2 = 0.3
	random := rand.New(rand.NewPCG(5, 5))
	w, grad := make([]float64, 3*6), make([]float64, 3*6)
	for i := range w {
		w[i] = random.NormFloat64()
	}
	r.value(w, grad)
	scratch := make([]float64, len(w))
	for i := range w {
		const h = 1e-5
		at := w[i]
		w[i] = at + h
		up := r.value(w, scratch)
		w[i] = at - h
		down := r.value(w, scratch)
		w[i] = at
		if want := (up - down) / (2 * h); math.Abs(grad[i]-want) > 1e-7 {
			t.Errorf("element %d: got %v, want %v", i, grad[i], want)
		}
	}
}

// TestMinimise finds the minimum of a badly scaled quadratic function.
func TestMinimise(t *testing.T) {
	value := func(x, grad []float64) float64 {
		sum := 0.0
		for i, v := range x {
			a, d := math.Pow(4, float64(i)), v-float64(i)
			grad[i] = a * d
			sum += a * d * d / 2
		}
		return sum
	}
	x := make([]float64, 6)
	(&lbfgs{value: value, tolerance: 1e-9, steps: 200}).minimise(x)
	for i, v := range x {
		if math.Abs(v-float64(i)) > 1e-8 {
			t.Errorf("element %d: got %v, want %d", i, v, i)
		}
	}
}

func TestFitRefuses(t *testing.T) {
	table := newTable(t, 2)
	ok := Examples{X: [][]float64{{1, 2}, {2, 1}}, Class: []int{0, 1}}
	tests := []struct {
		name       string
		table      expert.Table
		train, val Examples
		want       string
	}{
		{"no experts", nil, ok, ok, "the table has no expert"},
		{"no example", table, Examples{X: [][]float64{{1, 2}}, Class: []int{0}}, ok, `no example of expert "b"`},
		{"no validation data", table, ok, Examples{}, "validation data: no examples"},
		{"widths", table, ok, Examples{X: [][]float64{{1}}, Class: []int{0}}, "vector 0 has 1 features, want 2"},
		{"not finite", table, Examples{X: [][]float64{{1, math.NaN()}}, Class: []int{0}}, ok, "not finite"},
		{"class", table, Examples{X: [][]float64{{1, 2}}, Class: []int{2}}, ok, "class 2, want 0 to 1"},
		{"counts", table, Examples{X: [][]float64{{1, 2}}}, ok, "1 vectors but 0 classes"},
		{"overflow", table, Examples{X: [][]float64{{1.7e308, 2}, {1.7e308, 1}}, Class: []int{0, 1}}, ok, "out of range"},
	}
	for _, tt := range tests {
		_, err := FitLinear(tt.table, Pooled, tt.train, tt.val)
		checkErr(t, tt.name, err, tt.want)
	}
	// One class, features that never vary.
	same := Examples{X: [][]float64{{3, 3}, {3, 3}}, Class: []int{0, 0}}
	h, err := FitLinear(newTable(t, 1), Pooled, same, same)
	if err != nil {
		t.Fatal(err)
	}
	if l, err := h.Logits([]float64{9, 9}); err != nil || !finite(l) {
		t.Errorf("got %v, %v", l, err)
	}
}
