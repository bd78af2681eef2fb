package synth

import (
	"image"
	"slices"
	"strings"
)

// loginScreen is the log-on dialog of 13.6.
var loginScreen = screen{
	name: "login-window", size: image.Pt(502, 369), place: image.Pt(693, 314),
	tasks: []share{
		{"select-user", 0.60, map[string]float64{normal: 0.95, adversarial: 0.05}},
		{"enter-password", 0.20, nil},
		{"click-ok", 0.12, nil},
		{"click-exit", 0.08, nil},
	},
	draw:    drawLogin,
	layouts: []layout{{"login-window", loginLayout}},
}

var (
	loginList     = element{"user-list", area, rect(70, 62, 120, 291), ""}
	loginFilter   = element{"filter", field, rect(68, 40, 131, 14), ""}
	loginPassword = element{"password", field, rect(273, 61, 199, 16), ""}
	loginOK       = element{"ok", button, rect(419, 297, 66, 21), "OK"}
	loginExit     = element{"exit", button, rect(416, 332, 72, 26), "Exit"}

	loginControls = []element{loginList, loginFilter, loginPassword, loginOK, loginExit}
)

// loginRows is the number of visible users.
const loginRows = 22

// loginRow returns the box of the i-th visible user, 13.2 pixels high.
func loginRow(i int) image.Rectangle {
	b := loginList.box
	return image.Rect(b.Min.X, b.Min.Y+(i*132+5)/10, b.Max.X-8, b.Min.Y+((i+1)*132+5)/10)
}

// loginLayout returns what stands in the same place in every dialog.
func loginLayout() []element {
	return append(numbered("user", loginRows, loginRow), loginControls...)
}

// drawLogin draws a log-on dialog.
func drawLogin(k *kit, task string, odds map[string]float64) *scene {
	s := &scene{elements: slices.Clone(loginControls)}
	users := distinct(loginRows+k.rng.IntN(12), func() string { return k.pool.person(k.rng) })
	slices.Sort(users)
	first := k.start("", len(users), loginRows)
	shown := users[first : first+loginRows]
	selected := k.rng.IntN(loginRows)
	if task == "select-user" && chance(k.rng, 0.6) || task == "click-exit" && chance(k.rng, 0.5) {
		selected = -1
	}
	typed := 0
	if task == "click-ok" || task == "click-exit" && selected >= 0 {
		typed = between(k.rng, 6, 14)
	}
	k.loginSurface(typed, selected >= 0)
	k.loginUsers(s, shown, selected)
	k.scrollbar(image.Rect(loginList.box.Max.X-8, loginList.box.Min.Y, loginList.box.Max.X, loginList.box.Max.Y),
		first*1000/len(users), (first+loginRows)*1000/len(users))
	k.loginItems(s, task, shown, odds)
	return k.finish(s)
}

// loginSurface paints the dialog without its users.
func (k *kit) loginSurface(typed int, chosen bool) {
	k.windowFrame(k.img.Rect, "Sign in", 12)
	k.say(rect(20, 39, 46, 16), "Search", left)
	k.say(rect(20, 62, 46, 15), "User", left)
	k.say(rect(212, 61, 58, 16), "Password", left)
	hover := k.rng.IntN(6)
	k.draw(loginFilter, state{hover: hover == 0})
	password := loginPassword
	password.label = strings.Repeat("•", typed)
	k.draw(password, state{active: typed > 0 || chosen && chance(k.rng, 0.5), disabled: !chosen && k.look == flat})
	k.draw(element{"", check, rect(273, 84, 180, 16), "Keep me signed in"}, state{active: chance(k.rng, 0.4)})
	k.loginPanel(rect(212, 116, 272, 164))
	k.draw(loginOK, state{hover: hover == 1, disabled: typed == 0})
	k.draw(loginExit, state{hover: hover == 2})
	k.put(rect(212, 336, 190, 14), "Version "+digits(k.rng, 1)+"."+digits(k.rng, 1)+"."+digits(k.rng, 3), k.regular(-1), k.faint, left)
}

