package synth

import (
	"fmt"
	"image"
	"slices"
	"strconv"
	"strings"
)

// claimScreen is the insurance claim of 13.4.
var claimScreen = screen{
	name: "claim-window", size: image.Pt(1155, 853), place: image.Pt(382, 81),
	tasks: []share{
		{"scroll-page-down", 0.10, nil},
		{"scroll-page-up", 0.10, nil},
		{"scroll-to-top", 0.025, nil},
		{"scroll-to-bottom", 0.025, nil},
		{"click-billing-provider", 0.10, nil},
		{"click-treating-provider", 0.10, nil},
		{"select-provider", 0.30, map[string]float64{normal: 0.95, adversarial: 0.05}},
		{"click-button", 0.12, nil},
		{"click-tab", 0.08, nil},
		{"verify-codes", 0, nil},
	},
	draw:    drawClaim,
	layouts: []layout{{"claim-window", claimLayout}, {"billing-provider-list", listLayout(0)}, {"treating-provider-list", listLayout(1)}},
}

var (
	claimBilling  = element{"billing-provider", dropdown, rect(351, 98, 155, 21), ""}
	claimTreating = element{"treating-provider", dropdown, rect(351, 119, 155, 21), ""}
	claimHead     = image.Rect(0, 184, 1130, 217)
	claimBody     = image.Rect(0, 217, 1130, 384)
	claimTable    = element{"procedures", area, claimBody, ""}
)

// The number of providers to choose from.
const (
	leastProviders = 6
	mostProviders  = 18
)

// claimControls are the buttons and tabs of the claim.
var claimControls = []element{
	{"resend", button, rect(194, 121, 51, 20), "Resend"},
	{"change", button, rect(659, 106, 64, 21), "Change"},
	{"none", button, rect(726, 106, 64, 21), "None"},
	{"by-total", button, rect(825, 52, 85, 23), "By Total"},
	{"by-procedure", button, rect(825, 78, 85, 23), "By Procedure"},
	{"supplemental", button, rect(825, 114, 85, 23), "Supplement"},
	{"split", button, rect(825, 152, 85, 23), "Split Claim"},
	{"view-era", button, rect(2, 389, 92, 22), "View ERA"},
	{"view-eob", button, rect(100, 389, 92, 22), "View EOB"},
	{"recalculate", button, rect(823, 386, 147, 22), "Recalculate Estimates"},
	{"batch", button, rect(598, 422, 130, 22), "Finish Batch"},
	{"this-claim", button, rect(598, 474, 130, 22), "Finish This Claim"},
	{"delete", button, rect(4, 830, 90, 23), "Delete"},
	{"label", button, rect(162, 830, 80, 23), "Label"},
	{"preview", button, rect(249, 830, 90, 23), "Preview"},
	{"print", button, rect(346, 830, 85, 23), "Print"},
	{"send", button, rect(502, 830, 85, 23), "Send"},
	{"history", button, rect(594, 830, 85, 23), "History"},
	{"ok", button, rect(955, 830, 74, 23), "OK"},
	{"cancel", button, rect(1036, 830, 74, 23), "Cancel"},
}

// claimTabs are the pages below the table.
var claimTabs = []element{
	{"general", tab, rect(2, 503, 54, 17), "General"},
	{"attachments", tab, rect(57, 503, 72, 17), "Attachments"},
	{"misc", tab, rect(130, 503, 34, 17), "Misc"},
	{"medical", tab, rect(165, 503, 50, 17), "Medical"},
	{"status-history", tab, rect(216, 503, 80, 17), "Status History"},
}

// claimColumns are those of the procedures.
var claimColumns = []column{
	{0, "#", false}, {27, "Date", false}, {93, "Prov", false}, {155, "Code", false}, {205, "Tth", false}, {230, "Description", false},
	{360, "Fee", true}, {422, "Billed", true}, {484, "Deduct", true}, {559, "Ins Est", true}, {621, "Ins Pay", true},
	{683, "Write-off", true}, {745, "Pat Resp", true}, {807, "Status", false}, {857, "Pmt", false}, {887, "Tracking", false}, {977, "Remarks", false},
}

// claim is the state of the screen.
type claim struct {
	grid      *table
	shown     []shownRow
	providers []string
	names     [2]string // billing, treating
	open      int       // field whose list is open, or -1
}

