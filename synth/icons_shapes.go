package synth

import "strconv"

// The designs of the icons, each in a square of 48 units.

func drawFolder(p pen) {
	p.block(3, 9, 20, 10, 3, p.other)
	p.block(3, 13, 42, 28, 3, p.other)
	p.block(3, 17, 42, 24, 3, p.main)
	p.block(6, 20, 36, 2, 0, mix(p.main, white, 120))
}

func drawMail(p pen) {
	p.block(3, 9, 42, 30, 3, p.main)
	p.block(5, 11, 38, 26, 2, p.other)
	p.stroke(6, 13, 24, 27, 3, p.main)
	p.stroke(42, 13, 24, 27, 3, p.main)
}

func drawBin(p pen) {
	p.shape(p.main, 10, 15, 38, 15, 35, 44, 13, 44)
	p.block(7, 9, 34, 5, 2, p.other)
	p.block(18, 5, 12, 5, 2, p.other)
	for i := range 3 {
		x := float32(17 + 7*i)
		p.stroke(x, 19, x, 40, 2.5, mix(p.main, white, 150))
	}
}

func drawGlobe(p pen) {
	p.block(3, 3, 42, 42, 21, p.main)
	p.shape(p.other, 10, 14, 22, 8, 27, 16, 20, 24, 12, 24)
	p.shape(p.other, 25, 26, 38, 22, 40, 31, 31, 41, 26, 35)
	p.shape(p.other, 33, 9, 41, 16, 35, 18)
	p.block(12, 7, 12, 5, 2, mix(p.main, white, 90))
}

func drawKeypad(p pen) {
	p.block(8, 3, 32, 42, 4, p.main)
	p.block(12, 7, 24, 9, 1, hex(0xcfe3c8))
	for i := range 12 {
		col := ash
		if i%4 == 3 {
			col = p.other
		}
		p.block(12+6*(i%4)+i%4/2, 20+8*(i/4), 5, 5, 1, col)
	}
}

func drawNote(p pen) {
	p.block(8, 4, 32, 40, 1, p.main)
	p.shape(p.other, 40, 34, 30, 44, 30, 34)
	for i := range 4 {
		p.block(13, 12+7*i, 22-5*(i%2), 2, 0, p.other)
	}
}

func drawPlanner(p pen) {
	p.block(5, 7, 38, 37, 3, p.other)
	p.block(5, 7, 38, 11, 3, p.main)
	p.block(13, 3, 4, 8, 1, coal)
	p.block(31, 3, 4, 8, 1, coal)
	for i := range 12 {
		p.block(10+8*(i%4), 22+7*(i/4), 4, 4, 0, mix(p.other, coal, 110))
	}
}

func drawPicture(p pen) {
	p.block(3, 7, 42, 34, 2, white)
	p.block(6, 10, 36, 28, 0, p.main)
	p.block(31, 13, 7, 7, 4, hex(0xfff2a8))
	p.shape(p.other, 6, 38, 18, 21, 28, 34, 33, 28, 42, 38)
}

func drawMusic(p pen) {
	p.block(3, 3, 42, 42, 10, p.main)
	p.block(12, 29, 10, 8, 4, p.other)
	p.block(27, 26, 10, 8, 4, p.other)
	p.stroke(21, 33, 21, 14, 2.5, p.other)
	p.stroke(36, 30, 36, 11, 2.5, p.other)
	p.shape(p.other, 20, 13, 37, 9, 37, 14, 20, 18)
}

func drawGear(p pen) {
	p.block(20, 3, 8, 42, 1, p.main)
	p.block(3, 20, 42, 8, 1, p.main)
	p.stroke(10, 10, 38, 38, 8, p.main)
	p.stroke(38, 10, 10, 38, 8, p.main)
	p.block(9, 9, 30, 30, 15, p.main)
	p.block(17, 17, 14, 14, 7, p.other)
}

func drawPrinter(p pen) {
	p.block(12, 4, 24, 16, 1, p.other)
	p.block(4, 16, 40, 20, 3, p.main)
	p.block(12, 28, 24, 16, 1, p.other)
	p.block(16, 33, 16, 2, 0, p.main)
	p.block(16, 38, 12, 2, 0, p.main)
	p.block(37, 20, 4, 3, 1, hex(0x7ddc7a))
}

func drawMonitor(p pen) {
	p.block(3, 6, 42, 29, 3, p.main)
	p.block(6, 9, 36, 23, 1, p.other)
	p.shape(mix(p.other, white, 110), 6, 9, 28, 9, 14, 32, 6, 32)
	p.block(20, 35, 8, 5, 0, p.main)
	p.block(13, 40, 22, 3, 1, p.main)
}

