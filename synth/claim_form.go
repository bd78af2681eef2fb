package synth

import (
	"image"
	"strings"
)

// claimValue draws what stands in a field of the form.
type claimValue func(k *kit) string

func dateValue(k *kit) string { return day(k.rng).Format(shortDate) }
func optional(k *kit) string  { return pick(k.rng, []string{"", "", day(k.rng).Format(shortDate)}) }
func statusValue(k *kit) string {
	return pick(k.rng, []string{"Sent - Verified", "Waiting", "Received", "Hold"})
}
func typeValue(k *kit) string { return pick(k.rng, []string{"Primary", "Secondary", "Preauth"}) }
func kindValue(k *kit) string { return pick(k.rng, []string{"Dental", "Medical", "Institutional"}) }
func formValue(k *kit) string {
	return pick(k.rng, []string{"Default", "Standard 2019", "Standard 2024"})
}
func benefitValue(k *kit) string { return "Limit " + money(k.rng, 3000) }
func planValue(k *kit) string    { return k.pool.family(k.rng) + " Benefit Plan " + digits(k.rng, 2) }
func personValue(k *kit) string  { return k.pool.person(k.rng) }
func memberValue(k *kit) string  { return memberID(k.rng) }
func nothing(*kit) string        { return "" }

// claimFields are the labelled fields of the upper part.
var claimFields = []struct {
	label  string
	labelX int
	field  element
	value  claimValue
}{
	{"Claim Status", 8, element{"", dropdown, rect(110, 39, 150, 21), ""}, statusValue},
	{"Claim Type", 8, element{"", dropdown, rect(110, 60, 108, 21), ""}, typeValue},
	{"Date of Service", 8, element{"", field, rect(110, 82, 81, 18), ""}, dateValue},
	{"Date Orig Sent", 8, element{"", field, rect(110, 102, 81, 18), ""}, optional},
	{"Date Sent", 8, element{"", field, rect(110, 122, 81, 18), ""}, dateValue},
	{"Date Received", 8, element{"", field, rect(110, 142, 81, 18), ""}, optional},
	{"Kind", 272, element{"", dropdown, rect(350, 56, 126, 21), ""}, kindValue},
	{"Claim Form", 272, element{"", dropdown, rect(350, 77, 126, 21), ""}, formValue},
	{"Billing Prov", 272, element{"", area, rect(351, 98, 155, 21), ""}, nothing},
	{"Treating Prov", 272, element{"", area, rect(351, 119, 155, 21), ""}, nothing},
	{"Benefits", 272, element{"", field, rect(351, 140, 168, 18), ""}, benefitValue},
	{"Plan", 532, element{"", field, rect(580, 48, 210, 18), ""}, planValue},
	{"Holder", 532, element{"", field, rect(580, 67, 210, 18), ""}, personValue},
	{"Other", 532, element{"", field, rect(580, 131, 210, 18), ""}, nothing},
	{"ID", 532, element{"", field, rect(580, 151, 210, 18), ""}, memberValue},
}

// claimForm paints the upper part of the claim.
func (k *kit) claimForm(s *scene) {
	k.group(rect(526, 30, 272, 60), "Plan")
	k.group(rect(526, 92, 272, 84), "Other Coverage")
	k.group(rect(812, 34, 112, 145), "Enter Payment")
	k.claimNotes(rect(938, 34, 208, 145))
	var lines []string
	for _, f := range claimFields {
		box := f.field.box
		k.say(image.Rect(f.labelX, box.Min.Y, box.Min.X-4, box.Max.Y), f.label, left)
		e := f.field
		e.label = f.value(k)
		k.draw(e, state{})
		if box.Max.X < 262 {
			lines = append(lines, strings.TrimRight(f.label+"\t"+e.label, "\t"))
		}
	}
	s.regions = append(s.regions, region{"ocr-block", rect(4, 37, 258, 63), strings.Join(lines[:3], "\n")})
}

// claimNotes paints the notes beside the payment buttons.
func (k *kit) claimNotes(r image.Rectangle) {
	k.group(r, "Claim Note")
	in := image.Rect(r.Min.X+8, r.Min.Y+18, r.Max.X-8, r.Max.Y-8)
	k.well(in, k.theme.field, state{})
	note := pick(k.rng, []string{"", pick(k.rng, procedures) + ". Call plan about " + code(k.rng) + " before " + day(k.rng).Format(shortDate) + "."})
	k.lines(rect(in.Min.X+5, in.Min.Y+4, in.Dx()-10, 13), note, k.regular(0), k.fieldInk)
}

