package synth

import "image"

// minSide is the smallest side that scaling leaves.
const minSide = 64

// scaleDown makes a picture smaller by a factor, 0 for as small as may be. No
// side gets below minSide; a picture that is smaller stays as it is.
func scaleDown(img *image.RGBA, f float64) *image.RGBA {
	b := img.Rect
	f = max(f, float64(minSide)/float64(min(b.Dx(), b.Dy())))
	if f >= 1 {
		return img
	}
	return average(img, int(float64(b.Dx())*f+0.5), int(float64(b.Dy())*f+0.5))
}

// average shrinks a picture to w x h: each pixel is the mean of the area that
// it covers. A source pixel is w x h units large and a new one as many as the
// source has pixels, so the sums are whole numbers; they fit, as a picture has
// fewer than 2^24 pixels.
func average(img *image.RGBA, w, h int) *image.RGBA {
	out := image.NewRGBA(image.Rect(0, 0, w, h))
	sw, sh := uint32(img.Rect.Dx()), uint32(img.Rect.Dy())
	row, sum := make([]uint32, 3*w), make([]uint32, 3*w)
	left, j := sh, 0
	for y := range int(sh) {
		averageRow(row, img.Pix[y*img.Stride:][:4*sw], sw, uint32(w))
		part := min(uint32(h), left)
		addRow(sum, row, part)
		if left -= part; left > 0 {
			continue
		}
		emitRow(out.Pix[j*out.Stride:], sum, sw*sh)
		clear(sum)
		addRow(sum, row, uint32(h)-part)
		left, j = sh-(uint32(h)-part), j+1
	}
	return out
}

// averageRow sets row to the sums of a source row over the width of each of
// the w new pixels.
func averageRow(row []uint32, src []byte, sw, w uint32) {
	left, i := sw, 0
	var r, g, b uint32
	for at := 0; at < len(src); at += 4 {
		p := src[at : at+4 : at+4]
		part := min(w, left)
		r, g, b = r+part*uint32(p[0]), g+part*uint32(p[1]), b+part*uint32(p[2])
		if left -= part; left > 0 {
			continue
		}
		row[i], row[i+1], row[i+2] = r, g, b
		i += 3
		rest := w - part
		r, g, b = rest*uint32(p[0]), rest*uint32(p[1]), rest*uint32(p[2])
		left = sw - rest
	}
}

// addRow adds n times row to sum.
func addRow(sum, row []uint32, n uint32) {
	for i, v := range row {
		sum[i] += n * v
	}
}

// emitRow writes the means of a row of sums over an area.
func emitRow(dst []byte, sum []uint32, area uint32) {
	for i := 0; i < len(sum); i += 3 {
		p := dst[4*(i/3):][:4]
		p[0], p[1], p[2], p[3] = uint8((sum[i]+area/2)/area), uint8((sum[i+1]+area/2)/area), uint8((sum[i+2]+area/2)/area), 255
	}
}