// claimLayout returns what stands in the same place in every claim.
func claimLayout() []element {
	return slices.Concat([]element{claimBilling, claimTreating, claimTable}, claimTabs, claimControls)
}

// listLayout returns the layout of a claim whose list of providers is open:
// the field and its items, as the list covers other things and takes every
// click.
func listLayout(open int) func() []element {
	c := claim{open: open}
	return func() []element {
		return append([]element{c.field()}, numbered("provider", mostProviders, c.listBox)...)
	}
}

// drawClaim draws a claim.
func drawClaim(k *kit, task string, odds map[string]float64) *scene {
	s := &scene{}
	c := k.newClaim(task)
	k.windowFrame(k.img.Rect, "Edit Claim  -  CLM"+digits(k.rng, 8), 13)
	k.claimForm(s)
	billing, treating := claimBilling, claimTreating
	billing.label, treating.label = c.names[0], c.names[1]
	k.draw(billing, state{active: c.open == 0})
	k.draw(treating, state{active: c.open == 1})
	s.elements = append(s.elements, billing, treating)
	k.claimGrid(s, &c)
	k.claimPayments()
	k.claimPage(s)
	k.controls(s, claimControls)
	if c.open >= 0 {
		k.providerList(s, &c)
	}
	k.claimItems(s, &c, task, odds)
	return k.finish(s)
}

// newClaim draws a state in which the task can be asked.
func (k *kit) newClaim(task string) claim {
	c := claim{open: -1}
	if task == "select-provider" {
		c.open = k.rng.IntN(2)
	}
	c.providers = distinct(between(k.rng, leastProviders, mostProviders), func() string { return k.pool.family(k.rng) + ", " + given(k.rng)[:1] + "." })
	slices.Sort(c.providers)
	c.names = [2]string{pick(k.rng, c.providers), pick(k.rng, c.providers)}
	rows := k.claimRows(c.providers)
	for i := 1; i < len(rows) && task == "verify-codes"; i++ {
		if chance(k.rng, 0.5) {
			rows[i][3] = rows[i-1][3]
		}
	}
	c.grid = k.newTable(table{head: claimHead, body: claimBody, columns: claimColumns, wrapped: 5,
		rows: rows, selected: k.rng.IntN(30) - 10})
	c.grid.offset = k.start(task, c.grid.height(), claimBody.Dy())
	return c
}

// claimRows draws 15 to 28 procedures in the order of time.
func (k *kit) claimRows(providers []string) [][]string {
	rows := make([][]string, between(k.rng, 15, 28))
	d := day(k.rng)
	for i := range rows {
		d = d.AddDate(0, 0, k.rng.IntN(9))
		fee, pay, tooth := money(k.rng, 900), money(k.rng, 400), ""
		if chance(k.rng, 0.7) {
			tooth = strconv.Itoa(between(k.rng, 1, 32))
		}
		name := pick(k.rng, providers)
		rows[i] = []string{
			strconv.Itoa(i + 1), d.Format(shortDate), name[:min(4, len(name))] + digits(k.rng, 1), code(k.rng), tooth, pick(k.rng, procedures),
			fee, fee, money(k.rng, 60), money(k.rng, 400), pay, money(k.rng, 90), money(k.rng, 200),
			pick(k.rng, []string{"Recd", "Sent", "Wait", "Hold"}), pick(k.rng, []string{"", "X"}),
			pick(k.rng, []string{"", "TRK" + digits(k.rng, 7)}), pick(k.rng, claimRemarks),
		}
	}
	return rows
}

var claimRemarks = []string{"", "", "Paid in full", "Asked for X-ray", "Over limit", "Sent again", "Needs narrative", "Second notice"}

// claimGrid paints the procedures, their scroll bar and the totals.
func (k *kit) claimGrid(s *scene, c *claim) {
	c.shown = k.drawTable(c.grid)
	total := c.grid.height()
	k.scrollbar(rect(1130, 217, 19, 167), c.grid.offset*1000/total, min(1000, (c.grid.offset+claimBody.Dy())*1000/total))
	s.elements = append(s.elements, claimTable)
	s.regions = append(s.regions, k.textOf("ocr-grid", c.shown, 7)...)
	words := []string{"Totals", "Fee " + money(k.rng, 9000), "Billed " + money(k.rng, 9000), "Ins Est " + money(k.rng, 5000), "Pat Resp " + money(k.rng, 2000)}
	read := make([]string, len(words))
	for i, w := range words {
		read[i] = k.put(rect(230+118*i, 390, 112, 16), w, k.strong(0), k.ink, left)
	}
	s.regions = append(s.regions, region{"ocr-line", rect(226, 387, 590, 22), strings.Join(read, "\t")})
}

