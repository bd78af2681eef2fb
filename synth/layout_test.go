package synth

import (
	"image"
	"slices"
	"strings"
	"testing"
)

// TestLayoutNames checks which screens have layouts, and under which names.
func TestLayoutNames(t *testing.T) {
	want := map[string]string{
		"calendar": "calendar calendar-on-desktop", "login-window": "login-window login-window-on-desktop", "desktop": "icons-stacked icons-sparse",
		"claim-window": "claim-window billing-provider-list treating-provider-list " +
			"claim-window-on-desktop billing-provider-list-on-desktop treating-provider-list-on-desktop",
		"appointment": "appointment appointment-on-desktop", "chart-screen": "chart-screen chart-screen-on-desktop",
	}
	for _, name := range append(Screens(), "nobody") {
		var names []string
		for _, l := range Layouts(name) {
			names = append(names, l.Name)
		}
		if got := strings.Join(names, " "); got != want[name] || slices.Contains(LaidOut(), name) != (got != "") {
			t.Errorf("%s: got %q, want %q; listed: %v", name, got, want[name], LaidOut())
		}
	}
}

// TestLayoutElements checks that elements lie in the picture, under names that
// tell them apart.
func TestLayoutElements(t *testing.T) {
	for _, name := range LaidOut() {
		for _, l := range Layouts(name) {
			checkLayout(t, l)
		}
	}
}

// checkLayout checks one layout.
func checkLayout(t *testing.T, l Layout) {
	t.Helper()
	seen := map[string]bool{}
	for _, e := range l.Elements {
		if e.Name == "" || e.Kind == "" || seen[e.Name] || e.Box.Empty() || !e.Box.In(image.Rectangle{Max: l.Size}) {
			t.Errorf("%s: element %+v, want one inside %v with a name of its own", l.Name, e, l.Size)
		}
		seen[e.Name] = true
	}
}

// layoutsOf returns the elements of a screen's layouts, the states together.
func layoutsOf(s *screen) (all []element) {
	for _, l := range s.layouts {
		all = append(all, l.elements()...)
	}
	return all
}

// drawnElements counts the scenes of each screen, and in how many of them an
// element stands. Labels that differ from scene to scene are left out.
func drawnElements() (elements map[string]map[element]int, scenes map[string]int) {
	elements, scenes = map[string]map[element]int{}, map[string]int{}
	draws(func(s *screen, _ string, sc *scene) {
		if elements[s.name] == nil {
			elements[s.name] = map[element]int{}
		}
		scenes[s.name]++
		for _, e := range sc.elements {
			if e.kind == area || e.kind == dropdown {
				e.label = ""
			}
			elements[s.name][e]++
		}
	})
	return elements, scenes
}

// TestLayoutsAreDrawn checks layouts against what was drawn: what has a name of
// its own stands in every scene, and the places of a list that is always whole
// are taken in one of them.
func TestLayoutsAreDrawn(t *testing.T) {
	drawn, scenes := drawnElements()
	for _, s := range screens {
		for _, e := range layoutsOf(s) {
			list, listed := cutNumber(e.name)
			if got := drawn[s.name][e]; !listed && got != scenes[s.name] {
				t.Errorf("%s: %s at %v is in %d of %d scenes", s.name, e.name, e.box, got, scenes[s.name])
			}
			e.name = list
			if slices.Contains([]string{"day", "user", "tooth"}, list) && drawn[s.name][e] == 0 {
				t.Errorf("%s: %s at %v is in no scene", s.name, list, e.box)
			}
		}
	}
}

// cutNumber returns the name of the list that a place with that name is in.
func cutNumber(name string) (list string, ok bool) {
	i := strings.LastIndexByte(name, '-')
	if i < 0 || strings.Trim(name[i+1:], "0123456789") != "" {
		return name, false
	}
	return name[:i], true
}

// TestDrawnAreInLayouts checks the other way that what scenes have of lists
// stands in places of the layouts.
func TestDrawnAreInLayouts(t *testing.T) {
	loose := map[string]string{"appointment": "column-"} // somewhere in it
	draws(func(s *screen, task string, sc *scene) {
		list := layoutsOf(s)
		for _, e := range sc.elements {
			if e.name == "desktop-icon" {
				continue // a third of the desktops have them anywhere
			}
			in := func(place element) bool { return place.box == e.box }
			if prefix := loose[e.name]; prefix != "" {
				in = func(place element) bool { return strings.HasPrefix(place.name, prefix) && e.box.In(place.box) }
			}
			if !slices.ContainsFunc(list, in) {
				t.Errorf("%s %s: %s at %v is in no layout", s.name, task, e.name, e.box)
			}
		}
	})
}

// TestLayoutUnits checks boxes on a desktop, and their units against the rule
// of 4.1.
func TestLayoutUnits(t *testing.T) {
	list := Layouts("login-window")
	ok := func(l Layout) Element {
		return l.Elements[slices.IndexFunc(l.Elements, func(e Element) bool { return e.Name == "ok" })]
	}
	for i, want := range []struct {
		box image.Rectangle
		ru  [4]int
	}{
		{image.Rect(419, 297, 485, 318), [4]int{834, 804, 966, 861}},
		{image.Rect(1112, 611, 1178, 632), [4]int{579, 565, 613, 585}},
	} {
		e := ok(list[i])
		if e.Box != want.box || list[i].RU(e.Box) != want.ru || e.Kind != "button" || e.Label != "OK" {
			t.Errorf("%s: got %+v and %v, want %v and %v", list[i].Name, e, list[i].RU(e.Box), want.box, want.ru)
		}
	}
}
