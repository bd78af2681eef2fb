package synth

import (
	"fmt"
	"image"
	"image/color"
	"slices"
	"strconv"
	"strings"
)

// chartScreen is the patient chart of 13.8.
var chartScreen = screen{
	name: "chart-screen", size: image.Pt(1152, 960), place: image.Pt(44, 56),
	tasks: []share{
		{"scroll-page-down", 0.125, nil},
		{"scroll-page-up", 0.125, nil},
		{"scroll-to-top", 0.05, nil},
		{"scroll-to-bottom", 0.05, nil},
		{"select-row", 0.30, map[string]float64{normal: 0.80, edgeCase: 0.15, adversarial: 0.05}},
		{"click-tooth", 0.15, nil},
		{"click-tab", 0.10, nil},
		{"click-button", 0.10, nil},
	},
	draw:    drawChart,
	layouts: []layout{{"chart-screen", chartLayout}},
}

var (
	chartTeeth   = rect(8, 90, 560, 190)
	chartSummary = rect(580, 90, 560, 190)
	chartHead    = rect(8, 300, 1111, 20)
	chartBody    = rect(8, 320, 1111, 580)
	chartNotes   = element{"notes-grid", area, chartBody, ""}
)

// chartTools are the buttons of the tool bar and of the lower bar.
var chartTools = []element{
	{"plan", button, rect(8, 28, 64, 24), "Plan"},
	{"exam", button, rect(76, 28, 64, 24), "Exam"},
	{"rx", button, rect(144, 28, 64, 24), "Rx"},
	{"lab", button, rect(212, 28, 64, 24), "Lab"},
	{"refer", button, rect(280, 28, 64, 24), "Refer"},
	{"forms", button, rect(348, 28, 64, 24), "Forms"},
	{"recall", button, rect(416, 28, 64, 24), "Recall"},
	{"find", button, rect(484, 28, 64, 24), "Find"},
	{"new-note", button, rect(8, 916, 120, 26), "New Note"},
	{"print", button, rect(136, 916, 96, 26), "Print"},
	{"close", button, rect(1048, 916, 96, 26), "Close"},
}

// chartTabs are the pages of the record.
var chartTabs = []element{
	{"notes", tab, rect(8, 60, 96, 22), "Notes"},
	{"treatment", tab, rect(104, 60, 96, 22), "Treatment"},
	{"perio", tab, rect(200, 60, 96, 22), "Perio"},
	{"images", tab, rect(296, 60, 96, 22), "Images"},
	{"documents", tab, rect(392, 60, 96, 22), "Documents"},
}

// chartColumns are those of the notes.
var chartColumns = []column{
	{0, "Date", false}, {80, "Time", false}, {136, "Tooth", false}, {180, "Surf", false}, {230, "Code", false}, {294, "Description", false},
	{624, "Status", false}, {694, "Provider", false}, {814, "Amount", true}, {894, "Note", false},
}

// toothBox returns the cell of tooth 1 to 32: the upper jaw from left to
// right, the lower one back.
func toothBox(n int) image.Rectangle {
	if n <= 16 {
		return rect(chartTeeth.Min.X+8+34*(n-1), chartTeeth.Min.Y+30, 34, 60)
	}
	return rect(chartTeeth.Min.X+8+34*(32-n), chartTeeth.Min.Y+94, 34, 60)
}

// chartLayout returns what stands in the same place in every record.
func chartLayout() []element {
	teeth := numbered("tooth", 32, func(i int) image.Rectangle { return toothBox(i + 1) })
	return slices.Concat(chartTabs, chartTools, teeth, []element{chartNotes})
}

// drawChart draws a patient's record.
func drawChart(k *kit, task string, odds map[string]float64) *scene {
	s := &scene{}
	patient := k.pool.person(k.rng)
	k.windowFrame(k.img.Rect, "Record  -  "+patient+"  -  "+memberID(k.rng), 12)
	k.fill(rect(1, 24, 1150, 32), mix(k.window, k.light, 90))
	k.fill(rect(1, 56, 1150, 1), k.edge)
	page := image.Rect(4, 82, 1148, 908)
	k.fill(page, k.window)
	k.frame(page, k.edge)
	active := k.rng.IntN(len(chartTabs))
	for i, e := range chartTabs {
		k.draw(e, state{active: i == active})
	}
	s.elements = append(s.elements, chartTabs...)
	k.controls(s, chartTools)
	k.teeth(s)
	k.summary(s, patient)
	t := k.newTable(table{head: chartHead, body: chartBody, columns: chartColumns, wrapped: 5, rows: k.chartRows(), selected: k.rng.IntN(60) - 20})
	t.offset = k.start(task, t.height(), chartBody.Dy())
	shown := k.drawTable(t)
	k.scrollbar(rect(1119, 300, 19, 600), t.offset*1000/t.height(), min(1000, (t.offset+chartBody.Dy())*1000/t.height()))
	s.elements = append(s.elements, chartNotes)
	s.regions = append(s.regions, k.textOf("ocr-grid", shown, 9)...)
	k.chartItems(s, t, shown, task, odds)
	return k.finish(s)
}

