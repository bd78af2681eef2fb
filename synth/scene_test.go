package synth

import (
	"encoding/json"
	"fmt"
	"image"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"

	"mole/dataset"
)

// drawnScene is a scene without its pixels.
type drawnScene struct {
	screen *screen
	task   string
	*scene
}

// allScenes draws four scenes of every task of every screen, once.
var allScenes = sync.OnceValue(func() (out []drawnScene) {
	for _, s := range screens {
		for _, sh := range s.tasks {
			for i := range 4 {
				k := newKit(stream(7, s.name, sh.task, "scenes", i), pool(i%2 == 1), s.size)
				sc := s.draw(k, sh.task, sh.odds)
				sc.img = &image.RGBA{Rect: sc.img.Rect}
				out = append(out, drawnScene{s, sh.task, sc})
			}
		}
	}
	return out
})

// draws calls f with every scene.
func draws(f func(s *screen, task string, sc *scene)) {
	for _, d := range allScenes() {
		f(d.screen, d.task, d.scene)
	}
}

func TestSizes(t *testing.T) {
	want := map[string]image.Point{
		"calendar": {224, 208}, "claim-window": {1155, 853}, "appointment": {1640, 930}, "login-window": {502, 369},
		"desktop": {1920, 1080}, "chart-screen": {1152, 960},
	}
	draws(func(s *screen, task string, sc *scene) {
		got := sc.img.Rect.Size()
		if size, fixed := want[s.name]; fixed && got != size {
			t.Errorf("%s %s: got %v, want %v", s.name, task, got, size)
		}
		if s.name == "ocr" && (got.X < 48 || got.Y < 16) {
			t.Errorf("crop: got %v, want 48 x 16 at least", got)
		}
	})
}

func TestElementsLieInPicture(t *testing.T) {
	draws(func(s *screen, task string, sc *scene) {
		for _, e := range sc.elements {
			if e.box.Empty() || !e.box.In(sc.img.Rect) {
				t.Errorf("%s %s: element %s at %v, want inside %v", s.name, task, e.name, e.box, sc.img.Rect)
			}
		}
		for _, r := range sc.regions {
			if r.box.Empty() || !r.box.In(sc.img.Rect) || r.text == "" && r.task != "ocr-block" {
				t.Errorf("%s %s: text %q at %v", s.name, task, r.text, r.box)
			}
		}
	})
}

// TestTargetsAreElements checks that tasks ask for what the renderer drew.
func TestTargetsAreElements(t *testing.T) {
	draws(func(s *screen, task string, sc *scene) {
		if len(sc.items) == 0 && task != "select-row" {
			t.Errorf("%s %s: no items", s.name, task)
		}
		for _, it := range sc.items {
			if it.target.Empty() || task == "click-slot" {
				continue
			}
			if !slices.ContainsFunc(sc.elements, func(e element) bool { return it.target.In(e.box) }) {
				t.Errorf("%s %s: target %v is no element", s.name, task, it.target)
			}
		}
	})
}

// views are the ways a scene may stand in its picture.
func views(sc *scene) []view {
	size := sc.img.Rect.Size()
	out := []view{{size: size, scaled: size}}
	if size.X < 1700 {
		out = append(out, view{offset: image.Pt(137, 61), size: desktopSize, scaled: desktopSize})
	}
	return out
}

// TestCrosshairs is scenario 16: the coordinate in RU and the pixel name the
// same place, which lies in the element.
func TestCrosshairs(t *testing.T) {
	draws(func(s *screen, task string, sc *scene) {
		for _, v := range views(sc) {
			for _, it := range sc.items {
				m, err := v.metadata(it)
				if err != nil {
					t.Fatal(err)
				}
				if it.target.Empty() || !it.calls[0].points {
					continue
				}
				checkCrosshair(t, s.name+" "+task, v, it, m)
			}
		}
	})
}

// checkCrosshair checks one item.
func checkCrosshair(t *testing.T, name string, v view, it item, m dataset.Metadata) {
	t.Helper()
	var args struct{ Coordinate []int }
	if err := json.Unmarshal(v.toolCall(it, it.calls[0]).Arguments, &args); err != nil {
		t.Fatal(err)
	}
	box := v.place(it.target)
	if p := image.Pt(m.RealCoords[0], m.RealCoords[1]); !p.In(box) {
		t.Errorf("%s: real_coords %v, want inside %v", name, p, box)
	}
	for axis, size := range []int{v.size.X, v.size.Y} {
		ru := float64(m.RealCoords[axis]) / float64(size) * 1000
		if math.Abs(ru-float64(args.Coordinate[axis])) > 1 {
			t.Errorf("%s: coordinate %v, real_coords %v: more than 1 RU apart", name, args.Coordinate, m.RealCoords)
		}
		if m.Tolerance[axis] < minTolerance || m.Tolerance[axis] > maxTolerance {
			t.Errorf("%s: tolerance %v, want %d to %d", name, m.Tolerance, minTolerance, maxTolerance)
		}
	}
}

