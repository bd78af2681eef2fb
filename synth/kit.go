package synth

import (
	"image"
	"image/color"
	"math/rand/v2"
)

// kit is what one picture is drawn with: a canvas, a theme and the source of
// all choices. Every picture has its own.
type kit struct {
	*canvas
	*theme
	rng    *rand.Rand
	pool   pool
	size   int         // of the text in pixels, 10 to 12
	jitter image.Point // of the text, -1 to 1
}

// newKit returns the tools for a picture of a size.
func newKit(r *rand.Rand, p pool, size image.Point) *kit {
	return &kit{
		canvas: newCanvas(size.X, size.Y),
		theme:  &themes[r.IntN(len(themes))],
		rng:    r,
		pool:   p,
		size:   between(r, 10, 12),
		jitter: image.Pt(between(r, -1, 1), between(r, -1, 1)),
	}
}

// on returns a kit with the same choices and another canvas.
func (k *kit) on(c *canvas) *kit {
	other := *k
	other.canvas = c
	return &other
}

// regular and strong are the theme's letterings, d pixels larger than
// usual.
func (k *kit) regular(d int) lettering { return lettering{k.family.regular, k.size + d} }
func (k *kit) strong(d int) lettering  { return lettering{k.family.bold, k.size + d} }

// say writes a line of regular text into a box and returns what can be read.
func (k *kit) say(box image.Rectangle, s string, a align) string {
	return k.put(box, s, k.regular(0), k.ink, a)
}

// put writes a line into a box with the picture's jitter.
func (k *kit) put(box image.Rectangle, s string, l lettering, col color.RGBA, a align) string {
	return k.label(box.Add(k.jitter), s, l, col, a)
}

// cellText writes a line into a cell of a table. A text that is too wide gets
// smaller letters before it is shortened.
func (k *kit) cellText(box image.Rectangle, s string, col color.RGBA, a align) string {
	l := k.regular(0)
	for l.px > 9 && measure(s, l) > box.Dx() {
		l.px--
	}
	return k.put(box, s, l, col, a)
}

// windowFrame paints a window over r: surface, border and a title bar of 24 pixels.
func (k *kit) windowFrame(r image.Rectangle, title string, icon int) {
	k.fill(r, k.window)
	bar := image.Rect(r.Min.X, r.Min.Y, r.Max.X, r.Min.Y+24)
	k.across(bar, k.titleLeft, k.titleRight)
	if k.look == rounded {
		k.gradient(rect(bar.Min.X, bar.Min.Y, bar.Dx(), 5), mix(k.titleLeft, k.light, 90), k.titleLeft)
	}
	drawIcon(k.canvas, rect(r.Min.X+5, r.Min.Y+4, 16, 16), icon)
	k.label(image.Rect(r.Min.X+27, bar.Min.Y, r.Max.X-96, bar.Max.Y), title, lettering{k.family.bold, 12}, k.titleInk, left)
	k.titleButtons(bar)
	switch k.look {
	case bevelled:
		k.bevel(r, k.light, k.dark)
		k.fill(rect(r.Min.X, bar.Max.Y, r.Dx(), 1), k.dark)
	default:
		k.frame(r, mix(k.edge, k.titleLeft, 128))
	}
}

// titleButtons paints the three buttons at the right of a title bar.
func (k *kit) titleButtons(bar image.Rectangle) {
	for i := range 3 {
		b := rect(bar.Max.X-22*(3-i)-4, bar.Min.Y+4, 18, 16)
		ink := k.titleInk
		switch k.look {
		case bevelled:
			k.fill(b, k.theme.button)
			k.bevel(b, k.light, k.dark)
			ink = k.buttonInk
		case rounded:
			face := mix(k.titleLeft, k.light, 90)
			if i == 2 {
				face, ink = hex(0xcf4632), hex(0xffffff)
			}
			k.outlined(b, 3, mix(face, hex(0x000000), 50), face)
		}
		k.titleMark(i, b, ink)
	}
}

// titleMark paints the sign of a title button: lower, enlarge or close.
func (k *kit) titleMark(i int, b image.Rectangle, ink color.RGBA) {
	m := inset(b, 5, 4)
	x0, y0, x1, y1 := float32(m.Min.X), float32(m.Min.Y), float32(m.Max.X), float32(m.Max.Y)
	switch i {
	case 0:
		k.fill(rect(m.Min.X, m.Max.Y-2, m.Dx()-1, 2), ink)
	case 1:
		k.frame(m, ink)
		k.fill(rect(m.Min.X, m.Min.Y, m.Dx(), 2), ink)
	default:
		k.line(x0, y0, x1, y1, 1.6, ink)
		k.line(x0, y1, x1, y0, 1.6, ink)
	}
}

// pointer paints the mouse pointer with its tip at a point.
func (k *kit) pointer(p image.Point) {
	x, y := float32(p.X), float32(p.Y)
	k.poly(hex(0x000000), x-1, y-2, x-1, y+16.5, x+3, y+13, x+5.5, y+19, x+9, y+17.5, x+6.3, y+11.6, x+12.5, y+11.6)
	k.poly(hex(0xffffff), x, y, x, y+14.3, x+3.3, y+11.3, x+6, y+17.4, x+7.5, y+16.7, x+4.8, y+10.6, x+9.9, y+10.6)
}
