package synth

import (
	"image"
	"math/rand/v2"
)

// view is how a scene stands in the final picture: moved by an offset in a
// picture of a size, which was scaled afterwards.
type view struct {
	offset image.Point
	size   image.Point // before scaling: what RU refer to
	scaled image.Point // of the file
}

// desktopSize is the picture that --frame desktop pastes windows on.
var desktopSize = image.Pt(1920, 1080)

// compose draws the scene of one picture and puts it on a desktop and to scale
// as the options say.
func compose(s *screen, r *rand.Rand, p pool, task string, odds map[string]float64, o *Options) (*scene, *image.RGBA, view) {
	k := newKit(r, p, s.size)
	sc := s.draw(k, task, odds)
	img, v := sc.img, view{size: sc.img.Rect.Size()}
	if s.place.X >= 0 && chance(r, o.framed) {
		img, v = k.onDesktop(s, sc.img)
	}
	img = scaleDown(img, o.Scale)
	v.scaled = img.Rect.Size()
	return sc, img, v
}

// onDesktop pastes a window on a desktop, at the screen's place give or take
// 40 pixels.
func (k *kit) onDesktop(s *screen, window *image.RGBA) (*image.RGBA, view) {
	d := k.on(newCanvas(desktopSize.X, desktopSize.Y))
	d.theme = &themes[k.rng.IntN(len(themes))]
	d.behind()
	at := s.place.Add(image.Pt(between(k.rng, -40, 40), between(k.rng, -40, 40)))
	at.X = max(0, min(at.X, desktopSize.X-s.size.X))
	at.Y = max(0, min(at.Y, taskBar.Min.Y-s.size.Y))
	d.shadow(window.Rect.Add(at), 10)
	d.paste(window, at)
	return d.img, view{offset: at, size: desktopSize}
}

// Preview returns a picture of a screen at full size, for people.
func Preview(expert string, seed uint64) (image.Image, error) {
	s, err := find(expert)
	if err != nil {
		return nil, err
	}
	i := int(seed % uint64(len(s.tasks)))
	sc := s.draw(newKit(stream(seed, s.name, s.tasks[i].task, "preview", 0), trainPool, s.size), s.tasks[i].task, s.tasks[i].odds)
	return sc.img, nil
}
