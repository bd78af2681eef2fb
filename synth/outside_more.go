package synth

import (
	"image"
	"image/color"
	"strconv"
	"strings"
)

// The words of the made-up sources.
var (
	sourceKeys  = []string{"func", "return", "if", "else", "for", "range", "var", "type", "switch", "case", "defer", "const"}
	sourceNames = []string{"count", "total", "parse", "node", "next", "buffer", "limit", "index", "open", "reader", "value", "key", "left", "right", "merge", "split"}
	sourceMarks = []string{"(", ")", " := ", " = ", ".", ", ", " + ", " < ", "[", "]", " == "}
)

// drawEditor draws a source with line numbers, a tree of files and a terminal.
func drawEditor(k *kit) {
	paper, ink := hex(0x1e1f26), hex(0xd6d9e0)
	if chance(k.rng, 0.4) {
		paper, ink = hex(0xfdfdfb), hex(0x24272e)
	}
	k.fill(k.img.Rect, paper)
	k.fill(rect(0, 0, 240, 900), mix(paper, ink, 18))
	mono := lettering{k.family.mono, between(k.rng, 12, 14)}
	k.label(rect(14, 8, 220, 22), "PROJECT", lettering{k.family.bold, 11}, mix(ink, paper, 110), left)
	for i := range 26 {
		name := pick(k.rng, sourceNames) + pick(k.rng, []string{".go", "_test.go", ".md", "/", ".yaml"})
		k.label(rect(18+14*(i%3), 36+22*i, 200, 22), name, lettering{k.family.regular, 12}, mix(ink, paper, 40), left)
	}
	for i := range 4 {
		tab := rect(240+150*i, 0, 149, 32)
		k.fill(tab, mix(paper, ink, 30*min(i, 1)))
		k.label(inset(tab, 14, 0), pick(k.rng, sourceNames)+".go", lettering{k.family.regular, 12}, ink, left)
	}
	depth := 0
	for i := range 36 {
		y := 40 + 18*i
		k.label(rect(244, y, 40, 18), strconv.Itoa(i+1+10*k.size), mono, mix(ink, paper, 150), right)
		depth = max(0, min(5, depth+between(k.rng, -1, 1)))
		k.source(300+28*depth, y+13, mono, ink, paper)
	}
	k.fill(rect(240, 700, 1200, 176), mix(paper, hex(0), 60))
	for i := range 8 {
		k.label(rect(256, 706+20*i, 1100, 20), "$ run "+pick(k.rng, sourceNames)+" --"+pick(k.rng, sourceNames)+"="+digits(k.rng, 2)+"   ok  "+digits(k.rng, 1)+"."+digits(k.rng, 3)+"s", mono, hex(0x9fd8a8), left)
	}
	k.fill(rect(0, 876, 1440, 24), k.accent)
	k.label(rect(12, 876, 600, 24), "main    line "+digits(k.rng, 2)+", column "+digits(k.rng, 1), lettering{k.family.regular, 12}, k.accentInk, left)
}

// source writes one line of a made-up program in colours.
func (k *kit) source(x, y int, l lettering, ink, paper color.RGBA) {
	switch k.rng.IntN(10) {
	case 0:
		return
	case 1:
		k.write(x, y, "// "+strings.ToLower(pick(k.rng, sentences)), l, mix(hex(0x5f9f5f), paper, 30))
		return
	}
	if chance(k.rng, 0.5) {
		x = k.write(x, y, pick(k.rng, sourceKeys)+" ", l, hex(0xc678dd))
	}
	for range between(k.rng, 2, 6) {
		x = k.write(x, y, pick(k.rng, sourceNames), l, pick(k.rng, []color.RGBA{ink, ink, hex(0x4fa3e0)}))
		x = k.write(x, y, pick(k.rng, sourceMarks), l, mix(ink, paper, 70))
	}
	if chance(k.rng, 0.3) {
		k.write(x, y, `"`+pick(k.rng, sourceNames)+`"`, l, hex(0xd19a66))
	}
}

// drawMap draws a town: streets, parks, a river and pins.
func drawMap(k *kit) {
	land := pick(k.rng, []color.RGBA{hex(0xf2efe6), hex(0xeaeef0), hex(0x242a33)})
	k.fill(k.img.Rect, land)
	for range 7 {
		x, y := between(k.rng, 0, 1200), between(k.rng, 0, 900)
		k.round(rect(x, y, between(k.rng, 60, 260), between(k.rng, 60, 200)), 24, mix(land, hex(0x6fbf73), 110))
	}
	x := between(k.rng, 100, 900)
	for y := -20; y < 900; y += 60 {
		next := x + between(k.rng, -50, 70)
		k.line(float32(x), float32(y), float32(next), float32(y+60), 46, mix(land, hex(0x4aa3df), 150))
		x = next
		k.disc(x-23, y+37, 46, mix(land, hex(0x4aa3df), 150))
	}
	edge, street := mix(land, hex(0x808890), 90), mix(land, white, 200)
	for i := range 26 {
		a, b := float32(between(k.rng, -100, 1300)), float32(between(k.rng, -100, 1300))
		w := float32([]int{7, 7, 9, 16}[i%4])
		if i%2 == 0 {
			k.road(a, -10, a+(b-a)/3, 910, w, edge, street)
			continue
		}
		k.road(-10, a*3/4, 1210, a*3/4+(b-a)/5, w, edge, street)
	}
	for range 14 {
		at := image.Pt(between(k.rng, 40, 1100), between(k.rng, 60, 860))
		k.label(rect(at.X, at.Y, 140, 16), k.pool.family(k.rng)+pick(k.rng, []string{" Street", " Square", " Park", " Lane"}), lettering{k.family.regular, 11}, mix(land, hex(0x303840), 220), left)
	}
	for range between(k.rng, 3, 9) {
		k.pin(float32(between(k.rng, 80, 1120)), float32(between(k.rng, 90, 860)))
	}
	box := rect(20, 20, 360, 44)
	k.shadow(box, 5)
	k.outlined(box, 8, k.edge, k.theme.field)
	k.label(inset(box, 18, 0), "Search for a place", lettering{k.family.regular, 15}, k.faint, left)
	for i, s := range []string{"+", "-"} {
		k.outlined(rect(1140, 780+44*i, 40, 40), 6, k.edge, k.theme.field)
		k.label(rect(1140, 780+44*i, 40, 40), s, lettering{k.family.bold, 22}, k.fieldInk, middle)
	}
}

// road paints a street with its edges.
func (k *kit) road(x0, y0, x1, y1, w float32, edge, face color.RGBA) {
	k.line(x0, y0, x1, y1, w+2, edge)
	k.line(x0, y0, x1, y1, w, face)
}

// pin paints a mark whose tip is at x, y.
func (k *kit) pin(x, y float32) {
	col := pick(k.rng, bright)
	k.poly(col, x-11, y-24, x+11, y-24, x, y)
	k.disc(int(x)-12, int(y)-39, 24, col)
	k.disc(int(x)-5, int(y)-32, 10, white)
}
