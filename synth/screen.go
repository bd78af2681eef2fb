package synth

import (
	"image"
	"strings"
)

// screen is a kind of picture that an expert knows.
type screen struct {
	name  string
	size  image.Point
	place image.Point // of the window on a desktop picture; negative if it has none
	tasks []share
	draw  func(k *kit, task string, odds map[string]float64) *scene
	// layouts are what of it stands in the same place in every picture.
	layouts []layout
}

// share is the part of an expert's pictures that a task gets. A part of 0 is
// off unless the settings ask for it.
type share struct {
	task string
	part float64
	odds map[string]float64 // of the kinds of targets (13.1), nil if there is one kind
}

// odds of the kinds of targets.
const (
	normal      = "normal"
	edgeCase    = "edge_case"
	adversarial = "adversarial" // the target does not exist: the answer says so
)

// screens are the built-in screens in the order of the specification.
var screens = []*screen{&calendarScreen, &claimScreen, &appointmentScreen, &loginScreen, &desktopScreen, &chartScreen, &ocrScreen}

// screenOf returns a screen by its name.
func screenOf(name string) (*screen, bool) {
	for _, s := range screens {
		if s.name == name {
			return s, true
		}
	}
	return nil, false
}

// Screens returns the names of the built-in screens, which are the names of
// the experts that learn them.
func Screens() []string {
	names := make([]string, len(screens))
	for i, s := range screens {
		names[i] = s.name
	}
	return names
}

// scene is a picture and everything that is known about it.
type scene struct {
	img      *image.RGBA
	elements []element // what stands where
	items    []item    // what may be asked
	regions  []region  // texts that may be cut out
}

// ask adds an item.
func (s *scene) ask(it item) { s.items = append(s.items, it) }

// region is a part of a picture whose text is known exactly: lines end with a
// newline, cells with a tab.
type region struct {
	task string // of the ocr expert
	box  image.Rectangle
	text string
}

// item is one instruction and its right answer.
type item struct {
	task      string
	prompt    string
	calls     []call
	target    image.Rectangle // of the element, empty if there is none
	tolerance image.Point     // half-widths in RU, zero: from the target
	meta      map[string]any
}

// call is one action of an answer.
type call struct {
	action  string
	points  bool            // has a coordinate: the centre of box, or of the target if box is empty
	box     image.Rectangle // of another element than the target
	text    string          // of type, answer and ocr
	pixels  int             // of scroll and hscroll
	seconds int             // of wait
	pair    []labelled      // of a text verification
}

// labelled is a box with the text in it.
type labelled struct {
	box   image.Rectangle
	label string
}

// click is an answer that points at the target.
func click(action string) []call { return []call{{action: action, points: true}} }

// scroll is an answer that turns the wheel over the target.
func scroll(action string, pixels int) []call {
	return []call{{action: action, points: true, pixels: pixels}}
}

// absences are the ways to say that a target is not there.
var absences = []string{
	"There is no {x} on this screen.",
	"{X} is not shown here.",
	"I do not see {x} on the screen.",
	"The screen does not contain {x}.",
	"{X} cannot be found on this screen.",
}

// absent is the answer to a request for something that is not there.
func (k *kit) absent(what string) []call {
	s := pick(k.rng, absences)
	s = strings.ReplaceAll(s, "{x}", what)
	return []call{{action: "answer", text: strings.ReplaceAll(s, "{X}", capital(what))}}
}

// capital returns s with a capital at its beginning.
func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// instruct returns a prompt for a task with {key} replaced by the value that
// follows it.
func (k *kit) instruct(task string, pairs ...string) string {
	s := pick(k.rng, prompts[task])
	for i := 0; i+1 < len(pairs); i += 2 {
		s = strings.ReplaceAll(s, "{"+pairs[i]+"}", pairs[i+1])
	}
	return s
}

// finish completes a scene: now and then the mouse pointer is in the picture.
// It may rest on an element, or stand wherever it was left.
func (k *kit) finish(s *scene) *scene {
	s.img = k.img
	if !chance(k.rng, 0.2) {
		return s
	}
	at := image.Pt(k.rng.IntN(k.img.Rect.Dx()), k.rng.IntN(k.img.Rect.Dy()))
	if chance(k.rng, 0.5) && len(s.elements) > 0 {
		b := pick(k.rng, s.elements).box
		at = image.Pt(b.Min.X+b.Dx()*3/4, b.Min.Y+b.Dy()*3/4)
	}
	k.pointer(at)
	s.regions = untouched(s.regions, rect(at.X-2, at.Y-2, 16, 22))
	return s
}

// untouched returns the regions that something painted later does not touch.
func untouched(regions []region, painted image.Rectangle) []region {
	kept := regions[:0]
	for _, r := range regions {
		if !r.box.Overlaps(painted) {
			kept = append(kept, r)
		}
	}
	return kept
}

// controls draws elements, one of them as if the pointer were over it, and
// adds them to the scene.
func (k *kit) controls(s *scene, list []element) {
	hover := -1
	if chance(k.rng, 0.5) {
		hover = k.rng.IntN(len(list))
	}
	for i, e := range list {
		k.draw(e, state{hover: i == hover})
	}
	s.elements = append(s.elements, list...)
}

// clickEach asks for each of the elements that has a name and is of a kind.
func (k *kit) clickEach(s *scene, task string, list []element, kinds ...kind) {
	for _, e := range list {
		for _, want := range kinds {
			if e.name == "" || e.kind != want {
				continue
			}
			s.ask(item{
				task: task, prompt: k.instruct(task, "label", e.said()), calls: click("left_click"),
				target: e.box, meta: map[string]any{"element_label": e.name},
			})
		}
	}
}

// said is how people call an element: its label, or its name if it bears a
// sign.
func (e element) said() string {
	if e.kind == arrow {
		return strings.ReplaceAll(e.name, "-", " ")
	}
	return e.label
}

// scrolls asks for the four ways to move a list, as far as there is room.
func (k *kit) scrolls(s *scene, task string, grid image.Rectangle) {
	pixels := map[string]int{"scroll-page-down": 300, "scroll-page-up": -300, "scroll-to-bottom": 10000, "scroll-to-top": -10000}[task]
	direction := "down"
	if pixels < 0 {
		direction = "up"
	}
	s.ask(item{
		task: task, prompt: k.instruct(task), calls: scroll("scroll", pixels), target: grid, tolerance: image.Pt(100, 6),
		meta: map[string]any{"scroll_pixels": pixels, "scroll_direction": direction},
	})
}

// start returns where a list of total pixels shown in view pixels stands when
// a task is asked: with room to move in the wanted direction.
func (k *kit) start(task string, total, view int) int {
	most := max(0, total-view)
	switch task {
	case "scroll-page-down", "scroll-to-bottom":
		return k.rng.IntN(most*2/3 + 1)
	case "scroll-page-up", "scroll-to-top":
		return most - k.rng.IntN(most*2/3+1)
	}
	if chance(k.rng, 0.4) {
		return 0
	}
	return k.rng.IntN(most + 1)
}
