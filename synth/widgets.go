package synth

import (
	"image"
	"image/color"
)

// kind says what an element is, and so how it is drawn.
type kind uint8

const (
	area     kind = iota // something to point at that the screen draws itself
	button               // label
	arrow                // a button with a sign: < > << >> v
	field                // value
	dropdown             // value and an arrow
	check                // box and label
	caption              // label, left
	title                // label of a group, with a line around its box
	tab                  // label
)

// element is one part of a layout. The renderer, the tasks and the tests use
// the same elements (13.2.1).
type element struct {
	name  string // of the part, for the metadata; "" for what nobody points at
	kind  kind
	box   image.Rectangle
	label string // what it says
}

// state is how a control looks at the moment.
type state struct {
	hover, active, disabled bool
}

// draw paints an element.
func (k *kit) draw(e element, s state) {
	switch e.kind {
	case button:
		k.button(e.box, e.label, s)
	case arrow:
		k.arrowButton(e.box, e.label, s)
	case field:
		k.field(e.box, e.label, s)
	case dropdown:
		k.dropdown(e.box, e.label, s)
	case check:
		k.check(e.box, e.label, s)
	case caption:
		k.say(e.box, e.label, left)
	case title:
		k.group(e.box, e.label)
	case tab:
		k.tab(e.box, e.label, s)
	}
}

// face paints the surface of a button.
func (k *kit) face(r image.Rectangle, s state) {
	col := k.theme.button
	switch {
	case s.active:
		col = mix(col, k.accent, 90)
	case s.hover:
		col = mix(col, k.accent, 45)
	}
	switch k.look {
	case bevelled:
		k.fill(r, col)
		k.frame(r, mix(k.dark, hex(0), 90))
		k.bevel(inset(r, 1, 1), k.light, k.dark)
	case rounded:
		k.round(r, 3, k.edge)
		in := inset(r, 1, 1)
		k.gradient(in, mix(col, k.light, 200), mix(col, k.dark, 110))
	default:
		k.fill(r, col)
		k.frame(r, k.edge)
	}
}

// button paints a button with a label.
func (k *kit) button(r image.Rectangle, label string, s state) {
	k.face(r, s)
	ink := k.buttonInk
	if s.disabled {
		ink = mix(ink, k.theme.button, 150)
	}
	l := k.regular(0)
	if measure(label, l) > r.Dx()-4 {
		l.px = max(8, l.px-2)
	}
	k.label(inset(r, 2, 1), label, l, ink, middle)
}

// arrowButton paints a button with one or two triangles: "<", ">>", "v", "^".
func (k *kit) arrowButton(r image.Rectangle, sign string, s state) {
	k.face(r, s)
	c := centre(r)
	for i := range len(sign) {
		shift := (2*i - len(sign) + 1) * 3
		at := c.Add(image.Pt(shift, 0))
		if sign[i] == 'v' || sign[i] == '^' {
			at = c
		}
		k.triangle(at, sign[i], k.buttonInk)
	}
}

// triangle paints a small arrow head around a point.
func (k *kit) triangle(p image.Point, way byte, col color.RGBA) {
	x, y := float32(p.X)+0.5, float32(p.Y)+0.5
	switch way {
	case '<':
		k.poly(col, x+2.5, y-4, x+2.5, y+4, x-2.5, y)
	case '>':
		k.poly(col, x-2.5, y-4, x-2.5, y+4, x+2.5, y)
	case '^':
		k.poly(col, x-4, y+2, x+4, y+2, x, y-2.5)
	default:
		k.poly(col, x-4, y-2, x+4, y-2, x, y+2.5)
	}
}

// well paints a sunken surface to write on or to list things in.
func (k *kit) well(r image.Rectangle, col color.RGBA, s state) {
	edge := k.edge
	if s.active {
		edge = k.accent
	}
	switch k.look {
	case bevelled:
		k.fill(r, col)
		k.bevel(r, k.dark, k.light)
		k.bevel(inset(r, 1, 1), mix(k.dark, hex(0), 100), k.window)
	case rounded:
		k.outlined(r, 2, edge, col)
	default:
		k.fill(r, col)
		k.frame(r, edge)
	}
}

// field paints a text field.
func (k *kit) field(r image.Rectangle, value string, s state) {
	col, ink := k.theme.field, k.fieldInk
	if s.disabled {
		col, ink = k.window, k.faint
	}
	k.well(r, col, s)
	k.put(inset(r, 4, 1), value, k.regular(0), ink, left)
	if s.active {
		x := min(r.Min.X+5+measure(value, k.regular(0)), r.Max.X-4) + k.jitter.X
		k.fill(rect(x, r.Min.Y+3, 1, r.Dy()-6), k.fieldInk)
	}
}

