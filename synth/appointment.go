package synth

import (
	"image"
	"image/color"
	"slices"
	"strings"
)

// appointmentScreen is the schedule of 13.5.
var appointmentScreen = screen{
	name: "appointment", size: image.Pt(1640, 930), place: image.Pt(140, 70),
	tasks: []share{
		{"click-appointment", 0.45, colourOdds},
		{"hover-appointment", 0.25, colourOdds},
		{"click-slot", 0.20, nil},
		{"scroll-schedule", 0.10, nil},
	},
	draw:    drawSchedule,
	layouts: []layout{{"appointment", scheduleLayout}},
}

// The kinds of targets in the schedule.
const (
	greyGrey    = "grey_grey"
	otherColour = "other_colors"
)

var colourOdds = map[string]float64{greyGrey: 0.80, otherColour: 0.15, adversarial: 0.05}

// The measures of the schedule.
const (
	scheduleColumns = 18
	scheduleSlots   = 68
)

// scheduleGrid is where the slots stand; the header is above it.
var (
	scheduleGrid = rect(45, 27, 1542, 859)
	scheduleArea = element{"schedule", area, scheduleGrid, ""}
)

// slotBox returns where n slots from slot i of a column stand.
func slotBox(column, i, n int) image.Rectangle {
	g := scheduleGrid
	x := func(c int) int { return g.Min.X + c*g.Dx()/scheduleColumns }
	y := func(s int) int { return g.Min.Y + s*g.Dy()/scheduleSlots }
	return image.Rect(x(column), y(i), x(column+1), y(i+n))
}

// scheduleLayout returns what stands in the same place on every day.
func scheduleLayout() []element {
	columns := numbered("column", scheduleColumns, func(i int) image.Rectangle { return slotBox(i, 0, scheduleSlots) })
	return append(columns, scheduleArea)
}

// paint is a colour with its name in prompts.
type paint struct {
	name string
	rgb  uint32
}

// blockPaints are the backgrounds, dotPaints the circles.
var (
	blockPaints = []paint{{"grey", 0xcfd3d6}, {"red", 0xf2a3a0}, {"orange", 0xf7c48b}, {"lavender", 0xd3c5ee}, {"green", 0xb4dfb0}, {"blue", 0xacd0f3}, {"yellow", 0xf8eb9c}}
	dotPaints   = []paint{{"grey", 0x8c949b}, {"white", 0xffffff}, {"orange", 0xee8a1d}, {"red", 0xd4322c}, {"green", 0x2f9e44}}
)

// visit is a block of the schedule.
type visit struct {
	column, slot, slots int
	block, dot          int
	lines               []string
	struck              bool
}

// box returns the block; it leaves a line of the grid free.
func (v visit) box() image.Rectangle {
	b := slotBox(v.column, v.slot, v.slots)
	return image.Rect(b.Min.X+2, b.Min.Y+1, b.Max.X-2, b.Max.Y)
}

// colours names the pair of colours that prompts tell visits apart by.
func (v visit) colours() string { return blockPaints[v.block].name + " " + dotPaints[v.dot].name }

// schedule is the state of the screen.
type schedule struct {
	columns []string
	opens   int // minutes after midnight of the first slot
	visits  []visit
	taken   [scheduleColumns][scheduleSlots]bool
}

// time returns what the gutter says at a slot.
func (s *schedule) time(slot int) string { return clockText(s.opens + 10*slot) }

// drawSchedule draws a day of the practice.
func drawSchedule(k *kit, task string, odds map[string]float64) *scene {
	out := &scene{}
	d := k.newSchedule()
	var special visit
	kind := weighted(k.rng, []string{greyGrey, otherColour, adversarial}, odds)
	if strings.HasSuffix(task, "-appointment") {
		special = d.single(k, kind)
	}
	k.scheduleSurface(out, d)
	for _, v := range d.visits {
		k.visit(out, v)
	}
	now := k.rng.IntN(scheduleGrid.Dy())
	k.fill(rect(scheduleGrid.Min.X, scheduleGrid.Min.Y+now, scheduleGrid.Dx(), 1), hex(0xd4322c))
	out.regions = untouched(out.regions, rect(scheduleGrid.Min.X, scheduleGrid.Min.Y+now, scheduleGrid.Dx(), 1))
	k.scheduleItems(out, d, task, kind, special)
	return k.finish(out)
}

// newSchedule fills a day with 8 to 40 visits: stacked in few columns, sparse
// over all, or mixed.
func (k *kit) newSchedule() *schedule {
	d := &schedule{opens: 60 * between(k.rng, 6, 9)}
	rooms := []string{"Room", "Chair", "Op", "Bay", "Hyg"}
	for i := range scheduleColumns {
		d.columns = append(d.columns, pick(k.rng, rooms)+" "+string(rune('A'+i))+pick(k.rng, []string{"", " " + k.pool.family(k.rng)[:3]}))
	}
	reach := pick(k.rng, []int{6, scheduleColumns, 12})
	first := k.rng.IntN(scheduleColumns - reach + 1)
	want := between(k.rng, 8, 40)
	for tries := 0; len(d.visits) < want && tries < 2000; tries++ {
		v := visit{column: first + k.rng.IntN(reach), slots: between(k.rng, 2, 6), block: k.rng.IntN(len(blockPaints)), dot: k.rng.IntN(len(dotPaints))}
		v.slot = k.rng.IntN(scheduleSlots - v.slots)
		if reach == 6 && chance(k.rng, 0.7) {
			v.slot = d.below(v.column, v.slots)
		}
		d.add(k, v)
	}
	return d
}

