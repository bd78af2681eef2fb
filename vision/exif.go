package vision

import "encoding/binary"

// orientation returns the EXIF orientation, 1 to 8, from a TIFF block. Whatever
// is wrong with the block gives 1, upright: a camera's notes must not cost the
// picture.
func orientation(tiff []byte) int {
	if len(tiff) < 8 {
		return 1
	}
	var order binary.ByteOrder
	switch string(tiff[:4]) {
	case "II*\x00":
		order = binary.LittleEndian
	case "MM\x00*":
		order = binary.BigEndian
	default:
		return 1
	}
	at := int64(order.Uint32(tiff[4:]))
	if at+2 > int64(len(tiff)) {
		return 1
	}
	entries := tiff[at+2:]
	for range order.Uint16(tiff[at:]) {
		const size = 12
		if len(entries) < size {
			return 1
		}
		if order.Uint16(entries) == 0x0112 {
			return orientationValue(entries[:size], order)
		}
		entries = entries[size:]
	}
	return 1
}

// orientationValue reads the value of one directory entry: tag, type, count,
// value.
func orientationValue(entry []byte, order binary.ByteOrder) int {
	if order.Uint32(entry[4:]) != 1 {
		return 1
	}
	var v int64
	switch order.Uint16(entry[2:]) {
	case 1: // byte
		v = int64(entry[8])
	case 3: // short
		v = int64(order.Uint16(entry[8:]))
	case 4: // long
		v = int64(order.Uint32(entry[8:]))
	}
	if v < 1 || v > 8 {
		return 1
	}
	return int(v)
}

// orient returns the image upright, given its EXIF orientation. It is m itself
// if that is 1.
func (m *Image) orient(o int) *Image {
	if o == 1 {
		return m
	}
	// Pixel (x, y) of the result is pixel first + x·dx + y·dy of m, which
	// begins at one of the four corners and walks along rows or columns.
	first, dx, dy := 0, 1, m.W
	switch o {
	case 2, 3, 7, 8: // begins on the right
		first, dx = m.W-1, -1
	}
	switch o {
	case 3, 4, 6, 7: // begins at the bottom
		first, dy = first+m.W*(m.H-1), -m.W
	}
	w, h := m.W, m.H
	if o >= 5 { // a row of the result is a column of m
		w, h, dx, dy = h, w, dy, dx
	}
	out := newImage(w, h)
	for y := range h {
		row, at := out.row(y), first+y*dy
		for x := range w {
			copy(row[x*channels:][:channels], m.RGB[at*channels:])
			at += dx
		}
	}
	return out
}