// chartRows draws 20 to 120 notes in the order of time, wide enough apart that
// the table does not fit.
func (k *kit) chartRows() [][]string {
	rows := make([][]string, between(k.rng, 42, 120))
	providers := distinct(3, func() string { return "Dr. " + k.pool.family(k.rng) })
	d := day(k.rng)
	for i := range rows {
		d = d.AddDate(0, 0, k.rng.IntN(30))
		text := pick(k.rng, procedures)
		if chance(k.rng, 0.3) {
			text += ". " + pick(k.rng, procedures) + ", to be seen again in " + strconv.Itoa(between(k.rng, 2, 12)) + " weeks"
		}
		rows[i] = []string{
			d.Format(shortDate), clockText(60*between(k.rng, 8, 17) + 10*k.rng.IntN(6)), pick(k.rng, []string{"", strconv.Itoa(between(k.rng, 1, 32))}),
			pick(k.rng, []string{"", "MO", "DO", "B", "MOD", "F"}), code(k.rng), text, pick(k.rng, []string{"Done", "Planned", "Exist", "Ref"}),
			pick(k.rng, providers), money(k.rng, 1500), pick(k.rng, []string{"", "", "Signed", "See picture", "Plan asked", "Patient agrees"}),
		}
	}
	return rows
}

// teeth paints the diagram.
func (k *kit) teeth(s *scene) {
	k.well(chartTeeth, k.theme.field, state{})
	k.put(rect(chartTeeth.Min.X+10, chartTeeth.Min.Y+8, 200, 16), "Upper right", k.regular(-1), k.faint, left)
	k.put(rect(chartTeeth.Max.X-210, chartTeeth.Min.Y+8, 200, 16), "Upper left", k.regular(-1), k.faint, right)
	k.put(rect(chartTeeth.Min.X+10, chartTeeth.Max.Y-26, 200, 16), "Lower right", k.regular(-1), k.faint, left)
	k.put(rect(chartTeeth.Max.X-210, chartTeeth.Max.Y-26, 200, 16), "Lower left", k.regular(-1), k.faint, right)
	selected := k.rng.IntN(48)
	for n := 1; n <= 32; n++ {
		box := toothBox(n)
		if n == selected {
			k.fill(box, mix(k.theme.field, k.accent, 120))
		}
		k.frame(box, k.li)
		k.tooth(box, n)
		s.elements = append(s.elements, element{"tooth", area, box, strconv.Itoa(n)})
	}
	k.fill(rect(centre(chartTeeth).X, chartTeeth.Min.Y+26, 1, 132), k.edge)
}

// tooth paints one tooth with its number: crown towards the middle of the
// mouth, roots away from it, and now and then a filling.
func (k *kit) tooth(box image.Rectangle, n int) {
	up := n <= 16
	place := (n - 1) % 16
	half := 7 + abs(2*place-15)/3 // the teeth are widest at the back
	body := mix(hex(0xf3ead6), k.theme.field, 20)
	c := centre(box)
	crown := image.Rect(c.X-half, c.Y-2, c.X+half, c.Y+15)
	x, y, tip := float32(c.X), float32(c.Y+3), float32(box.Min.Y+4)
	number := rect(box.Min.X, box.Max.Y-14, box.Dx(), 13)
	if !up {
		crown = image.Rect(c.X-half, c.Y-15, c.X+half, c.Y+2)
		y, tip = float32(c.Y-3), float32(box.Max.Y-4)
		number = rect(box.Min.X, box.Min.Y+1, box.Dx(), 13)
	}
	h := float32(half)
	edge := mix(hex(0xb59f78), k.theme.field, 30)
	if place >= 4 && place < 12 { // a front tooth has one root
		k.poly(edge, x-h+1, y, x+h-1, y, x, tip)
		k.poly(body, x-h+2.5, y, x+h-2.5, y, x, tip)
	} else {
		k.poly(edge, x-h, y, x-1, y, x-h/2, tip)
		k.poly(edge, x+h, y, x+1, y, x+h/2, tip)
		k.poly(body, x-h+1, y, x-2, y, x-h/2, tip)
		k.poly(body, x+h-1, y, x+2, y, x+h/2, tip)
	}
	k.outlined(crown, 5, edge, body)
	if chance(k.rng, 0.25) {
		col := pick(k.rng, []color.RGBA{hex(0x3c6fd0), hex(0xc8402f), hex(0x8b949e), hex(0xd8a92b)})
		k.round(inset(crown, half/2, 4), 3, col)
	}
	k.label(number, strconv.Itoa(n), lettering{k.family.regular, 9}, k.fieldInk, middle)
}