// dropdown paints a field with an arrow to open its list.
func (k *kit) dropdown(r image.Rectangle, value string, s state) {
	k.well(r, k.theme.field, s)
	b := image.Rect(r.Max.X-17, r.Min.Y+2, r.Max.X-2, r.Max.Y-2)
	k.put(image.Rect(r.Min.X+4, r.Min.Y+1, b.Min.X-2, r.Max.Y-1), value, k.regular(0), k.fieldInk, left)
	if k.look == flat {
		k.triangle(centre(b), 'v', k.faint)
		return
	}
	k.arrowButton(b, "v", state{hover: s.hover})
}

// check paints a box to tick and its label.
func (k *kit) check(r image.Rectangle, label string, s state) {
	b := rect(r.Min.X, r.Min.Y+(r.Dy()-13)/2, 13, 13)
	k.well(b, k.theme.field, state{})
	if s.active {
		x, y := float32(b.Min.X), float32(b.Min.Y)
		k.line(x+3, y+6.5, x+5.5, y+9.5, 1.8, k.accent)
		k.line(x+5.2, y+9.5, x+10, y+3, 1.8, k.accent)
	}
	k.say(image.Rect(b.Max.X+5, r.Min.Y, r.Max.X, r.Max.Y), label, left)
}

// group paints a frame with a title in its upper edge.
func (k *kit) group(r image.Rectangle, label string) {
	top := image.Rect(r.Min.X, r.Min.Y+6, r.Max.X, r.Max.Y)
	if k.look == bevelled {
		k.frame(top.Add(image.Pt(1, 1)), k.light)
	}
	k.frame(top, mix(k.edge, k.window, 90))
	w := measure(label, k.regular(0))
	k.fill(rect(r.Min.X+7, r.Min.Y+2, w+6, 10), k.window)
	k.label(rect(r.Min.X+10, r.Min.Y, w+2, 13), label, k.regular(0), k.ink, left)
}

// tab paints the rider of a page; the active one joins the page below.
func (k *kit) tab(r image.Rectangle, label string, s state) {
	col := mix(k.window, k.dark, 60)
	switch {
	case s.active:
		col = k.window
		r.Min.Y -= 2
		r.Max.Y++
	case s.hover:
		col = mix(k.window, k.accent, 60)
	}
	k.fill(r, col)
	k.fill(rect(r.Min.X, r.Min.Y, r.Dx(), 1), mix(k.edge, k.light, 60))
	k.fill(rect(r.Min.X, r.Min.Y, 1, r.Dy()), mix(k.edge, k.light, 60))
	k.fill(rect(r.Max.X-1, r.Min.Y, 1, r.Dy()), k.edge)
	if s.active {
		k.fill(rect(r.Min.X, r.Min.Y, r.Dx(), 2), k.accent)
	}
	l := k.regular(0)
	if measure(label, l) > r.Dx()-6 {
		l.px = max(8, l.px-2)
	}
	k.label(inset(r, 2, 1), label, l, k.ink, middle)
}

// headCell paints the header of a column.
func (k *kit) headCell(r image.Rectangle, label string) string {
	switch k.look {
	case bevelled:
		k.fill(r, k.header)
		k.bevel(r, k.light, k.dark)
	case rounded:
		k.gradient(r, mix(k.header, k.light, 150), mix(k.header, k.dark, 70))
		k.fill(rect(r.Max.X-1, r.Min.Y, 1, r.Dy()), k.li)
	default:
		k.fill(r, k.header)
		k.fill(rect(r.Max.X-1, r.Min.Y, 1, r.Dy()), k.li)
	}
	k.fill(rect(r.Min.X, r.Max.Y-1, r.Dx(), 1), k.edge)
	return k.cellText(inset(r, 3, 1), label, k.headerInk, left)
}

// scrollbar paints a scroll bar over r. The thumb covers the part from..to of
// the way, in thousandths.
func (k *kit) scrollbar(r image.Rectangle, from, to int) {
	k.fill(r, mix(k.window, k.dark, 60))
	k.frame(r, mix(k.edge, k.window, 110))
	vertical := r.Dy() > r.Dx()
	w := min(r.Dx(), r.Dy())
	first, last := rect(r.Min.X, r.Min.Y, w, w), rect(r.Max.X-w, r.Max.Y-w, w, w)
	signs := []string{"<", ">"}
	way := r.Dx() - 2*w
	if vertical {
		signs, way = []string{"^", "v"}, r.Dy()-2*w
	}
	if w >= 12 {
		k.arrowButton(first, signs[0], state{})
		k.arrowButton(last, signs[1], state{})
	}
	a, b := way*from/1000, max(way*to/1000, way*from/1000+8)
	if vertical {
		k.face(image.Rect(r.Min.X, r.Min.Y+w+a, r.Max.X, min(r.Min.Y+w+b, r.Max.Y-w)), state{})
		return
	}
	k.face(image.Rect(r.Min.X+w+a, r.Min.Y, min(r.Min.X+w+b, r.Max.X-w), r.Max.Y), state{})
}