// below returns the first free slot of a column, for stacked layouts.
func (s *schedule) below(column, slots int) int {
	for i := range scheduleSlots - slots {
		if !s.taken[column][i] && !s.taken[column][i+slots-1] {
			return i
		}
	}
	return 0
}

// add takes a visit in if its slots are free.
func (s *schedule) add(k *kit, v visit) {
	slots := s.taken[v.column][v.slot : v.slot+v.slots]
	if slices.Contains(slots, true) {
		return
	}
	for i := range slots {
		slots[i] = true
	}
	v.lines = []string{k.pool.person(k.rng), code(k.rng) + " " + code(k.rng), phone(k.rng), pick(k.rng, procedures)}
	v.struck = chance(k.rng, 0.05)
	s.visits = append(s.visits, v)
}

// single makes one visit the only one of its colours, or, for a target that
// does not exist, none, and returns that visit with its colours.
func (s *schedule) single(k *kit, kind string) visit {
	special := visit{block: 0, dot: 0}
	if kind != greyGrey {
		for special.block == 0 && special.dot == 0 {
			special.block, special.dot = k.rng.IntN(len(blockPaints)), k.rng.IntN(len(dotPaints))
		}
	}
	for i := range s.visits {
		if s.visits[i].colours() == special.colours() {
			s.visits[i].dot = (s.visits[i].dot + 1 + k.rng.IntN(len(dotPaints)-1)) % len(dotPaints)
		}
	}
	if kind == adversarial {
		return special
	}
	i := k.rng.IntN(len(s.visits))
	s.visits[i].block, s.visits[i].dot = special.block, special.dot
	return s.visits[i]
}

// scheduleSurface paints the grid, the header, the gutters and the bars.
func (k *kit) scheduleSurface(out *scene, d *schedule) {
	k.fill(k.img.Rect, k.window)
	k.fill(scheduleGrid, k.theme.field)
	k.scheduleLines()
	out.elements = append(out.elements, scheduleArea)
	read := make([]string, scheduleColumns)
	for i, name := range d.columns {
		b := slotBox(i, 0, 1)
		head := image.Rect(b.Min.X, 0, b.Max.X, 27)
		tint := mix(k.window, []color.RGBA{hex(0x7fb2e5), hex(0x8fd19e), hex(0xf0b37e), hex(0xcba6e8), hex(0xe89aa6), hex(0x86d0cf)}[i%6], 150)
		k.gradient(head, mix(tint, hex(0xffffff), 70), tint)
		k.frame(head, mix(tint, hex(0), 70))
		read[i] = k.put(inset(head, 3, 2), name, k.strong(0), hex(0x1c2126), middle)
	}
	from := k.rng.IntN(scheduleColumns - 4)
	to := from + between(k.rng, 2, 4)
	out.regions = append(out.regions, region{
		"ocr-line", image.Rect(slotBox(from, 0, 1).Min.X, 0, slotBox(to-1, 0, 1).Max.X, 27), strings.Join(read[from:to], "\t"),
	})
	k.gutters(out, d)
	k.scrollbar(rect(1634-13, 27, 17, 859), 200, 760)
	k.scrollbar(rect(45, 890, 1542, 17), 0, 620)
	k.put(rect(8, 910, 900, 16), day(k.rng).Format("Monday, January 2, 2006")+"     "+pick(k.rng, []string{"All rooms", "Week plan", "Main site"}), k.regular(0), k.ink, left)
}

// scheduleLines paints the slots.
func (k *kit) scheduleLines() {
	for i := range scheduleSlots {
		b := slotBox(0, i, 1)
		line := mix(k.li, k.theme.field, 120)
		if i%6 == 0 {
			line = k.edge
		}
		k.fill(rect(scheduleGrid.Min.X, b.Min.Y, scheduleGrid.Dx(), 1), line)
	}
	for c := range scheduleColumns {
		b := slotBox(c, 0, scheduleSlots)
		k.fill(rect(b.Min.X, b.Min.Y, 1, b.Dy()), k.edge)
		if c%5 == 4 {
			k.veil(image.Rect(b.Min.X+1, b.Min.Y, b.Max.X, b.Min.Y+b.Dy()/9), k.faint, 50)
		}
	}
	k.frame(scheduleGrid, k.edge)
}

