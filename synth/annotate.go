package synth

import (
	"image"
	"image/color"
	"strings"
)

// annotate returns a picture with the answer marked for people: a red cross
// with a circle of 10 pixels at the coordinate, an outline of the element, and
// a white bar with prompt and tool call below.
func annotate(img *image.RGBA, v view, it item) *image.RGBA {
	size := img.Rect.Size()
	l := lettering{goSans, 13}
	width := max(size.X, 260)
	lines := wrap(it.prompt, l, width-12)
	for _, part := range strings.Split(strings.ReplaceAll(v.answer(it), "<tool_call>\n", ""), "\n</tool_call>") {
		lines = append(lines, wrap(strings.TrimSpace(part), l, width-12)...)
	}
	c := newCanvas(width, size.Y+8+17*len(lines))
	c.fill(c.img.Rect, white)
	c.paste(img, image.Point{})
	red := hex(0xe01b24)
	box := v.real(v.place(it.target).Min)
	end := v.real(v.place(it.target).Max)
	if !it.target.Empty() {
		c.frame(image.Rect(box[0]-1, box[1]-1, end[0]+1, end[1]+1), hex(0x1c71d8))
		at := v.real(centre(v.place(it.target)))
		c.ring(at[0], at[1], red)
	}
	for _, p := range it.calls[0].pair {
		a, b := v.real(v.place(p.box).Min), v.real(v.place(p.box).Max)
		for d := range 3 {
			c.frame(image.Rect(a[0], a[1], b[0], b[1]).Inset(-d), red)
		}
	}
	for i, line := range lines {
		c.write(6, size.Y+17+17*i, line, l, hex(0x202020))
	}
	return c.img
}

// ring paints a cross with a circle of 10 pixels around a point.
func (c *canvas) ring(x, y int, red color.RGBA) {
	outer := newCanvas(21, 21)
	outer.disc(0, 0, 21, white)
	outer.disc(2, 2, 17, hex(0))
	for dy := range 21 {
		for dx := range 21 {
			c.blend(x-10+dx, y-10+dy, red, uint32(outer.img.Pix[outer.img.PixOffset(dx, dy)]))
		}
	}
	c.fill(rect(x-10, y, 21, 1), red)
	c.fill(rect(x, y-10, 1, 21), red)
}