func drawTooth(p pen) {
	p.block(3, 3, 42, 42, 8, p.main)
	p.block(12, 9, 13, 17, 6, p.other)
	p.block(23, 9, 13, 17, 6, p.other)
	p.block(15, 14, 18, 13, 2, p.other)
	p.shape(p.other, 13, 22, 23, 25, 20, 40, 16, 39)
	p.shape(p.other, 25, 25, 35, 22, 32, 39, 28, 40)
}

func drawSheet(p pen) {
	p.block(6, 3, 36, 42, 3, p.main)
	p.block(10, 8, 28, 32, 1, p.other)
	for i := range 4 {
		p.block(10, 14+7*i, 28, 1, 0, p.main)
	}
	p.block(18, 8, 1, 32, 0, p.main)
	p.block(29, 8, 1, 32, 0, p.main)
}

func drawDisk(p pen) {
	p.block(4, 12, 40, 26, 4, p.main)
	p.block(8, 15, 32, 12, 2, p.other)
	p.block(34, 30, 5, 5, 3, hex(0x7ddc7a))
	p.block(9, 31, 18, 3, 1, mix(p.main, coal, 110))
}

func drawScanner(p pen) {
	p.shape(mix(p.main, white, 120), 6, 22, 38, 5, 44, 9, 12, 26)
	p.block(4, 23, 40, 18, 3, p.main)
	p.block(8, 27, 32, 4, 1, p.other)
	p.block(9, 35, 12, 2, 0, ash)
}

func drawXray(p pen) {
	p.block(3, 6, 42, 36, 2, p.main)
	for i := range 4 {
		p.block(7+9*i, 11, 7, 13, 3, mix(p.main, p.other, 150+25*(i%3)))
		p.block(7+9*i, 26, 7, 12, 3, mix(p.main, p.other, 120+30*(i%2)))
	}
}

func drawBubble(p pen) {
	p.block(3, 6, 42, 30, 10, p.main)
	p.shape(p.main, 11, 32, 24, 34, 11, 45)
	for i := range 3 {
		p.block(12+9*i, 18, 6, 6, 3, p.other)
	}
}

func drawShield(p pen) {
	p.shape(p.main, 24, 3, 42, 9, 41, 24, 36, 36, 24, 45, 12, 36, 7, 24, 6, 9)
	p.stroke(15, 23, 22, 31, 5, p.other)
	p.stroke(21, 31, 34, 15, 5, p.other)
}

func drawBars(p pen) {
	p.block(3, 4, 42, 40, 3, mix(p.main, coal, 60))
	p.block(4, 5, 40, 38, 3, p.main)
	for i, h := range []int{12, 20, 16, 28} {
		p.block(9+8*i, 39-h, 6, h, 1, mix(p.other, hex(0xe98b3a), 80*i))
	}
}

func drawBook(p pen) {
	p.block(8, 3, 34, 42, 3, p.main)
	p.block(8, 3, 6, 42, 2, mix(p.main, coal, 120))
	p.block(22, 12, 12, 12, 6, p.other)
	p.block(18, 26, 20, 11, 5, p.other)
}

func drawClock(p pen) {
	p.block(3, 3, 42, 42, 21, p.other)
	p.block(6, 6, 36, 36, 18, p.main)
	p.stroke(24, 24, 24, 11, 3, p.other)
	p.stroke(24, 24, 33, 29, 3, p.other)
	p.block(22, 22, 4, 4, 2, hex(0xd8453b))
}

func drawHelp(p pen) {
	p.block(3, 3, 42, 42, 21, p.main)
	p.letter("?", p.other)
}

func drawFlask(p pen) {
	p.shape(p.main, 19, 4, 29, 4, 29, 18, 41, 40, 38, 45, 10, 45, 7, 40, 19, 18)
	p.shape(p.other, 15, 31, 33, 31, 38, 41, 10, 41)
	p.block(16, 3, 16, 4, 2, mix(p.main, coal, 90))
	p.block(20, 34, 4, 4, 2, p.main)
}

// clockText returns an hour and a minute as the screens write them.
func clockText(minutes int) string {
	h, half := minutes/60%24, "AM"
	if h >= 12 {
		half = "PM"
	}
	if h = h % 12; h == 0 {
		h = 12
	}
	m := strconv.Itoa(minutes % 60)
	if len(m) == 1 {
		m = "0" + m
	}
	return strconv.Itoa(h) + ":" + m + " " + half
}
