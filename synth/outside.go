package synth

import (
	"context"
	"fmt"
	"image"
	"image/color"
	"os"
	"path/filepath"
	"strconv"
)

// outsiders are screens that no expert knows. They are drawn with the same kit
// as the others, so that it is their content that makes them strange.
var outsiders = []struct {
	name string
	size image.Point
	draw func(k *kit)
}{
	{"chat", image.Pt(1024, 768), drawChat},
	{"player", image.Pt(1280, 800), drawPlayer},
	{"editor", image.Pt(1440, 900), drawEditor},
	{"spreadsheet", image.Pt(1366, 768), drawSpreadsheet},
	{"map", image.Pt(1200, 900), drawMap},
}

// outsideScene draws picture i of the outside set.
func outsideScene(i int, seed uint64) *image.RGBA {
	s := outsiders[i%len(outsiders)]
	k := newKit(stream(seed, "outside", s.name, "outside", i), testPool, s.size)
	s.draw(k)
	return k.finish(&scene{}).img
}

// Outside makes a folder of n pictures of screens of other kinds: a
// conversation, a music player, a program's source, a spreadsheet, a map. They
// serve to see whether a router knows what it does not know. The folder must
// not exist yet; it appears when it is complete.
func Outside(ctx context.Context, out string, n int, seed uint64) error {
	if n < 1 || n > mostPictures {
		return fmt.Errorf("synth outside: %d pictures, want 1 to %d", n, mostPictures)
	}
	if _, err := os.Lstat(out); err == nil {
		return fmt.Errorf("synth outside: %s exists already", out)
	}
	parent := filepath.Dir(filepath.Clean(out))
	if err := os.MkdirAll(parent, 0o777); err != nil {
		return fmt.Errorf("synth outside: %w", err)
	}
	sweep(parent)
	dir, err := os.MkdirTemp(parent, partial+"outside-")
	if err != nil {
		return fmt.Errorf("synth outside: %w", err)
	}
	defer discard(dir)
	if err := outsideAll(ctx, dir, n, seed); err != nil {
		return fmt.Errorf("synth outside: %w", err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return fmt.Errorf("synth outside: %w", err)
	}
	if err := os.Rename(dir, out); err != nil {
		return fmt.Errorf("synth outside: %w", err)
	}
	return nil
}

// outsideAll draws the pictures one after the other; there are few.
func outsideAll(ctx context.Context, dir string, n int, seed uint64) error {
	for i := range n {
		if err := ctx.Err(); err != nil {
			return err
		}
		data, err := encode(outsideScene(i, seed), leastQuality+int(seed+uint64(i))%(mostQuality-leastQuality+1))
		if err != nil {
			return err
		}
		name := fmt.Sprintf("%s_%05d.jpg", outsiders[i%len(outsiders)].name, i)
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// bright are colours for covers, faces and bubbles.
var bright = []color.RGBA{hex(0xe4572e), hex(0x29335c), hex(0xf3a712), hex(0x669bbc), hex(0x3a7d44), hex(0x9b5de5), hex(0xd81e5b), hex(0x0ead69)}

// sentences are what people write to each other.
var sentences = []string{
	"Are we still on for lunch?", "I will be there in ten minutes.", "Could you send me the address again?", "That sounds good to me.",
	"The train is late, start without me.", "Did you see the picture I sent?", "Let us talk about it tomorrow morning.", "Thank you, that was quick!",
	"No idea, I have not asked yet.", "The garden looks lovely at the moment.", "Please bring the blue folder along.", "Happy birthday! Have a wonderful day.",
	"I found the keys under the sofa after looking for them the whole afternoon.", "It rains here, so we stay at home and bake.",
}

// drawChat draws a conversation: people at the left, bubbles at the right.
func drawChat(k *kit) {
	k.fill(k.img.Rect, mix(k.theme.field, k.window, 120))
	side := image.Rect(0, 0, 280, 768)
	k.fill(side, k.window)
	k.outlined(rect(14, 14, 252, 30), 15, k.edge, k.theme.field)
	k.put(rect(32, 14, 200, 30), "Search or start a talk", k.regular(1), k.faint, left)
	active := k.rng.IntN(10)
	for i := range 11 {
		row := rect(0, 58+64*i, 280, 64)
		if i == active {
			k.fill(row, mix(k.window, k.accent, 70))
		}
		name := given(k.rng) + " " + k.pool.family(k.rng)
		k.portrait(rect(row.Min.X+14, row.Min.Y+10, 44, 44), name)
		k.put(rect(70, row.Min.Y+12, 150, 18), name, k.strong(2), k.ink, left)
		k.put(rect(70, row.Min.Y+32, 190, 18), pick(k.rng, sentences), k.regular(1), k.faint, left)
		k.put(rect(215, row.Min.Y+12, 55, 18), clockText(k.rng.IntN(1440)), k.regular(-1), k.faint, right)
	}
	k.fill(rect(280, 0, 744, 60), k.window)
	other := given(k.rng) + " " + k.pool.family(k.rng)
	k.portrait(rect(296, 10, 40, 40), other)
	k.put(rect(350, 12, 400, 20), other, k.strong(3), k.ink, left)
	k.put(rect(350, 32, 400, 18), "last seen at "+clockText(k.rng.IntN(1440)), k.regular(1), k.faint, left)
	k.bubbles(rect(300, 76, 700, 610))
	k.fill(rect(280, 700, 744, 68), k.window)
	k.outlined(rect(300, 714, 640, 40), 20, k.edge, k.theme.field)
	k.put(rect(324, 714, 500, 40), "Write a message", k.regular(2), k.faint, left)
	k.disc(952, 712, 44, k.accent)
	k.poly(k.accentInk, 966, 723, 988, 734, 966, 745, 970, 734)
}

// portrait paints a disc with an initial.
func (k *kit) portrait(r image.Rectangle, name string) {
	k.disc(r.Min.X, r.Min.Y, r.Dx(), pick(k.rng, bright))
	k.label(r, name[:1], lettering{k.family.bold, r.Dx() / 2}, white, middle)
}

// bubbles paints a conversation from top to bottom.
func (k *kit) bubbles(r image.Rectangle) {
	l := lettering{k.family.regular, 14}
	for y := r.Min.Y; ; {
		lines := wrap(pick(k.rng, sentences), l, 320)
		w := 0
		for _, s := range lines {
			w = max(w, measure(s, l))
		}
		box := rect(r.Min.X, y, w+28, 19*len(lines)+26)
		if box.Max.Y > r.Max.Y {
			return
		}
		face, ink := k.theme.field, k.fieldInk
		if chance(k.rng, 0.5) {
			box = box.Add(image.Pt(r.Max.X-box.Max.X, 0))
			face, ink = mix(k.theme.field, k.accent, 110), k.fieldInk
		}
		k.round(box, 12, face)
		for i, s := range lines {
			k.label(rect(box.Min.X+14, y+7+19*i, w+2, 19), s, l, ink, left)
		}
		k.label(rect(box.Min.X, box.Max.Y-18, box.Dx()-12, 14), clockText(k.rng.IntN(1440)), lettering{k.family.regular, 10}, mix(ink, face, 120), right)
		y = box.Max.Y + between(k.rng, 6, 22)
	}
}

// drawPlayer draws a music player: shelves of covers and the controls below.
func drawPlayer(k *kit) {
	dark := mix(k.deskTop, hex(0x0c0d10), 200)
	k.gradient(k.img.Rect, mix(dark, k.deskBottom, 90), dark)
	k.fill(rect(0, 0, 210, 700), mix(dark, hex(0), 90))
	for i, s := range []string{"Home", "Search", "Your Shelf", "Favourites", "New Songs", "Radio", "Podcasts"} {
		k.disc(22, 34+44*i, 18, mix(white, dark, 120))
		k.label(rect(52, 32+44*i, 150, 22), s, lettering{k.family.bold, 14}, mix(white, dark, 60), left)
	}
	for row := range 2 {
		k.label(rect(240, 24+330*row, 500, 30), []string{"Good evening", "Made for you"}[row], lettering{k.family.bold, 24}, white, left)
		for i := range 5 {
			k.cover(rect(240+205*i, 68+330*row, 185, 185))
			k.label(rect(240+205*i, 262+330*row, 185, 18), capital(pick(k.rng, givenLast))+" "+k.pool.family(k.rng), lettering{k.family.bold, 13}, white, left)
			k.label(rect(240+205*i, 282+330*row, 185, 16), given(k.rng)+" & the "+k.pool.family(k.rng)+"s", lettering{k.family.regular, 12}, mix(white, dark, 110), left)
		}
	}
	k.fill(rect(0, 700, 1280, 100), mix(dark, white, 18))
	k.cover(rect(16, 714, 72, 72))
	k.label(rect(102, 726, 200, 20), k.pool.family(k.rng)+" Blues", lettering{k.family.bold, 14}, white, left)
	k.disc(616, 712, 46, white)
	k.poly(dark, 633, 724, 633, 746, 652, 735)
	k.poly(white, 579, 726, 579, 744, 563, 735)
	k.fill(rect(560, 726, 3, 18), white)
	k.poly(white, 700, 726, 700, 744, 716, 735)
	k.fill(rect(716, 726, 3, 18), white)
	k.round(rect(440, 772, 400, 6), 3, mix(dark, white, 80))
	at := k.rng.IntN(380)
	k.round(rect(440, 772, at+10, 6), 3, k.accent)
	k.disc(440+at, 768, 14, white)
}

// cover paints a record's cover of a few shapes.
func (k *kit) cover(r image.Rectangle) {
	k.clipped(r, func() {
		k.gradient(r, pick(k.rng, bright), pick(k.rng, bright))
		for range between(k.rng, 2, 5) {
			d := between(k.rng, r.Dx()/6, r.Dx()*3/4)
			x, y := r.Min.X+k.rng.IntN(r.Dx())-d/2, r.Min.Y+k.rng.IntN(r.Dy())-d/2
			if chance(k.rng, 0.5) {
				k.disc(x, y, d, pick(k.rng, bright))
				continue
			}
			k.poly(pick(k.rng, bright), float32(x), float32(y), float32(x+d), float32(y+d/3), float32(x+d/4), float32(y+d))
		}
	})
}

// drawSpreadsheet draws cells with letters above and numbers at the left.
func drawSpreadsheet(k *kit) {
	k.windowFrame(k.img.Rect, k.pool.family(k.rng)+" Budget "+strconv.Itoa(between(k.rng, 2020, 2029)), 13)
	for i := range 22 {
		k.outlined(rect(10+34*i+14*(i/5), 32, 28, 28), 3, k.edge, mix(k.theme.button, bright[i%len(bright)], 30))
	}
	k.draw(element{"", field, rect(10, 66, 90, 22), string(rune('A'+k.rng.IntN(9))) + strconv.Itoa(between(k.rng, 1, 30))}, state{})
	k.draw(element{"", field, rect(106, 66, 1250, 22), "=SUM(B2:B" + strconv.Itoa(between(k.rng, 8, 30)) + ")"}, state{})
	body := image.Rect(40, 114, 1350, 730)
	k.fill(image.Rect(0, 94, 1350, 730), k.header)
	k.fill(body, k.theme.field)
	chosen := image.Pt(k.rng.IntN(14), k.rng.IntN(28))
	for c := range 15 {
		k.headCell(rect(40+90*c, 94, 90, 20), string(rune('A'+c)))
		k.fill(rect(40+90*c, 114, 1, 616), k.li)
	}
	for r := range 28 {
		y := 114 + 22*r
		k.label(rect(2, y, 32, 22), strconv.Itoa(r+1), k.regular(0), k.headerInk, right)
		k.fill(rect(40, y, 1310, 1), k.li)
		for c := range 14 {
			k.numberCell(rect(43+90*c, y, 84, 22), c, r)
		}
	}
	box := rect(40+90*chosen.X, 114+22*chosen.Y, 91, 23)
	k.frame(box, k.accent)
	k.frame(inset(box, 1, 1), k.accent)
	for i := range 3 {
		k.draw(element{"", tab, rect(60+92*i, 736, 90, 22), "Sheet " + strconv.Itoa(i+1)}, state{active: i == 0})
	}
}

// numberCell writes into some cells of a spreadsheet.
func (k *kit) numberCell(box image.Rectangle, c, r int) {
	switch {
	case r == 0 && c > 0 && c < 13:
		k.label(box, []string{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"}[c-1], k.strong(0), k.fieldInk, middle)
	case c == 0 && r > 0 && r < 24:
		k.label(box, pick(k.rng, []string{"Rent", "Power", "Water", "Paper", "Travel", "Wages", "Insurance", "Repairs", "Tea"}), k.regular(0), k.fieldInk, left)
	case r > 0 && r < 24 && chance(k.rng, 0.75):
		k.label(box, money(k.rng, 5000), k.regular(0), k.fieldInk, right)
	}
}
