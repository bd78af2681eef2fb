package synth

import (
	"fmt"
	"image"
	"strconv"
	"strings"
	"time"
)

// calendarScreen is the month pop-up of 13.3.
var calendarScreen = screen{
	name: "calendar", size: image.Pt(224, 208), place: image.Pt(420, 180),
	tasks: []share{
		{"click-day", 0.7, map[string]float64{normal: 0.85, edgeCase: 0.10, adversarial: 0.05}},
		{"click-nav", 0.2, nil},
		{"click-today", 0.1, nil},
	},
	draw:    drawCalendar,
	layouts: []layout{{"calendar", calendarLayout}},
}

// shownDays is the number of cells of the grid of days: 6 weeks.
const shownDays = 42

// dayGrid is where they stand, 7 in a row.
var dayGrid = struct{ origin, pitch, cell image.Point }{image.Pt(2, 72), image.Pt(32, 15), image.Pt(24, 15)}

// calendarControls are the fourteen buttons.
var calendarControls = []element{
	{"year-back", arrow, rect(4, 34, 22, 14), "<<"},
	{"month-back", arrow, rect(28, 34, 22, 14), "<"},
	{"month-forward", arrow, rect(174, 34, 22, 14), ">"},
	{"year-forward", arrow, rect(198, 34, 22, 14), ">>"},
	{"m-back", button, rect(2, 188, 18, 16), "M"},
	{"w-back", button, rect(22, 188, 18, 16), "W"},
	{"day-back", arrow, rect(42, 188, 16, 16), "<"},
	{"today", button, rect(60, 188, 42, 16), "Today"},
	{"day-forward", arrow, rect(104, 188, 16, 16), ">"},
	{"w-forward", button, rect(122, 188, 18, 16), "W"},
	{"m-forward", button, rect(142, 188, 18, 16), "M"},
	{"m3", button, rect(162, 188, 18, 16), "3"},
	{"m4", button, rect(182, 188, 18, 16), "4"},
	{"m6", button, rect(202, 188, 18, 16), "6"},
}

// calendarLayout returns what stands in the same place in every month.
func calendarLayout() []element {
	return append(numbered("day", shownDays, dayBox), calendarControls...)
}

// effects are what the buttons do. The upper arrows turn the pages, the lower
// bar moves the selected day.
var effects = map[string]string{
	"year-back": "to the page of the previous year", "month-back": "to the page of the previous month",
	"month-forward": "to the page of the next month", "year-forward": "to the page of the next year",
	"m-back": "one month back with the lower bar", "w-back": "one week back", "day-back": "one day back",
	"today": "to today with the lower bar", "day-forward": "one day forward", "w-forward": "one week forward",
	"m-forward": "one month forward with the lower bar",
	"m3":        "three months ahead", "m4": "four months ahead", "m6": "six months ahead",
}

// month is the state of a calendar.
type month struct {
	first           time.Time // first cell of the grid, a Sunday
	shown           time.Time // first day of the month
	selected, today time.Time
}

// newMonth draws a state from the years 2020 to 2035.
func (k *kit) newMonth() month {
	shown := time.Date(between(k.rng, 2020, 2035), time.Month(between(k.rng, 1, 12)), 1, 0, 0, 0, 0, time.UTC)
	m := month{shown: shown, first: shown.AddDate(0, 0, -int(shown.Weekday()))}
	m.selected = shown.AddDate(0, 0, k.rng.IntN(daysOf(shown)))
	m.today = shown.AddDate(0, 0, k.rng.IntN(daysOf(shown)))
	if chance(k.rng, 0.3) {
		m.today = shown.AddDate(0, 0, between(k.rng, -60, 60))
	}
	return m
}

// daysOf returns the number of days of the month that begins at first.
func daysOf(first time.Time) int { return first.AddDate(0, 1, -1).Day() }

// cell returns the element of the i-th cell.
func (m month) cell(i int) element {
	return element{"day", area, dayBox(i), strconv.Itoa(m.day(i).Day())}
}

// dayBox returns where the i-th cell stands.
func dayBox(i int) image.Rectangle {
	at := image.Pt(i%7*dayGrid.pitch.X, i/7*dayGrid.pitch.Y).Add(dayGrid.origin)
	return image.Rectangle{at, at.Add(dayGrid.cell)}
}

// day returns the date of the i-th cell.
func (m month) day(i int) time.Time { return m.first.AddDate(0, 0, i) }

// drawCalendar draws a month.
func drawCalendar(k *kit, task string, odds map[string]float64) *scene {
	s := &scene{}
	k.size = min(k.size, 11)
	m := k.newMonth()
	k.calendarSurface(s, m)
	k.controls(s, calendarControls)
	for i := range shownDays {
		k.dayCell(m, i)
		s.elements = append(s.elements, m.cell(i))
	}
	k.calendarItems(s, m, task, odds)
	return k.finish(s)
}

