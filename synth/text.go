package synth

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"strings"
	"sync"

	"codeberg.org/go-fonts/liberation/liberationmonoregular"
	"codeberg.org/go-fonts/liberation/liberationsansbold"
	"codeberg.org/go-fonts/liberation/liberationsansregular"
	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/gomono"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
)

// face is one of the embedded typefaces.
type face uint8

const (
	goSans face = iota
	goBold
	goMono
	libSans
	libBold
	libMono
	faces
)

// family is the set of faces that a theme writes with.
type family struct{ regular, bold, mono face }

var (
	goFamily  = family{goSans, goBold, goMono}
	libFamily = family{libSans, libBold, libMono}
)

// lettering is a face at a size in pixels.
type lettering struct {
	face face
	px   int
}

// glyph is the mask of a letter relative to the point on the base line where
// it begins, and the way to the next letter.
type glyph struct {
	at      image.Point
	w, h    int
	alpha   []uint8
	advance fixed.Int26_6
}

// glyphKey names a glyph. Letters begin at any quarter of a pixel.
type glyphKey struct {
	lettering
	letter  rune
	quarter uint8
}

// glyphs holds every glyph that was drawn so far. It is safe for concurrent
// use: a glyph depends on its key alone.
var glyphs = typesetter{drawn: map[glyphKey]*glyph{}, open: map[lettering]font.Face{}}

// typesetter rasterises glyphs once.
type typesetter struct {
	mu    sync.RWMutex
	drawn map[glyphKey]*glyph
	open  map[lettering]font.Face
}

// get returns a glyph.
func (t *typesetter) get(key glyphKey) *glyph {
	t.mu.RLock()
	g := t.drawn[key]
	t.mu.RUnlock()
	if g != nil {
		return g
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if g = t.drawn[key]; g == nil {
		g = rasterise(t.face(key.lettering), key)
		t.drawn[key] = g
	}
	return g
}

// face opens a typeface at a size. The embedded files are known to be sound.
func (t *typesetter) face(l lettering) font.Face {
	if f := t.open[l]; f != nil {
		return f
	}
	data := [faces][]byte{goregular.TTF, gobold.TTF, gomono.TTF,
		liberationsansregular.TTF, liberationsansbold.TTF, liberationmonoregular.TTF}[l.face]
	parsed, err := opentype.Parse(data)
	if err != nil {
		panic(fmt.Sprintf("typeface %d: %v", l.face, err))
	}
	f, err := opentype.NewFace(parsed, &opentype.FaceOptions{Size: float64(l.px), DPI: 72, Hinting: font.HintingNone})
	if err != nil {
		panic(fmt.Sprintf("typeface %d at %d pixels: %v", l.face, l.px, err))
	}
	t.open[l] = f
	return f
}

// rasterise draws a glyph.
func rasterise(f font.Face, key glyphKey) *glyph {
	box, mask, at, advance, ok := f.Glyph(fixed.Point26_6{X: fixed.Int26_6(key.quarter) * 16}, key.letter)
	if !ok {
		return &glyph{advance: fixed.I(key.px) / 2}
	}
	a := image.NewAlpha(image.Rect(0, 0, box.Dx(), box.Dy()))
	draw.Draw(a, a.Rect, mask, at, draw.Src)
	for i, v := range a.Pix {
		a.Pix[i] = firmer(v)
	}
	return &glyph{box.Min, box.Dx(), box.Dy(), a.Pix, advance}
}

// firmer raises the middle tones of a mask: small letters without hinting
// would look faint.
func firmer(v uint8) uint8 {
	x := int(v)
	return uint8(x + x*(255-x)*5/12/255)
}

// write draws a line of text that begins at x on the base line y and returns
// where it ends.
func (c *canvas) write(x, y int, s string, l lettering, col color.RGBA) int {
	pen := fixed.I(x)
	for _, letter := range s {
		g := glyphs.get(glyphKey{l, letter, uint8((pen & 63) / 16)})
		c.mask(g.at.Add(image.Pt(pen.Floor(), y)), g.w, g.h, g.alpha, col)
		pen += g.advance
	}
	return pen.Ceil()
}

// measure returns the width of a line of text in pixels.
func measure(s string, l lettering) int {
	w := fixed.Int26_6(0)
	for _, letter := range s {
		w += glyphs.get(glyphKey{l, letter, 0}).advance
	}
	return w.Ceil()
}

// fit shortens a text until it is at most width pixels wide.
func fit(s string, l lettering, width int) string {
	if measure(s, l) <= width {
		return s
	}
	letters := []rune(s)
	for n := len(letters) - 1; n > 0; n-- {
		if short := strings.TrimRight(string(letters[:n]), " ,") + "…"; measure(short, l) <= width {
			return short
		}
	}
	return ""
}

// wrap breaks a text at spaces into lines of at most width pixels.
func wrap(s string, l lettering, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(s) {
		longer := strings.TrimLeft(line+" "+word, " ")
		if line != "" && measure(longer, l) > width {
			lines = append(lines, line)
			longer = word
		}
		line = longer
	}
	return append(lines, line)
}

// capHeight returns how far capitals rise above the base line.
func (l lettering) capHeight() int { return (l.px*73 + 50) / 100 }

// align says where a text stands in its box.
type align uint8

const (
	left align = iota
	middle
	right
)

// label writes one line into a box, vertically centred and shortened to fit,
// and returns what can be read.
func (c *canvas) label(box image.Rectangle, s string, l lettering, col color.RGBA, a align) string {
	s = fit(s, l, box.Dx())
	x := box.Min.X
	switch w := measure(s, l); a {
	case middle:
		x += (box.Dx() - w) / 2
	case right:
		x += box.Dx() - w
	}
	c.write(x, box.Min.Y+(box.Dy()+l.capHeight())/2, s, l, col)
	return s
}
