package synth

import (
	"image"
	"image/color"
	"image/draw"

	"golang.org/x/image/vector"
)

// canvas is an opaque picture that is painted on. Everything is clipped.
type canvas struct {
	img  *image.RGBA
	clip image.Rectangle
}

// newCanvas returns a black canvas of w x h pixels.
func newCanvas(w, h int) *canvas {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	return &canvas{img, img.Rect}
}

// hex returns the opaque colour 0xRRGGBB.
func hex(rgb uint32) color.RGBA {
	return color.RGBA{uint8(rgb >> 16), uint8(rgb >> 8), uint8(rgb), 255}
}

// mix returns a + (b-a)·t/256 for each channel.
func mix(a, b color.RGBA, t int) color.RGBA {
	m := func(x, y uint8) uint8 { return uint8(int(x) + (int(y)-int(x))*t/256) }
	return color.RGBA{m(a.R, b.R), m(a.G, b.G), m(a.B, b.B), 255}
}

// rect is shorthand for a rectangle by its corner and size.
func rect(x, y, w, h int) image.Rectangle { return image.Rect(x, y, x+w, y+h) }

// inset returns r without dx pixels on the left and right, dy above and below.
func inset(r image.Rectangle, dx, dy int) image.Rectangle {
	return image.Rectangle{r.Min.Add(image.Pt(dx, dy)), r.Max.Sub(image.Pt(dx, dy))}
}

// centre returns the pixel in the middle of r.
func centre(r image.Rectangle) image.Point {
	return image.Pt((r.Min.X+r.Max.X)/2, (r.Min.Y+r.Max.Y)/2)
}

// clipped runs f with the clip narrowed to r.
func (c *canvas) clipped(r image.Rectangle, f func()) {
	old := c.clip
	c.clip = old.Intersect(r)
	f()
	c.clip = old
}

// fill paints r.
func (c *canvas) fill(r image.Rectangle, col color.RGBA) {
	r = r.Intersect(c.clip)
	if r.Empty() {
		return
	}
	n := 4 * r.Dx()
	row := c.img.Pix[c.img.PixOffset(r.Min.X, r.Min.Y):][:n]
	copy(row, []byte{col.R, col.G, col.B, 255})
	for have := 4; have < n; have *= 2 {
		copy(row[have:], row[:have])
	}
	for y := r.Min.Y + 1; y < r.Max.Y; y++ {
		copy(c.img.Pix[c.img.PixOffset(r.Min.X, y):][:n], row)
	}
}

// gradient paints r from top to bottom.
func (c *canvas) gradient(r image.Rectangle, top, bottom color.RGBA) {
	for y := r.Min.Y; y < r.Max.Y; y++ {
		c.fill(image.Rect(r.Min.X, y, r.Max.X, y+1), mix(top, bottom, (y-r.Min.Y)*256/r.Dy()))
	}
}

// across paints r from left to right.
func (c *canvas) across(r image.Rectangle, left, right color.RGBA) {
	for x := r.Min.X; x < r.Max.X; x++ {
		c.fill(image.Rect(x, r.Min.Y, x+1, r.Max.Y), mix(left, right, (x-r.Min.X)*256/r.Dx()))
	}
}

// frame paints the outermost pixels of r.
func (c *canvas) frame(r image.Rectangle, col color.RGBA) { c.bevel(r, col, col) }

// bevel paints the left and upper edges of r in one colour, the others in
// another.
func (c *canvas) bevel(r image.Rectangle, upper, lower color.RGBA) {
	c.fill(rect(r.Min.X, r.Min.Y, r.Dx(), 1), upper)
	c.fill(rect(r.Min.X, r.Min.Y, 1, r.Dy()), upper)
	c.fill(rect(r.Min.X, r.Max.Y-1, r.Dx(), 1), lower)
	c.fill(rect(r.Max.X-1, r.Min.Y, 1, r.Dy()), lower)
}

// blend mixes one pixel with a colour; a is 0..255.
func (c *canvas) blend(x, y int, col color.RGBA, a uint32) {
	if a == 0 || !(image.Point{x, y}).In(c.clip) {
		return
	}
	mixPixel(c.img.Pix[c.img.PixOffset(x, y):], col, a)
}

// mixPixel mixes the pixel at the beginning of p with a colour.
func mixPixel(p []byte, col color.RGBA, a uint32) {
	_ = p[2]
	b := 255 - a
	p[0] = uint8((uint32(p[0])*b + uint32(col.R)*a + 127) / 255)
	p[1] = uint8((uint32(p[1])*b + uint32(col.G)*a + 127) / 255)
	p[2] = uint8((uint32(p[2])*b + uint32(col.B)*a + 127) / 255)
}

// veil mixes all of r with a colour.
func (c *canvas) veil(r image.Rectangle, col color.RGBA, a uint32) {
	r = r.Intersect(c.clip)
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			mixPixel(c.img.Pix[c.img.PixOffset(x, y):], col, a)
		}
	}
}

// mask paints a colour through a w x h mask whose corner is at.
func (c *canvas) mask(at image.Point, w, h int, alpha []uint8, col color.RGBA) {
	r := rect(at.X, at.Y, w, h).Intersect(c.clip)
	for y := r.Min.Y; y < r.Max.Y; y++ {
		src := alpha[(y-at.Y)*w+r.Min.X-at.X:][:r.Dx()]
		dst := c.img.Pix[c.img.PixOffset(r.Min.X, y):]
		for i, a := range src {
			switch p := dst[4*i : 4*i+4]; a {
			case 0:
			case 255:
				p[0], p[1], p[2] = col.R, col.G, col.B
			default:
				mixPixel(p, col, uint32(a))
			}
		}
	}
}