// calendarSurface paints everything but the days and the buttons.
func (k *kit) calendarSurface(s *scene, m month) {
	all := k.img.Rect
	k.fill(all, k.theme.field)
	k.fill(rect(0, 0, 224, 53), k.window)
	k.across(rect(0, 0, 224, 20), k.titleLeft, k.titleRight)
	head := m.selected.Format("Monday January 2, 2006")
	k.label(rect(4, 2, 216, 17), head, k.strong(0), k.titleInk, left)
	k.put(rect(52, 33, 120, 16), m.shown.Format("January 2006"), k.strong(1), k.ink, middle)
	names := []string{"Su", "Mo", "Tu", "We", "Th", "Fr", "Sa"}
	for i, name := range names {
		k.put(rect(2+32*i, 56, 24, 13), name, k.strong(-1), k.faint, middle)
	}
	k.fill(rect(2, 70, 220, 1), k.edge)
	line := "Today: " + m.today.Format(shortDate)
	k.put(rect(50, 164, 130, 14), line, k.regular(0), k.fieldInk, middle)
	k.outlined(rect(30, 165, 16, 12), 2, hex(0xc8402f), k.theme.field)
	k.fill(rect(0, 183, 224, 25), k.window)
	k.fill(rect(0, 183, 224, 1), k.edge)
	k.frame(all, k.edge)
	s.regions = []region{
		{"ocr-line", rect(2, 1, 218, 18), head},
		{"ocr-line", rect(52, 163, 128, 17), line},
		{"ocr-line", rect(52, 32, 120, 17), m.shown.Format("January 2006")},
		{"ocr-block", rect(0, 54, 222, 16), strings.Join(names, "\t")},
	}
}

// dayCell paints one day.
func (k *kit) dayCell(m month, i int) {
	e, d := m.cell(i), m.day(i)
	ink := k.fieldInk
	switch {
	case d.Equal(m.selected):
		k.round(e.box, 2, k.accent)
		ink = k.accentInk
	case d.Month() != m.shown.Month():
		ink = mix(k.faint, k.theme.field, 70)
	}
	if d.Equal(m.today) {
		k.frame(e.box, hex(0xc8402f))
	}
	k.put(e.box, e.label, k.regular(0), ink, middle)
}

// calendarItems asks about the picture.
func (k *kit) calendarItems(s *scene, m month, task string, odds map[string]float64) {
	facts := func(name string, target time.Time) map[string]any {
		return map[string]any{
			"selected_date": m.selected.Format(time.DateOnly), "todays_date": m.today.Format(time.DateOnly),
			"target_date": target.Format(time.DateOnly), "element_label": name,
		}
	}
	if task == "click-day" {
		for range 6 {
			s.ask(k.dayItem(m, weighted(k.rng, []string{normal, edgeCase, adversarial}, odds), facts))
		}
		return
	}
	for _, e := range calendarControls {
		if (task == "click-today") != (e.name == "today") {
			continue
		}
		s.ask(item{
			task: task, prompt: k.instruct(task, "effect", effects[e.name]), calls: click("left_click"),
			target: e.box, meta: facts(e.name, m.selected),
		})
	}
}

// dayItem asks for a day of the month, a grey day, or a day that is not shown.
func (k *kit) dayItem(m month, kind string, facts func(string, time.Time) map[string]any) item {
	if kind == adversarial {
		target := m.first.AddDate(0, 0, 42+k.rng.IntN(200))
		return item{
			task: "click-day", prompt: k.instruct("click-day", "date", target.Format("January 2, 2006")),
			calls: k.absent(target.Format("January 2, 2006")), meta: facts("day", target),
		}
	}
	i := k.rng.IntN(42)
	for (m.day(i).Month() == m.shown.Month()) == (kind == edgeCase) {
		i = k.rng.IntN(42)
	}
	d := m.day(i)
	return item{
		task: "click-day", prompt: k.instruct("click-day", "date", k.sayDate(d, kind == edgeCase)),
		calls: click("left_click"), target: m.cell(i).box, meta: facts("day", d),
	}
}

// sayDate writes a date in one of the ways people do. A day of a neighbour
// month is named with its month.
func (k *kit) sayDate(d time.Time, grey bool) string {
	if grey {
		return pick(k.rng, []string{d.Format("January 2"), fmt.Sprintf("the %s of %s", ordinal(d.Day()), d.Month())})
	}
	return pick(k.rng, []string{
		d.Format("January 2"), d.Format("January 2, 2006"), d.Format(shortDate),
		fmt.Sprintf("the %s of %s", ordinal(d.Day()), d.Month()), d.Format("Monday, January 2"),
	})
}

// ordinal returns "1st", "2nd", ...
func ordinal(n int) string {
	suffix := "th"
	if n/10 != 1 {
		suffix = [10]string{"th", "st", "nd", "rd", "th", "th", "th", "th", "th", "th"}[n%10]
	}
	return strconv.Itoa(n) + suffix
}
