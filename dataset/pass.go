package dataset

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
)

// minIoU is the overlap of two boxes that passes, intersection over union.
const minIoU = 0.5

// Pass applies the pass rule of 4.4 to an answer; reason says why it does not
// pass. Variants of calls count as their present form. Where the test's
// metadata holds tool_calls, the answer must give all of them in order and no
// more; else its first call is compared and further ones are left alone.
func Pass(t Test, got string) (ok bool, reason string) {
	calls, err := ParseCalls(got)
	if err != nil {
		return false, err.Error()
	}
	want := t.calls()
	if len(want) > 1 && len(calls) != len(want) {
		return false, fmt.Sprintf("tool calls: got %d, want %d", len(calls), len(want))
	}
	for i, w := range want {
		g, _ := calls[i].Normalise()
		if reason := t.compare(w, g); reason != "" {
			return false, reason
		}
	}
	return true, ""
}

// calls returns the calls that a test expects, normalised.
func (t *Test) calls() []ToolCall {
	first, _ := t.ExpectedAction.Normalise()
	var list []ToolCall
	if json.Unmarshal(t.Metadata.Extra["tool_calls"], &list) != nil || len(list) < 2 {
		return []ToolCall{first}
	}
	for i := range list {
		list[i], _ = list[i].Normalise()
	}
	if list[0].Render() != first.Render() {
		return []ToolCall{first} // in other units, or of something else
	}
	return list
}

// compare returns why a call is not the wanted one, "" if it is.
func (t *Test) compare(want, got ToolCall) string {
	if got.Name != want.Name || got.Action() != want.Action() {
		return fmt.Sprintf("got %s, want %s", got.Action(), want.Action())
	}
	if want.Name != ComputerUse {
		return t.compareBoxes(want, got)
	}
	if p, ok := want.point(); ok {
		if reason := t.comparePoint(p, got); reason != "" {
			return reason
		}
	}
	return t.compareArguments(want, got)
}

// compareArguments compares what an action has besides a coordinate.
func (t *Test) compareArguments(want, got ToolCall) string {
	switch want.Action() {
	case "scroll", "hscroll":
		return compareSign(want, got)
	case "type", "answer", "ocr":
		return compareText(want, got, "text")
	case "terminate":
		return compareText(want, got, "status")
	case "key":
		return compareKeys(want, got)
	case "wait":
		return t.compareTime(want, got)
	}
	return ""
}

// tolerance returns the half-widths in RU, 0 where there are none.
func (t *Test) tolerance() (x, y float64) {
	if len(t.Tolerance) != 2 {
		return 0, 0
	}
	return float64(t.Tolerance[0]), float64(t.Tolerance[1])
}

// comparePoint wants |Δx| and |Δy| within the tolerance.
func (t *Test) comparePoint(want [2]float64, got ToolCall) string {
	p, ok := got.point()
	if !ok {
		return fmt.Sprintf("coordinate: got %s, want two integers", abridged(got.Arg("coordinate")))
	}
	x, y := t.tolerance()
	if math.Abs(p[0]-want[0]) > x || math.Abs(p[1]-want[1]) > y {
		return fmt.Sprintf("coordinate: got %v, want %v within [%v %v]", p, want, x, y)
	}
	return ""
}

// compareSign wants the same direction.
func compareSign(want, got ToolCall) string {
	w, errW := asFloat(want.Arg("pixels"))
	g, errG := asFloat(got.Arg("pixels"))
	if errW != nil || errG != nil || sign(w) != sign(g) {
		return fmt.Sprintf("pixels: got %s, want the sign of %s", abridged(got.Arg("pixels")), abridged(want.Arg("pixels")))
	}
	return ""
}

// sign returns -1, 0 or 1.
func sign(f float64) int {
	switch {
	case f < 0:
		return -1
	case f > 0:
		return 1
	}
	return 0
}

// fold trims a text and makes white space one space.
func fold(s string) string { return strings.Join(strings.Fields(s), " ") }

// compareText wants two arguments to be equal strings but for white space.
func compareText(want, got ToolCall, key string) string {
	w, errW := asString(want.Arg(key))
	g, errG := asString(got.Arg(key))
	if errW != nil || errG != nil || fold(w) != fold(g) {
		return fmt.Sprintf("%s: got %s, want %s", key, abridged(got.Arg(key)), abridged(want.Arg(key)))
	}
	return ""
}

// compareKeys wants the same keys in the same order.
func compareKeys(want, got ToolCall) string {
	w, errW := asKeys(want.Arg("keys"))
	g, errG := asKeys(got.Arg("keys"))
	if errW != nil || errG != nil || !slices.EqualFunc(w, g, strings.EqualFold) {
		return fmt.Sprintf("keys: got %s, want %s", abridged(got.Arg("keys")), abridged(want.Arg("keys")))
	}
	return ""
}

// compareTime wants any time, or the same one if the test is strict.
func (t *Test) compareTime(want, got ToolCall) string {
	g, err := asFloat(got.Arg("time"))
	if err != nil || g <= 0 {
		return fmt.Sprintf("time: got %s, want more than 0", abridged(got.Arg("time")))
	}
	w, err := asFloat(want.Arg("time"))
	if string(t.Metadata.Extra["strict"]) == "true" && (err != nil || g != w) {
		return fmt.Sprintf("time: got %v, want %s", g, abridged(want.Arg("time")))
	}
	return ""
}

// compareBoxes wants each box to overlap by half, or to have all four edges
// within the tolerance.
func (t *Test) compareBoxes(want, got ToolCall) string {
	w, errW := want.boxes()
	g, errG := got.boxes()
	if errW != nil || errG != nil {
		return fmt.Sprintf("got %s, want boxes as in %s", abridged(got.Arguments), abridged(want.Arguments))
	}
	for i := range w {
		if iou(w[i], g[i]) < minIoU && !t.edgesNear(w[i], g[i]) {
			return fmt.Sprintf("bbox_2d: got %v, want %v: intersection over union is %.2f", g[i], w[i], iou(w[i], g[i]))
		}
	}
	return ""
}

// edgesNear reports whether all edges of two boxes are within the tolerance.
func (t *Test) edgesNear(a, b [4]float64) bool {
	x, y := t.tolerance()
	return math.Abs(a[0]-b[0]) <= x && math.Abs(a[2]-b[2]) <= x && math.Abs(a[1]-b[1]) <= y && math.Abs(a[3]-b[3]) <= y
}

// iou returns the intersection over the union of two boxes, 0 for empty ones.
func iou(a, b [4]float64) float64 {
	w := min(a[2], b[2]) - max(a[0], b[0])
	h := min(a[3], b[3]) - max(a[1], b[1])
	if w <= 0 || h <= 0 {
		return 0
	}
	both := w * h
	union := area(a) + area(b) - both
	if union <= 0 || math.IsInf(union, 0) || math.IsNaN(union) {
		return 0
	}
	return both / union
}

// area returns the area of a box.
func area(b [4]float64) float64 { return max(0, b[2]-b[0]) * max(0, b[3]-b[1]) }