// loginPanel paints the picture of the program and the news of the day.
func (k *kit) loginPanel(r image.Rectangle) {
	k.well(r, k.theme.field, state{})
	head := rect(r.Min.X+2, r.Min.Y+2, r.Dx()-4, 62)
	k.across(head, k.titleLeft, k.titleRight)
	k.clipped(head, func() {
		x, y := float32(head.Min.X), float32(head.Max.Y)
		k.poly(mix(k.titleLeft, k.light, 60), x+90, y, x+190, y-50, x+290, y)
		k.poly(mix(k.titleRight, k.light, 90), x+150, y, x+250, y-34, x+330, y)
	})
	drawIcon(k.canvas, rect(head.Min.X+12, head.Min.Y+12, 38, 38), 12)
	k.label(rect(head.Min.X+62, head.Min.Y+12, 190, 20), "Practice Suite", lettering{k.family.bold, 17}, k.titleInk, left)
	k.label(rect(head.Min.X+62, head.Min.Y+34, 190, 14), "Scheduling, records and claims", lettering{k.family.regular, 11}, k.titleInk, left)
	lines := []string{"Server: SRV-" + digits(k.rng, 2), "Database: practice_" + digits(k.rng, 1), "Last backup: " + day(k.rng).Format(shortDate), "Licence: " + memberID(k.rng)}
	for i, line := range lines {
		k.put(rect(r.Min.X+14, head.Max.Y+10+19*i, r.Dx()-28, 16), line, k.regular(0), k.fieldInk, left)
	}
}

// loginUsers paints the list.
func (k *kit) loginUsers(s *scene, shown []string, selected int) {
	k.well(inset(loginList.box, -2, -2), k.theme.field, state{})
	l := k.regular(0)
	l.px = min(l.px, 11)
	read := make([]string, len(shown))
	for i, name := range shown {
		row, ink := loginRow(i), k.fieldInk
		if i == selected {
			k.fill(row, k.accent)
			ink = k.accentInk
		}
		read[i] = k.put(image.Rect(row.Min.X+3, row.Min.Y, row.Max.X-2, row.Max.Y), name, l, ink, left)
		s.elements = append(s.elements, element{"user", area, row, name})
	}
	from := k.rng.IntN(loginRows - 5)
	to := min(loginRows, from+between(k.rng, 5, 14))
	s.regions = append(s.regions, region{
		"ocr-list", image.Rectangle{loginRow(from).Min, loginRow(to - 1).Max}, strings.Join(read[from:to], "\n"),
	})
}

// loginItems asks about the picture.
func (k *kit) loginItems(s *scene, task string, shown []string, odds map[string]float64) {
	switch task {
	case "select-user":
		for i, name := range shown {
			s.ask(k.userItem(name, loginRow(i), shown, weighted(k.rng, []string{normal, adversarial}, odds)))
		}
	case "enter-password":
		text := pick(k.rng, []string{"Tulip", "Harbour", "Copper", "Winter", "Lantern", "Meadow"}) + digits(k.rng, 3) + pick(k.rng, []string{"!", "#", "?", ""})
		calls := append(click("left_click"), call{action: "type", text: text})
		s.ask(item{task: task, prompt: k.instruct(task, "text", text), calls: calls, target: loginPassword.box,
			meta: map[string]any{"field_name": "password"}})
	case "click-ok":
		s.ask(item{task: task, prompt: k.instruct(task), calls: click("left_click"), target: loginOK.box, meta: map[string]any{"element_label": "ok"}})
	default:
		s.ask(item{task: task, prompt: k.instruct(task), calls: click("left_click"), target: loginExit.box, meta: map[string]any{"element_label": "exit"}})
	}
}

// userItem asks for a user, or for one that does not exist.
func (k *kit) userItem(name string, row image.Rectangle, shown []string, kind string) item {
	it := item{task: "select-user", calls: click("left_click"), target: row}
	if kind == adversarial {
		for slices.Contains(shown, name) {
			name = k.pool.person(k.rng)
		}
		it.calls, it.target = k.absent("the user "+name), image.Rectangle{}
	}
	it.prompt = k.instruct("select-user", "name", name)
	it.meta = map[string]any{"element_label": name}
	return it
}
