package synth

import (
	"image"
	"slices"
	"strconv"
)

// layout is a state of a screen by the elements that stand in the same place in
// every picture of it.
type layout struct {
	name     string
	elements func() []element
}

// numbered names the n places of a list or a grid one by one, from 1 on.
func numbered(name string, n int, box func(i int) image.Rectangle) []element {
	list := make([]element, n)
	for i := range list {
		list[i] = element{name + "-" + strconv.Itoa(i+1), area, box(i), ""}
	}
	return list
}

// kindNames are what kinds are called in a Layout.
var kindNames = [...]string{
	area: "area", button: "button", arrow: "arrow", field: "field", dropdown: "dropdown", check: "check", caption: "caption", title: "title", tab: "tab",
}

// Layout is what stands where in a built-in screen, for who wants to point at
// it: the elements that the renderer draws and the tasks ask for (specification
// mole, 13.2.1), as far as they have one place in every picture.
type Layout struct {
	Name     string      // of the state of the screen
	Size     image.Point // of the picture, in pixels
	Elements []Element
}

// Element is a part of a Layout.
type Element struct {
	Name  string          // unique in the layout
	Kind  string          // "area", "button", "arrow", "field", "dropdown" or "tab"
	Label string          // what it says; "" if that differs
	Box   image.Rectangle // pixels
}

// RU returns a box in resolution units: left, top, right, bottom.
func (l Layout) RU(box image.Rectangle) [4]int { return boxRU(box, l.Size) }

// LaidOut returns the names of the experts whose screens have layouts. Crops of
// text have none.
func LaidOut() []string {
	return slices.DeleteFunc(Screens(), func(name string) bool { return len(Layouts(name)) == 0 })
}

// Layouts returns the layouts of the screens that an expert knows, each alone
// and then, if it is a window, at its usual place on a desktop; nil if there
// are none. Windows of a dataset stand there give or take 40 pixels.
func Layouts(expert string) []Layout {
	s, ok := screenOf(expert)
	if !ok {
		return nil
	}
	var list []Layout
	for _, l := range s.layouts {
		list = append(list, l.at(l.name, s.size, image.Point{}))
	}
	for _, l := range s.layouts {
		if s.place.X >= 0 {
			list = append(list, l.at(l.name+"-on-desktop", desktopSize, s.place))
		}
	}
	return list
}

// at returns the layout in a picture of a size, moved by an offset.
func (l layout) at(name string, size, offset image.Point) Layout {
	out := Layout{Name: name, Size: size}
	for _, e := range l.elements() {
		out.Elements = append(out.Elements, Element{e.name, kindNames[e.kind], e.label, e.box.Add(offset)})
	}
	return out
}