// round paints r with rounded corners. A radius of half the side makes a disc.
func (c *canvas) round(r image.Rectangle, radius int, col color.RGBA) {
	radius = max(0, min(radius, (r.Dx()+1)/2, (r.Dy()+1)/2))
	for y := range radius {
		for x := range radius {
			a := cornerCover(x, y, radius)
			right, bottom := r.Max.X-1-x, r.Max.Y-1-y
			c.blend(r.Min.X+x, r.Min.Y+y, col, a)
			if right != r.Min.X+x {
				c.blend(right, r.Min.Y+y, col, a)
			}
			if bottom == r.Min.Y+y {
				continue
			}
			c.blend(r.Min.X+x, bottom, col, a)
			if right != r.Min.X+x {
				c.blend(right, bottom, col, a)
			}
		}
	}
	c.fill(image.Rect(r.Min.X+radius, r.Min.Y, r.Max.X-radius, r.Max.Y), col)
	c.fill(image.Rect(r.Min.X, r.Min.Y+radius, r.Min.X+radius, r.Max.Y-radius), col)
	c.fill(image.Rect(r.Max.X-radius, r.Min.Y+radius, r.Max.X, r.Max.Y-radius), col)
}

// cornerCover returns how much of pixel x, y lies inside a circle that
// touches both axes, in 1/255, from 8 x 8 samples.
func cornerCover(x, y, radius int) uint32 {
	dx, dy := radius-x, radius-y
	if dx*dx+dy*dy <= radius*radius {
		return 255
	}
	if (dx-1)*(dx-1)+(dy-1)*(dy-1) >= radius*radius {
		return 0
	}
	n := uint32(0)
	limit := 256 * radius * radius // in units of 1/16 pixel
	for sy := 1; sy < 16; sy += 2 {
		dy := 16*(radius-y) - sy
		for sx := 1; sx < 16; sx += 2 {
			if dx := 16*(radius-x) - sx; dx*dx+dy*dy <= limit {
				n++
			}
		}
	}
	return n * 255 / 64
}

// outlined paints r with rounded corners, an edge of one pixel and a filling.
func (c *canvas) outlined(r image.Rectangle, radius int, edge, filling color.RGBA) {
	c.round(r, radius, edge)
	c.round(inset(r, 1, 1), max(radius-1, 0), filling)
}

// disc paints a circle of a diameter that touches the corner of its square.
func (c *canvas) disc(x, y, d int, col color.RGBA) { c.round(rect(x, y, d, d), (d+1)/2, col) }

// poly paints a polygon given as x, y, x, y, ...
func (c *canvas) poly(col color.RGBA, at ...float32) {
	box := polyBox(at).Intersect(c.clip.Inset(-1))
	if box.Empty() {
		return
	}
	z := vector.NewRasterizer(box.Dx(), box.Dy())
	z.DrawOp = draw.Src
	ox, oy := float32(box.Min.X), float32(box.Min.Y)
	z.MoveTo(at[0]-ox, at[1]-oy)
	for i := 2; i+1 < len(at); i += 2 {
		z.LineTo(at[i]-ox, at[i+1]-oy)
	}
	z.ClosePath()
	m := image.NewAlpha(image.Rect(0, 0, box.Dx(), box.Dy()))
	z.Draw(m, m.Rect, image.Opaque, image.Point{})
	c.mask(box.Min, box.Dx(), box.Dy(), m.Pix, col)
}

// polyBox returns the pixels that a polygon touches.
func polyBox(at []float32) image.Rectangle {
	x0, y0, x1, y1 := at[0], at[1], at[0], at[1]
	for i := 0; i+1 < len(at); i += 2 {
		x0, x1 = min(x0, at[i]), max(x1, at[i])
		y0, y1 = min(y0, at[i+1]), max(y1, at[i+1])
	}
	return image.Rect(int(x0)-1, int(y0)-1, int(x1)+2, int(y1)+2)
}

// line paints a stroke of some width between two points.
func (c *canvas) line(x0, y0, x1, y1, width float32, col color.RGBA) {
	dx, dy := x1-x0, y1-y0
	n := max(abs32(dx), abs32(dy)) + float32(min(abs32(dx), abs32(dy))*0.4) // near enough to the length
	if n == 0 {
		return
	}
	px, py := -dy/n*(width/2), dx/n*(width/2)
	c.poly(col, x0+px, y0+py, x1+px, y1+py, x1-px, y1-py, x0-px, y0-py)
}

// abs32 returns |v|.
func abs32(v float32) float32 { return max(v, -v) }

// shadow darkens the surroundings of r, more below than above.
func (c *canvas) shadow(r image.Rectangle, size int) {
	black := color.RGBA{A: 255}
	for d := range size {
		a := uint32(70*(size-d)*(size-d)/(size*size) + 4)
		o := image.Rect(r.Min.X-d-1, r.Min.Y-d+size/3, r.Max.X+d+1, r.Max.Y+d+1)
		c.veil(rect(o.Min.X+d, o.Max.Y-1, o.Dx()-2*d, 1), black, a)
		c.veil(rect(o.Min.X, o.Min.Y, 1, o.Dy()-d), black, a/2)
		c.veil(rect(o.Max.X-1, o.Min.Y, 1, o.Dy()-d), black, a)
	}
}

// paste copies a picture so that its corner lies at a point.
func (c *canvas) paste(img *image.RGBA, at image.Point) {
	draw.Draw(c.img, img.Rect.Add(at).Intersect(c.clip), img, image.Point{}, draw.Src)
}