// TestPass is scenario 16: the expected answer passes, one that is displaced
// by the tolerance and 1 does not.
func TestPass(t *testing.T) {
	draws(func(s *screen, task string, sc *scene) {
		v := views(sc)[0]
		for _, it := range sc.items {
			rec, err := v.test(it, 3, "x.jpg", nil)
			if err != nil {
				t.Fatal(err)
			}
			if ok, reason := dataset.Pass(rec, v.answer(it)); !ok {
				t.Errorf("%s %s: own answer: %s", s.name, task, reason)
			}
			if !it.calls[0].points {
				continue
			}
			for _, d := range []image.Point{{rec.Tolerance[0] + 1, 0}, {0, -rec.Tolerance[1] - 1}} {
				if ok, _ := dataset.Pass(rec, displaced(t, rec.ExpectedAction, v.answer(it), d)); ok {
					t.Errorf("%s %s: passes when displaced by %v", s.name, task, d)
				}
			}
		}
	})
}

// displaced returns an answer whose first coordinate is moved.
func displaced(t *testing.T, c dataset.ToolCall, answer string, d image.Point) string {
	t.Helper()
	var args struct{ Coordinate []int }
	if err := json.Unmarshal(c.Arguments, &args); err != nil {
		t.Fatal(err)
	}
	at := args.Coordinate
	return strings.Replace(answer, fmt.Sprintf("[%d, %d]", at[0], at[1]), fmt.Sprintf("[%d, %d]", at[0]+d.X, at[1]+d.Y), 1)
}

// wantAction returns the action that a task and its prompt ask for.
func wantAction(task string, it item) string {
	special := map[string]string{
		"hover-appointment": "mouse_move", "click-slot": "double_click", "wait-loading": "wait",
		"dclick-desktop-icon": "double_click", "dclick-taskbar-icon": "double_click",
	}
	vertical := strings.Contains(it.prompt, "up") || strings.Contains(it.prompt, "down")
	switch {
	case it.target.Empty() && it.calls[0].action == "answer":
		return "answer"
	case special[task] != "":
		return special[task]
	case strings.HasPrefix(task, "ocr-"):
		return "ocr"
	case task == "scroll-schedule" && !vertical:
		return "hscroll"
	case strings.HasPrefix(task, "scroll-"):
		return "scroll"
	}
	return "left_click"
}

// TestActions checks that prompt and action of a task belong together.
func TestActions(t *testing.T) {
	draws(func(s *screen, task string, sc *scene) {
		for _, it := range sc.items {
			if task == "verify-codes" {
				continue
			}
			if got, want := it.calls[0].action, wantAction(task, it); got != want {
				t.Errorf("%s %s: prompt %q: got %s, want %s", s.name, task, it.prompt, got, want)
			}
			if down := it.calls[0].pixels > 0; strings.HasSuffix(task, "-down") && !down || strings.HasSuffix(task, "-up") && down {
				t.Errorf("%s: got %d pixels", task, it.calls[0].pixels)
			}
		}
	})
}

// TestLabelsInPrompts checks that a prompt says which element it means.
func TestLabelsInPrompts(t *testing.T) {
	draws(func(_ *screen, task string, sc *scene) {
		if !slices.Contains([]string{"select-user", "select-provider", "dclick-desktop-icon", "dclick-taskbar-icon"}, task) {
			return
		}
		for _, it := range sc.items {
			label := it.meta["element_label"].(string)
			if !strings.Contains(it.prompt, label) {
				t.Errorf("%s: prompt %q, want %q in it", task, it.prompt, label)
			}
			absent := !slices.ContainsFunc(sc.elements, func(e element) bool { return e.label == label })
			if absent != (it.calls[0].action == "answer") && task == "select-user" {
				t.Errorf("%s: %q is shown: %v, answer %v", task, label, !absent, it.calls[0])
			}
		}
	})
}

func TestAppointmentIsUnique(t *testing.T) {
	sh, _ := appointmentScreen.share("click-appointment")
	for i := range 30 {
		k := newKit(stream(3, "appointment", sh.task, "scenes", i), trainPool, appointmentScreen.size)
		sc := appointmentScreen.draw(k, sh.task, sh.odds)
		it := sc.items[0]
		n, want := 0, 1
		for _, e := range sc.elements {
			if e.label == it.meta["element_label"] && e.name == "appointment" {
				n++
			}
		}
		if it.calls[0].action == "answer" {
			want = 0
		}
		if n != want {
			t.Errorf("picture %d: %d blocks are %v, want %d", i, n, it.meta["element_label"], want)
		}
	}
}

func TestEnterPasswordHasTwoCalls(t *testing.T) {
	k := newKit(stream(1, "login-window", "enter-password", "scenes", 0), trainPool, loginScreen.size)
	sc := loginScreen.draw(k, "enter-password", nil)
	calls, err := dataset.ParseCalls(views(sc)[0].answer(sc.items[0]))
	if err != nil || len(calls) != 2 || calls[0].Action() != "left_click" || calls[1].Action() != "type" {
		t.Errorf("got %v, %v, want left_click and type", calls, err)
	}
}

func TestScrollHasRoom(t *testing.T) {
	k := newKit(stream(1, "x", "", "", 0), trainPool, image.Pt(10, 10))
	for range 200 {
		if got := k.start("scroll-page-down", 900, 300); got > 400 {
			t.Errorf("down: starts at %d of 600, want room below", got)
		}
		if got := k.start("scroll-to-top", 900, 300); got < 200 {
			t.Errorf("up: starts at %d of 600, want room above", got)
		}
	}
}