// abs returns |v|.
func abs(v int) int { return max(v, -v) }

// summary paints the patient's data.
func (k *kit) summary(s *scene, patient string) {
	k.well(chartSummary, k.theme.field, state{})
	pairs := [][2]string{
		{"Patient", patient}, {"Born", day(k.rng).AddDate(-between(k.rng, 8, 70), 0, 0).Format(shortDate)}, {"Telephone", phone(k.rng)},
		{"Provider", "Dr. " + k.pool.family(k.rng)}, {"Plan", planValue(k)}, {"Member", memberID(k.rng)}, {"Balance", money(k.rng, 2000)},
		{"Allergies", pick(k.rng, []string{"None known", "Latex", "Penicillin", "Pollen"})}, {"Last visit", day(k.rng).Format(shortDate)},
		{"Next visit", day(k.rng).Format(shortDate)}, {"Remark", pick(k.rng, procedures)},
	}
	lines := make([]string, len(pairs))
	for i, p := range pairs {
		row := rect(chartSummary.Min.X+2, chartSummary.Min.Y+10+15*i, chartSummary.Dx()-4, 15)
		if i%2 == 1 {
			k.fill(row, k.stripe)
		}
		name := k.put(rect(row.Min.X+8, row.Min.Y, 110, 15), p[0], k.strong(0), k.faint, left)
		lines[i] = name + "\t" + k.put(rect(row.Min.X+124, row.Min.Y, 420, 15), p[1], k.regular(0), k.fieldInk, left)
	}
	from := k.rng.IntN(5)
	to := between(k.rng, from+3, len(lines))
	s.regions = append(s.regions, region{
		"ocr-block", rect(chartSummary.Min.X+4, chartSummary.Min.Y+10+15*from, 330, 15*(to-from)), strings.Join(lines[from:to], "\n"),
	})
}

// chartItems asks about the picture.
func (k *kit) chartItems(s *scene, t *table, shown []shownRow, task string, odds map[string]float64) {
	switch task {
	case "select-row":
		for range 6 {
			k.rowItem(s, t, shown, weighted(k.rng, []string{normal, edgeCase, adversarial}, odds))
		}
	case "click-tooth":
		for _, n := range k.rng.Perm(32)[:8] {
			s.ask(item{task: task, prompt: k.instruct(task, "tooth", strconv.Itoa(n+1)), calls: click("left_click"),
				target: toothBox(n + 1), meta: map[string]any{"element_label": strconv.Itoa(n + 1)}})
		}
	case "click-tab":
		k.clickEach(s, task, chartTabs, tab)
	case "click-button":
		k.clickEach(s, task, chartTools, button)
	default:
		k.scrolls(s, task, chartBody)
	}
}

// rowItem asks for a row by date and code, which no two visible rows share. An
// edge case is a row that is cut off or has several lines.
func (k *kit) rowItem(s *scene, t *table, shown []shownRow, kind string) {
	name := func(i int) string { return t.rows[i][0] + " " + t.rows[i][4] }
	count := map[string]int{}
	for _, r := range shown {
		count[name(r.index)]++
	}
	var fitting []shownRow
	for _, r := range shown {
		edge := !r.whole || r.box.Dy() > 19
		if count[name(r.index)] == 1 && r.box.Dy() >= 6 && edge == (kind == edgeCase) {
			fitting = append(fitting, r)
		}
	}
	if len(fitting) == 0 {
		return
	}
	r := pick(k.rng, fitting)
	row := t.rows[r.index]
	it := item{task: "select-row", calls: click("left_click"), target: r.box}
	wanted := row[4]
	if kind == adversarial {
		codes := func() bool {
			return slices.ContainsFunc(shown, func(r shownRow) bool { return t.rows[r.index][4] == wanted })
		}
		for codes() {
			wanted = code(k.rng)
		}
		it.calls, it.target = k.absent(fmt.Sprintf("a row of %s with the code %s", row[0], wanted)), image.Rectangle{}
	}
	it.prompt = k.instruct("select-row", "date", row[0], "code", wanted)
	it.meta = map[string]any{"element_label": row[0] + " " + wanted}
	s.ask(it)
}
