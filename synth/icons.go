package synth

import (
	"image"
	"image/color"
)

// icon is a design drawn from shapes, and the names that programs with it
// have: the last one is kept for the tests.
type icon struct {
	names []string
	main  uint32
	other uint32
	draw  func(p pen)
}

// pen draws in a square of 48 units.
type pen struct {
	*canvas
	box         image.Rectangle
	main, other color.RGBA
}

// at scales a coordinate of the square of 48.
func (p pen) at(x, y float32) (float32, float32) {
	f := float32(p.box.Dx()) / 48
	return float32(p.box.Min.X) + float32(x*f), float32(p.box.Min.Y) + float32(y*f)
}

// block fills a rounded rectangle of the square of 48.
func (p pen) block(x, y, w, h, radius int, col color.RGBA) {
	n := p.box.Dx()
	x0, y0, x1, y1 := x*n/48, y*n/48, (x+w)*n/48, (y+h)*n/48
	p.round(image.Rect(x0, y0, max(x1, x0+1), max(y1, y0+1)).Add(p.box.Min), radius*n/48, col)
}

// shape fills a polygon of the square of 48.
func (p pen) shape(col color.RGBA, at ...float32) {
	out := make([]float32, len(at))
	for i := 0; i+1 < len(at); i += 2 {
		out[i], out[i+1] = p.at(at[i], at[i+1])
	}
	p.poly(col, out...)
}

// stroke draws a line of the square of 48.
func (p pen) stroke(x0, y0, x1, y1, w float32, col color.RGBA) {
	ax, ay := p.at(x0, y0)
	bx, by := p.at(x1, y1)
	p.line(ax, ay, bx, by, max(1, w*float32(p.box.Dx())/48), col)
}

// letter writes a capital into the middle of the square.
func (p pen) letter(s string, col color.RGBA) {
	p.label(p.box, s, lettering{libBold, max(8, p.box.Dy()*26/48)}, col, middle)
}

var white, ash, coal = hex(0xffffff), hex(0xd9dee4), hex(0x33383f)

// drawIcon paints a design into a square box.
func drawIcon(c *canvas, box image.Rectangle, i int) {
	d := icons[i%len(icons)]
	d.draw(pen{c, box, hex(d.main), hex(d.other)})
}

// icons are the designs of the programs.
var icons = []icon{
	{[]string{"Files", "Folders", "Archive", "Binders"}, 0xf2c14e, 0xd99a2b, drawFolder},
	{[]string{"Mail", "Letters", "Inbox", "Postbox"}, 0x3f7fd0, 0xe8eef6, drawMail},
	{[]string{"Recycle Bin", "Trash", "Waste", "Discarded"}, 0x8fa3b5, 0x5d7286, drawBin},
	{[]string{"Web", "Browser", "Internet", "World View"}, 0x2d8fcb, 0x9fd8a8, drawGlobe},
	{[]string{"Calculator", "Sums", "Adding", "Figures"}, 0x47535f, 0xe98b3a, drawKeypad},
	{[]string{"Notes", "Notepad", "Jotter", "Memo"}, 0xfbe88a, 0xd2b73e, drawNote},
	{[]string{"Planner", "Diary", "Agenda", "Dates"}, 0xd8453b, 0xf4f4f4, drawPlanner},
	{[]string{"Pictures", "Photos", "Gallery", "Snapshots"}, 0x59b0d8, 0x5da35a, drawPicture},
	{[]string{"Music", "Tunes", "Player", "Songs"}, 0x9b59b6, 0xf3e6fa, drawMusic},
	{[]string{"Settings", "Control", "Options", "Adjustments"}, 0x76818d, 0xdfe4e9, drawGear},
	{[]string{"Printers", "Print Queue", "Paper Out", "Hard Copy"}, 0x596673, 0xeef1f4, drawPrinter},
	{[]string{"Remote Link", "Terminal", "Far Screen", "Distant PC"}, 0x2c3e50, 0x4fc3f7, drawMonitor},
	{[]string{"Tooth Works", "Oral Suite", "Practice", "Molar Desk"}, 0x2aa39a, 0xffffff, drawTooth},
	{[]string{"Ledger", "Accounts", "Billing", "Bookkeeping"}, 0x3c8d4f, 0xe9f6ec, drawSheet},
	{[]string{"Backup", "Safe Copy", "Restore", "Second Copy"}, 0x607d8b, 0xb0d4e8, drawDisk},
	{[]string{"Scanner", "Scan Tray", "Page Reader", "Feeder"}, 0x6d7b8a, 0x7fe0a0, drawScanner},
	{[]string{"Imaging", "X-Ray View", "Sensor", "Radiograph"}, 0x1f2a36, 0x9fc6e8, drawXray},
	{[]string{"Messages", "Talk", "Chatter", "Whisper"}, 0x4caf72, 0xffffff, drawBubble},
	{[]string{"Shield", "Guard", "Protection", "Watchman"}, 0x2f6fb8, 0xf2c14e, drawShield},
	{[]string{"Reports", "Charts", "Statistics", "Overview"}, 0xf4f6f8, 0x3f7fd0, drawBars},
	{[]string{"Phone Book", "Contacts", "People", "Address List"}, 0xb5651d, 0xfff4e4, drawBook},
	{[]string{"Clock", "Time Sheet", "Hours", "Stopwatch"}, 0xf7f7f7, 0x37424d, drawClock},
	{[]string{"Help", "Manual", "Support", "First Aid"}, 0x2b7bd6, 0xffffff, drawHelp},
	{[]string{"Lab Orders", "Samples", "Lab Link", "Test Tubes"}, 0x6a5acd, 0xb9f0c8, drawFlask},
}

// iconName returns one of the names of a design that belong to the pool.
func (k *kit) iconName(i int) string {
	names := icons[i].names
	if k.pool == testPool {
		return names[len(names)-1]
	}
	return pick(k.rng, names[:len(names)-1])
}
