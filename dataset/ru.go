package dataset

import (
	"cmp"
	"fmt"
	"math"
)

// ruMax is the RU of the right and lower edges of an image (4.1).
const ruMax = 1000

// Scale says how a dataset's pixels became resolution units (4.1).
type Scale string

// The scales. Records are given out in independent units whatever they held.
const (
	Independent Scale = "independent" // each axis by its own length: the present rule
	MaxSide     Scale = "max-side"    // both axes by the longer side: until 2025-12-11
)

// RUVersion marks data in independent units in the metadata of a dataset (4.1).
const RUVersion = 2

// RU returns the resolution unit, 0..1000, of a pixel on an axis of size
// pixels, halves rounded to even (4.1). A pixel outside gets the nearest edge.
func RU(px, size int) int {
	return min(max(roundEven(float64(px)/float64(size)*ruMax), 0), ruMax)
}

// roundEven rounds halves to even and stays inside an int32.
func roundEven(v float64) int {
	return int(math.RoundToEven(min(max(v, math.MinInt32), math.MaxInt32)))
}

// minAgree is the share of the records that a scale must explain (4.1).
const minAgree = 0.99

// answer is what a record or test says about the screen, for everything that
// is the same for both: units and their check.
type answer struct {
	at      place
	calls   []ToolCall // normalised; nil if there are none that could be read
	meta    *Metadata
	box     *[]int // the tolerance beside the metadata, of tests
	picture string // path in the dataset
	size    [2]int // of the picture, width and height in pixels; 0 if unknown
	sizeErr error  // why it is not known
	set     func([]ToolCall)
}

// target returns the first point of the answer in the units of the dataset, and
// how far it may be from real_coords for rounding. Boxes count by their centre,
// whose pixel is rounded too.
func (a *answer) target() (p, slack [2]float64, ok bool) {
	for _, c := range a.calls {
		if p, ok := c.point(); ok {
			return p, [2]float64{1, 1}, true
		}
		if boxes, err := c.boxes(); c.Name == GetBox && err == nil {
			b := boxes[0]
			slack := [2]float64{1 + ruMax/float64(max(a.size[0], 1)), 1 + ruMax/float64(max(a.size[1], 1))}
			return [2]float64{(b[0] + b[2]) / 2, (b[1] + b[3]) / 2}, slack, true
		}
	}
	return p, slack, false
}

// votes reports whether the answer can tell the scale: it has a point, a pixel
// and the size of the picture.
func (a *answer) votes() bool {
	_, _, ok := a.target()
	px := a.meta.RealCoords
	return ok && a.size[0] > 0 && px != nil && (px[0] != 0 || px[1] != 0) && !a.inPixels()
}

// agrees reports whether a scale explains the answer's point, ±1 RU.
func (a *answer) agrees(s Scale) bool {
	p, slack, _ := a.target()
	return near(p, a.pixelIn(s), slack)
}

// pixelIn returns real_coords in RU of a scale.
func (a *answer) pixelIn(s Scale) [2]float64 {
	w, h := a.size[0], a.size[1]
	if s == MaxSide {
		w, h = max(w, h), max(w, h)
	}
	px := a.meta.RealCoords
	return [2]float64{float64(RU(px[0], w)), float64(RU(px[1], h))}
}

// near reports whether two points are within slack on each axis.
func near(p, q, slack [2]float64) bool {
	return math.Abs(p[0]-q[0]) <= slack[0] && math.Abs(p[1]-q[1]) <= slack[1]
}

// inPixels reports whether an answer of several calls was left in pixels, as
// one generator did (K-37): its first point is real_coords itself, and no scale
// explains it.
func (a *answer) inPixels() bool {
	p, _, ok := a.target()
	if !ok || len(a.calls) < 2 || len(a.meta.RealCoords) != 2 || a.size[0] <= 0 {
		return false
	}
	px := a.meta.RealCoords
	return p == [2]float64{float64(px[0]), float64(px[1])} && !a.agrees(Independent) && !a.agrees(MaxSide)
}

