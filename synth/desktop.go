package synth

import (
	"image"
	"image/color"
	"math/rand/v2"
	"slices"
	"strings"
)

// desktopScreen is the desktop of an operating system of 13.7.
var desktopScreen = screen{
	name: "desktop", size: image.Pt(1920, 1080), place: image.Pt(-1, -1),
	tasks: []share{
		{"dclick-desktop-icon", 0.60, map[string]float64{normal: 0.95, adversarial: 0.05}},
		{"dclick-taskbar-icon", 0.25, nil},
		{"wait-loading", 0.15, nil},
	},
	draw:    drawDesktop,
	layouts: []layout{{"icons-stacked", desktopLayout(stackedIcon)}, {"icons-sparse", desktopLayout(sparseIcon)}},
}

// The measures of the desktop.
var (
	taskBar   = rect(0, 1032, 1920, 48)
	iconSize  = image.Pt(52, 52)
	iconCell  = image.Pt(72, 92)
	iconStart = image.Pt(20, 20)
)

// The number of icons on the desktop and in the task bar.
const (
	leastIcons = 3
	mostIcons  = 13
	mostInBar  = 8
)

// placed is an icon somewhere.
type placed struct {
	design int
	name   string
	box    image.Rectangle
}

// drawDesktop draws a desktop with icons, a task bar and, for the waiting
// task, a panel of a program that starts.
func drawDesktop(k *kit, task string, odds map[string]float64) *scene {
	s := &scene{}
	designs := k.rng.Perm(len(icons))
	icons := k.desktopIcons(designs[:between(k.rng, leastIcons, mostIcons)])
	bar := k.barIcons(k.rng.Perm(len(designs))[:between(k.rng, leastIcons, mostInBar)])
	k.wallpaper()
	selected := k.rng.IntN(2 * len(icons))
	for i, p := range icons {
		k.desktopIcon(p, i == selected)
		s.elements = append(s.elements, element{"desktop-icon", area, p.box, p.name})
	}
	k.taskBar(s, bar)
	switch task {
	case "dclick-desktop-icon":
		for _, p := range icons {
			s.ask(k.iconItem(p, icons, weighted(k.rng, []string{normal, adversarial}, odds)))
		}
	case "dclick-taskbar-icon":
		for _, p := range bar {
			s.ask(item{task: task, prompt: k.instruct(task, "label", p.name), calls: click("double_click"), target: p.box, meta: p.facts()})
		}
	default:
		k.loading()
		s.ask(item{task: task, prompt: k.waitPrompt(icons), calls: []call{{action: "wait", seconds: 3}}, meta: map[string]any{"wait_seconds": 3}})
	}
	return k.finish(s)
}

// facts describes an icon in the metadata.
func (p placed) facts() map[string]any {
	b := p.box
	return map[string]any{"icon_id": p.design, "icon_label": p.name, "icon_bounds": []int{b.Min.X, b.Min.Y, b.Dx(), b.Dy()}, "element_label": p.name}
}

// desktopIcons places icons: stacked in columns of 8, sparse in 6 columns, or
// at random.
func (k *kit) desktopIcons(designs []int) []placed {
	cells := make([]int, len(designs))
	layout := k.rng.IntN(3)
	free := k.rng.Perm(24 * 8)
	for i := range cells {
		cells[i] = []int{i, i, free[i]}[layout]
	}
	out := make([]placed, len(designs))
	for i, d := range designs {
		box := stackedIcon(cells[i])
		if layout == 1 {
			box = sparseIcon(i)
		}
		out[i] = placed{d, k.iconName(d), box}
	}
	return out
}

// stackedIcon returns the i-th place in columns of 8.
func stackedIcon(i int) image.Rectangle {
	return iconBox(image.Pt(i/8*iconCell.X, i%8*iconCell.Y))
}

// sparseIcon returns the i-th place in 6 columns, half a cell apart.
func sparseIcon(i int) image.Rectangle {
	return iconBox(image.Pt(i%6*iconCell.X*3/2, i/6*iconCell.Y*3/2))
}

// iconBox returns where an icon stands, from the first one on.
func iconBox(at image.Point) image.Rectangle {
	at = at.Add(iconStart)
	return image.Rectangle{at, at.Add(iconSize)}
}

// barIcon returns the i-th place in the task bar.
func barIcon(i int) image.Rectangle { return rect(946+35*i, 1042, 27, 28) }