// claimPayments paints the payments and the frame of the finish buttons.
func (k *kit) claimPayments() {
	t := k.newTable(table{head: rect(0, 413, 570, 17), body: rect(0, 430, 570, 68), columns: []column{
		{0, "Pay Date", false}, {76, "Amount", true}, {150, "Check Num", false}, {240, "Bank", false}, {330, "Partial", false}, {390, "Note", false},
	}, wrapped: 5, selected: -1, rows: k.paymentRows()})
	k.drawTable(t)
	k.group(rect(588, 408, 160, 92), "Finish")
	k.say(rect(598, 450, 140, 16), "or close it alone", left)
	k.group(rect(760, 410, 384, 90), "Tracking")
	for i, name := range []string{"Current Status", "Clearing Ref"} {
		k.say(rect(772, 430+26*i, 90, 18), name, left)
		k.draw(element{"", field, rect(866, 430+26*i, 260, 19), pick(k.rng, []string{"", "REF" + digits(k.rng, 9), "Accepted " + day(k.rng).Format(shortDate)})}, state{})
	}
}

// paymentRows draws at most three payments.
func (k *kit) paymentRows() [][]string {
	rows := make([][]string, k.rng.IntN(4))
	for i := range rows {
		rows[i] = []string{day(k.rng).Format(shortDate), money(k.rng, 2000), digits(k.rng, 6), "Branch " + digits(k.rng, 2), pick(k.rng, []string{"", "X"}), pick(k.rng, []string{"", "Bulk check", "Card"})}
	}
	return rows
}

// claimPage paints the tabs and the page of the active one.
func (k *kit) claimPage(s *scene) {
	page := image.Rect(1, 520, 1150, 826)
	k.fill(page, k.window)
	k.frame(page, k.edge)
	active := k.rng.IntN(len(claimTabs))
	hover := k.rng.IntN(2 * len(claimTabs))
	for i, e := range claimTabs {
		k.draw(e, state{active: i == active, hover: i == hover})
	}
	s.elements = append(s.elements, claimTabs...)
	k.pageFields(rect(14, 532, 360, 136), pick(k.rng, []string{"Accident", "Referral", "Place of Treatment"}))
	k.pageFields(rect(388, 532, 360, 136), pick(k.rng, []string{"Orthodontics", "Prior Placement", "Ordering"}))
	k.pageFields(rect(762, 532, 372, 136), pick(k.rng, []string{"Attachments Held", "Subscriber", "Reference"}))
	box := rect(14, 682, 734, 134)
	k.group(box, "Remarks for the Plan")
	in := image.Rect(box.Min.X+10, box.Min.Y+20, box.Max.X-10, box.Max.Y-10)
	k.well(in, k.theme.field, state{})
	words := pick(k.rng, procedures) + "; " + pick(k.rng, procedures) + ". Reference " + memberID(k.rng) + ", telephone " + phone(k.rng) + ", seen on " + day(k.rng).Format(shortDate) + "."
	text := k.lines(rect(in.Min.X+6, in.Min.Y+6, in.Dx()-12, 13), words, k.regular(0), k.fieldInk)
	s.regions = append(s.regions, region{"ocr-block", rect(in.Min.X+2, in.Min.Y+2, in.Dx()-4, 34), text})
	k.pageFields(rect(762, 682, 372, 134), "Totals by Plan")
}

// pageLabels are the rows of the groups on a page, with what they hold.
var pageLabels = []struct {
	label string
	kind  kind
	value claimValue
}{
	{"Date", field, dateValue}, {"Number", field, memberValue}, {"Related to", dropdown, relationValue}, {"Entered by", dropdown, personValue},
	{"State", dropdown, statusValue}, {"Months", field, numberValue}, {"Site", dropdown, siteValue}, {"Group", field, planValue},
}

func relationValue(k *kit) string {
	return pick(k.rng, []string{"Self", "Spouse", "Child", "Employment", "None"})
}
func numberValue(k *kit) string { return pick(k.rng, []string{"", "6", "12", "18", "24"}) }
func siteValue(k *kit) string   { return pick(k.rng, []string{"Office", "Clinic", "Home", "School"}) }

// pageFields paints a group with four rows of fields and boxes.
func (k *kit) pageFields(r image.Rectangle, name string) {
	k.group(r, name)
	for i := range 4 {
		f := pageLabels[(i*3+len(name))%len(pageLabels)]
		y := r.Min.Y + 20 + 27*i
		k.say(rect(r.Min.X+12, y, 84, 18), f.label, left)
		value := ""
		if chance(k.rng, 0.75) {
			value = f.value(k)
		}
		k.draw(element{"", f.kind, rect(r.Min.X+98, y, 148, 19), value}, state{})
		if i%2 == 0 {
			k.draw(element{"", check, rect(r.Min.X+262, y, 96, 18), pick(k.rng, []string{"On file", "Signed", "Sent", "Needed"})}, state{active: chance(k.rng, 0.5)})
		}
	}
}