// tally counts what the answers of a dataset say about its scale.
type tally struct {
	voters, independent, maxSide int
	neither                      string // the first place that no scale explains
}

// count goes through the answers.
func count(answers []answer) tally {
	var t tally
	for i := range answers {
		a := &answers[i]
		if !a.votes() {
			continue
		}
		t.voters++
		ind, side := a.agrees(Independent), a.agrees(MaxSide)
		if ind {
			t.independent++
		}
		if side {
			t.maxSide++
		}
		if !ind && !side && t.neither == "" {
			t.neither = a.at.String()
		}
	}
	return t
}

// scale returns the scale that explains at least 99 % of the records, the
// better one if both do, independent if nothing can be said (4.1).
func (t tally) scale() (Scale, error) {
	best, s := t.independent, Independent
	if t.maxSide > best {
		best, s = t.maxSide, MaxSide
	}
	if float64(best) >= minAgree*float64(t.voters) {
		return s, nil
	}
	return "", fmt.Errorf("units of coordinates: of %d records with a target, %d agree with real_coords in independent units, %d in max-side units, want 99 %% in one of them (first in neither: %s)",
		t.voters, t.independent, t.maxSide, t.neither)
}

// toIndependent converts an answer from a scale, and from pixels where several
// calls were left in them.
func (a *answer) toIndependent(s Scale, note noter) error {
	convert := a.fromMaxSide
	_, _, hasTarget := a.target()
	switch {
	case a.inPixels():
		convert = a.fromPixels
		note(a.at, FromPixels)
	case s != MaxSide || !hasTarget && len(a.calls) == 0:
		return nil
	case a.size[0] <= 0:
		return fmt.Errorf("coordinates in max-side units, and no size to convert them by: %w", a.sizeErr)
	case hasTarget:
		note(a.at, FromMaxSide)
	}
	for i, c := range a.calls {
		moved, err := c.mapPoints(convert)
		if err != nil {
			return err
		}
		a.calls[i] = moved
	}
	a.set(a.calls)
	if s == MaxSide {
		a.stretch(&a.meta.Tolerance)
		a.stretch(a.box)
	}
	return nil
}

// convert converts an answer from a scale and checks its calls.
func (a *answer) convert(s Scale, note noter) error {
	err := a.toIndependent(s, note)
	for _, c := range a.calls {
		err = cmp.Or(err, c.Check())
	}
	return err
}

// fromMaxSide converts one point. A point that is real_coords gets its exact
// RU, any other is stretched.
func (a *answer) fromMaxSide(x, y float64) (float64, float64) {
	if px := a.meta.RealCoords; px != nil && near([2]float64{x, y}, a.pixelIn(MaxSide), [2]float64{1, 1}) {
		p := a.pixelIn(Independent)
		return p[0], p[1]
	}
	long := float64(max(a.size[0], a.size[1]))
	return min(x*long/float64(a.size[0]), ruMax), min(y*long/float64(a.size[1]), ruMax)
}

// fromPixels converts one point.
func (a *answer) fromPixels(x, y float64) (float64, float64) {
	return float64(RU(roundEven(x), a.size[0])), float64(RU(roundEven(y), a.size[1]))
}

// stretch converts a tolerance from max-side units. Above 1000 it is not in RU
// but in pixels (K-33) and stays.
func (a *answer) stretch(tolerance *[]int) {
	if tolerance == nil || len(*tolerance) != 2 || max((*tolerance)[0], (*tolerance)[1]) > ruMax {
		return
	}
	long := float64(max(a.size[0], a.size[1]))
	t := *tolerance
	*tolerance = []int{roundEven(float64(t[0]) * long / float64(a.size[0])), roundEven(float64(t[1]) * long / float64(a.size[1]))}
}