// desktopLayout returns the layout of a desktop by the places of its icons.
func desktopLayout(icon func(i int) image.Rectangle) func() []element {
	return func() []element {
		return append(numbered("desktop-icon", mostIcons, icon), numbered("taskbar-icon", mostInBar, barIcon)...)
	}
}

// barIcons places the icons of the task bar.
func (k *kit) barIcons(designs []int) []placed {
	out := make([]placed, len(designs))
	for i, d := range designs {
		out[i] = placed{d, k.iconName(d), barIcon(i)}
	}
	return out
}

// desktopIcon paints an icon and its label below.
func (k *kit) desktopIcon(p placed, selected bool) {
	if selected {
		k.veil(inset(p.box, -8, -6).Union(rect(p.box.Min.X, p.box.Max.Y, 1, 24)), k.accent, 110)
	}
	drawIcon(k.canvas, p.box, p.design)
	l := lettering{k.family.regular, 12}
	for i, part := range wrap(p.name, l, iconCell.X+4) {
		box := rect(p.box.Min.X-14, p.box.Max.Y+5+14*i, p.box.Dx()+28, 14)
		k.label(box.Add(image.Pt(1, 1)), part, l, hex(0x101418), middle)
		k.label(box, part, l, white, middle)
	}
}

// taskBar paints the bar at the bottom: the start button, a search field, the
// icons and the clock.
func (k *kit) taskBar(s *scene, bar []placed) {
	face, ink := mix(k.deskBottom, hex(0x10141a), 190), white
	if k.look == bevelled {
		face, ink = k.window, k.ink
	}
	k.fill(taskBar, face)
	k.fill(rect(0, taskBar.Min.Y, 1920, 1), mix(face, white, 60))
	for i := range 9 {
		k.disc(15+9*(i%3), 1044+9*(i/3), 6, mix(k.accent, white, 90+20*(i%3)))
	}
	k.outlined(rect(56, 1040, 260, 32), 4, mix(face, white, 70), mix(face, white, 34))
	k.label(rect(70, 1040, 230, 32), "Search for anything", lettering{k.family.regular, 13}, mix(ink, face, 70), left)
	for _, p := range bar {
		if chance(k.rng, 0.3) {
			k.fill(rect(p.box.Min.X+2, 1075, 23, 3), mix(k.accent, white, 70))
		}
		drawIcon(k.canvas, rect(p.box.Min.X, p.box.Min.Y, 27, 27), p.design)
		s.elements = append(s.elements, element{"taskbar-icon", area, p.box, p.name})
	}
	for i := range 3 {
		k.disc(1740+24*i, 1050, 12, mix(face, ink, 150))
	}
	l := lettering{k.family.regular, 11}
	clock, date := clockText(k.rng.IntN(1440)), day(k.rng).Format(shortDate)
	k.label(rect(1818, 1042, 100, 14), clock, l, ink, middle)
	k.label(rect(1818, 1057, 100, 14), date, l, ink, middle)
}

// wallpaper paints the desktop picture: a sky with hills, waves, rings or
// towers.
func (k *kit) wallpaper() {
	k.gradient(k.img.Rect, k.deskTop, k.deskBottom)
	if k.look == bevelled && chance(k.rng, 0.5) {
		return
	}
	pick(k.rng, []func(){k.hills, k.waves, k.rings, k.towers})()
}

// hills paints four ranges, the nearest the darkest.
func (k *kit) hills() {
	for i := range 4 {
		k.hill(620+120*i, 160-20*i, mix(k.deskBottom, hex(0x0e2a22), 50+50*i))
	}
}

// waves paints slanted bands.
func (k *kit) waves() {
	for i := range 5 {
		y := float32(250 + 170*i + k.rng.IntN(60))
		k.poly(mix(k.deskTop, k.deskBottom, 60+40*i), -10, y+160, 1930, y-120, 1930, y+260, -10, y+420)
	}
}

// rings paints discs inside one another.
func (k *kit) rings() {
	x, y := between(k.rng, 900, 1500), between(k.rng, 200, 700)
	face := mix(k.deskTop, k.deskBottom, 150)
	for i := range 6 {
		d := 900 - 140*i
		k.disc(x-d/2, y-d/2, d, mix(face, white, 10+11*i))
	}
}

// towers paints a row of tall glass blocks of uneven height.
func (k *kit) towers() {
	x := between(k.rng, 500, 900)
	for range 9 {
		w, h := between(k.rng, 60, 150), between(k.rng, 160, 620)
		k.veil(rect(x, 1032-h, w, h), white, uint32(between(k.rng, 16, 48)))
		x += w * 3 / 4
	}
}