// gutters paints the times at both sides. Every slot has one; the full hours
// are bold.
func (k *kit) gutters(out *scene, d *schedule) {
	for i := range scheduleSlots {
		b := slotBox(0, i, 1)
		l := lettering{k.family.regular, 9}
		ink := k.faint
		text := strings.TrimSuffix(strings.TrimSuffix(d.time(i), " AM"), " PM")
		if strings.HasSuffix(text, ":00") {
			l.face, ink, text = k.family.bold, k.ink, d.time(i)
		}
		k.label(image.Rect(1, b.Min.Y, 43, b.Max.Y), text, l, ink, right)
		k.label(image.Rect(1589, b.Min.Y, 1620, b.Max.Y), strings.Fields(text)[0], l, ink, left)
	}
	from := k.rng.IntN(scheduleSlots - 8)
	var lines []string
	for i := from; i < from+6; i++ {
		text := d.time(i)
		if !strings.Contains(text, ":00") {
			text = strings.Fields(text)[0]
		}
		lines = append(lines, text)
	}
	out.regions = append(out.regions, region{"ocr-list", image.Rect(0, slotBox(0, from, 1).Min.Y, 45, slotBox(0, from+5, 1).Max.Y), strings.Join(lines, "\n")})
}

// visit paints a block.
func (k *kit) visit(out *scene, v visit) {
	b := v.box()
	face := hex(blockPaints[v.block].rgb)
	ink := hex(0x1c2126)
	k.fill(b, face)
	bar := []color.RGBA{hex(0x2b7bd6), hex(0x2f9e44), hex(0xb23b8c), hex(0xd07a1c), hex(0x5b5f66)}[(v.column+v.slot)%5]
	k.fill(rect(b.Min.X, b.Min.Y, 10, b.Dy()), bar)
	k.frame(b, mix(face, hex(0), 120))
	n := min(len(v.lines), (b.Dy()-3)/12)
	l := lettering{k.family.regular, min(k.size, 11)}
	read := make([]string, 0, 4)
	for i := range n {
		end := b.Max.X - 3
		if i == 0 {
			end -= 16
			l.face = k.family.bold
		}
		read = append(read, k.put(image.Rect(b.Min.X+13, b.Min.Y+2+12*i, end, b.Min.Y+14+12*i), v.lines[i], l, ink, left))
		l.face = k.family.regular
	}
	k.disc(b.Max.X-16, b.Min.Y+3, 13, mix(hex(dotPaints[v.dot].rgb), hex(0), 110))
	k.disc(b.Max.X-15, b.Min.Y+4, 11, hex(dotPaints[v.dot].rgb))
	if v.struck {
		k.line(float32(b.Min.X+10), float32(b.Min.Y), float32(b.Max.X), float32(b.Max.Y), 1.4, hex(0x9a1f1f))
		k.line(float32(b.Min.X+10), float32(b.Max.Y), float32(b.Max.X), float32(b.Min.Y), 1.4, hex(0x9a1f1f))
	} else {
		out.regions = append(out.regions, region{"ocr-block", b, strings.Join(read, "\n")})
	}
	out.elements = append(out.elements, element{"appointment", area, b, v.colours()})
}

// scheduleItems asks about the picture.
func (k *kit) scheduleItems(out *scene, d *schedule, task, kind string, special visit) {
	switch task {
	case "click-appointment", "hover-appointment":
		action := map[string]string{"click-appointment": "left_click", "hover-appointment": "mouse_move"}[task]
		block, dot := blockPaints[special.block].name, dotPaints[special.dot].name
		it := item{task: task, prompt: k.instruct(task, "colour", block, "status", dot), meta: map[string]any{"distribution": kind, "has_match": kind != adversarial, "element_label": block + " " + dot}}
		it.calls = k.absent("a " + block + " block with a " + dot + " dot")
		if kind != adversarial {
			it.calls, it.target = click(action), special.box()
		}
		out.ask(it)
	case "click-slot":
		for range 4 {
			k.slotItem(out, d)
		}
	default:
		k.moveItem(out)
	}
}

// slotItem asks for a slot that is free.
func (k *kit) slotItem(out *scene, d *schedule) {
	c, i := k.rng.IntN(scheduleColumns), k.rng.IntN(scheduleSlots)
	for d.taken[c][i] {
		c, i = k.rng.IntN(scheduleColumns), k.rng.IntN(scheduleSlots)
	}
	out.ask(item{
		task: "click-slot", prompt: k.instruct("click-slot", "time", d.time(i), "column", d.columns[c]), calls: click("double_click"),
		target: slotBox(c, i, 1), meta: map[string]any{"element_label": d.columns[c] + " " + d.time(i)},
	})
}

// moveItem asks to scroll in one of four directions.
func (k *kit) moveItem(out *scene) {
	way := pick(k.rng, []struct {
		name, action string
		pixels       int
	}{{"down", "scroll", 300}, {"up", "scroll", -300}, {"right", "hscroll", 300}, {"left", "hscroll", -300}})
	out.ask(item{
		task: "scroll-schedule", prompt: k.instruct("scroll-schedule", "direction", way.name), calls: scroll(way.action, way.pixels),
		target: scheduleGrid, tolerance: image.Pt(100, 6), meta: map[string]any{"scroll_pixels": way.pixels, "scroll_direction": way.name},
	})
}