// field returns the field whose list is open.
func (c *claim) field() element { return []element{claimBilling, claimTreating}[c.open] }

// listBox returns the box of item i of the open list.
func (c *claim) listBox(i int) image.Rectangle {
	f := c.field().box
	return rect(f.Min.X+1, f.Max.Y+1+16*i, 148, 16)
}

// providerList paints the open list over whatever is below it.
func (k *kit) providerList(s *scene, c *claim) {
	all := c.listBox(0).Union(c.listBox(len(c.providers) - 1)).Inset(-1)
	k.shadow(all, 6)
	k.fill(all, k.theme.field)
	k.frame(all, k.edge)
	s.regions = untouched(s.regions, all.Inset(-8))
	read := make([]string, len(c.providers))
	hover := k.rng.IntN(len(c.providers))
	for i, name := range c.providers {
		box, ink := c.listBox(i), k.fieldInk
		if i == hover {
			k.fill(box, k.accent)
			ink = k.accentInk
		}
		read[i] = k.put(inset(box, 4, 0), name, k.regular(0), ink, left)
		s.elements = append(s.elements, element{"provider", area, box, name})
	}
	s.regions = append(s.regions, region{"ocr-list", all, strings.Join(read, "\n")})
}

// claimItems asks about the picture.
func (k *kit) claimItems(s *scene, c *claim, task string, odds map[string]float64) {
	switch task {
	case "click-billing-provider", "click-treating-provider":
		e := claimBilling
		if task == "click-treating-provider" {
			e = claimTreating
		}
		s.ask(item{task: task, prompt: k.instruct(task), calls: click("left_click"), target: e.box,
			meta: map[string]any{"field_name": e.name}})
	case "select-provider":
		for i, name := range c.providers {
			s.ask(k.providerItem(c, name, i, weighted(k.rng, []string{normal, adversarial}, odds)))
		}
	case "click-button":
		k.clickEach(s, task, claimControls, button)
	case "click-tab":
		k.clickEach(s, task, claimTabs, tab)
	case "verify-codes":
		k.verifyItem(s, c)
	default:
		k.scrolls(s, task, claimBody)
	}
}

// providerItem asks for an item of the open list, or for a missing one.
func (k *kit) providerItem(c *claim, name string, i int, kind string) item {
	it := item{task: "select-provider", calls: click("left_click"), target: c.listBox(i)}
	if kind == adversarial {
		for slices.Contains(c.providers, name) {
			name = k.pool.family(k.rng) + ", " + given(k.rng)[:1] + "."
		}
		it.calls, it.target = k.absent("the provider "+strings.TrimSuffix(name, ".")), image.Rectangle{}
	}
	which := []string{"billing", "treating"}[c.open]
	at := c.listBox(0).Min
	it.prompt = k.instruct("select-provider", "label", name, "field", which)
	it.meta = map[string]any{
		"field": which + "_provider", "dropdown_items": c.providers, "element_label": name,
		"dropdown_position": map[string]int{"x": at.X, "y": at.Y},
	}
	return it
}

// verifyItem asks to compare the codes of two visible rows.
func (k *kit) verifyItem(s *scene, c *claim) {
	var whole []int
	for _, r := range c.shown {
		if r.whole {
			whole = append(whole, r.index)
		}
	}
	if len(whole) < 2 {
		return
	}
	i := k.rng.IntN(len(whole) - 1)
	a, b := whole[i], whole[i+1]
	one := labelled{c.grid.cell(3, c.grid.row(a)), c.grid.rows[a][3]}
	two := labelled{c.grid.cell(3, c.grid.row(b)), c.grid.rows[b][3]}
	s.ask(item{
		task: "verify-codes", prompt: k.instruct("verify-codes", "a", fmt.Sprint(a+1), "b", fmt.Sprint(b+1)),
		calls: []call{{action: "text_verification", pair: []labelled{one, two}}},
		meta:  map[string]any{"expected_match": one.label == two.label, "region1_label": one.label, "region2_label": two.label},
	})
}