// hill paints a range of hills whose ridge lies around y.
func (k *kit) hill(y, rise int, col color.RGBA) {
	at := []float32{-10, 1090}
	for x := -10; x <= 2000; x += 40 {
		at = append(at, float32(x), float32(y+k.ridge(x, rise)))
	}
	k.poly(col, append(at, 2000, 1090)...)
}

// ridge returns the height of a range at x: a sum of two triangle waves.
func (k *kit) ridge(x, rise int) int {
	wave := func(period, phase int) int { return abs((x+phase)%(2*period)-period) * 2 * rise / period }
	return (wave(430, rise*7+900) + wave(170, rise*13+900)/4) - rise
}

// loading paints the panel of a program that starts.
func (k *kit) loading() {
	r := pick(k.rng, []image.Rectangle{rect(708, 365, 502, 304), rect(724, 373, 497, 332)})
	k.shadow(r, 14)
	k.fill(r, k.theme.field)
	head := rect(r.Min.X, r.Min.Y, r.Dx(), r.Dy()*6/10)
	k.across(head, k.titleLeft, k.titleRight)
	design := k.rng.IntN(len(icons))
	drawIcon(k.canvas, rect(head.Min.X+40, head.Min.Y+52, 84, 84), design)
	k.label(rect(head.Min.X+150, head.Min.Y+62, r.Dx()-160, 34), k.iconName(design), lettering{k.family.bold, 28}, k.titleInk, left)
	k.label(rect(head.Min.X+150, head.Min.Y+102, r.Dx()-160, 20), "Version "+digits(k.rng, 1)+"."+digits(k.rng, 2), lettering{k.family.regular, 13}, k.titleInk, left)
	texts := []string{"Loading modules ...", "Starting, please wait ...", "Connecting to the database ...", "Reading settings ..."}
	k.label(rect(r.Min.X+40, head.Max.Y+22, r.Dx()-80, 18), pick(k.rng, texts), lettering{k.family.regular, 13}, k.fieldInk, left)
	track := rect(r.Min.X+40, head.Max.Y+50, r.Dx()-80, 12)
	k.outlined(track, 4, k.edge, mix(k.theme.field, k.dark, 60))
	k.round(rect(track.Min.X+2, track.Min.Y+2, track.Dx()*between(k.rng, 5, 90)/100, 8), 3, k.accent)
	k.frame(r, k.edge)
}

// iconItem asks for an icon, or for one that is not there.
func (k *kit) iconItem(p placed, shown []placed, kind string) item {
	it := item{task: "dclick-desktop-icon", calls: click("double_click"), target: p.box}
	if kind == adversarial {
		p = k.missing(shown)
		it.calls, it.target = k.absent("an icon named "+p.name), image.Rectangle{}
	}
	it.prompt, it.meta = k.instruct(it.task, "label", p.name), p.facts()
	if kind == adversarial {
		it.meta = map[string]any{"icon_label": p.name, "element_label": p.name}
	}
	return it
}

// missing returns a program that is in no icon of the picture.
func (k *kit) missing(shown []placed) placed {
	for {
		d := k.rng.IntN(len(icons))
		if !slices.ContainsFunc(shown, func(p placed) bool { return p.design == d }) {
			return placed{design: d, name: k.iconName(d)}
		}
	}
}

// waitPrompt asks for the next step, or to open an icon that cannot be opened
// yet.
func (k *kit) waitPrompt(shown []placed) string {
	return strings.ReplaceAll(halfOf(k.rng, prompts["wait-loading"]), "{label}", pick(k.rng, shown).name)
}

// halfOf picks with equal chances among the prompts with and without a label.
func halfOf(r *rand.Rand, list []string) string {
	want := r.IntN(2) == 0
	return pick(r, slices.DeleteFunc(slices.Clone(list), func(s string) bool { return strings.Contains(s, "{label}") != want }))
}

// behind paints a desktop for another window to stand on.
func (k *kit) behind() {
	k.wallpaper()
	designs := k.rng.Perm(len(icons))
	for _, p := range k.desktopIcons(designs[:between(k.rng, leastIcons, mostIcons)]) {
		k.desktopIcon(p, false)
	}
	k.taskBar(&scene{}, k.barIcons(designs[:between(k.rng, leastIcons, mostInBar)]))
}
