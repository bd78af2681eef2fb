package synth

import (
	"image"
	"image/color"
	"strings"
)

// column is one column of a table, from x to the next column.
type column struct {
	x     int
	name  string
	right bool // aligned to the right, as money is
}

// table is a list with columns and rows of different heights. The columns'
// places are relative to the body.
type table struct {
	head, body image.Rectangle
	columns    []column
	wrapped    int // the column whose text goes over several lines
	rows       [][]string
	tops       []int // of the rows, and the end of the last
	offset     int   // pixels that are scrolled away
	selected   int   // row, or -1
}

// newTable lays out rows. A row is 13 pixels a line and 6 more.
func (k *kit) newTable(t table) *table {
	t.tops = make([]int, len(t.rows)+1)
	width := t.cell(t.wrapped, image.Rect(0, 0, t.body.Dx(), 0)).Dx()
	for i, row := range t.rows {
		t.tops[i+1] = t.tops[i] + 13*len(wrap(row[t.wrapped], k.regular(0), width)) + 6
	}
	return &t
}

// height returns the height of all rows together.
func (t *table) height() int { return t.tops[len(t.rows)] }

// row returns where a row stands, which may be outside of the body.
func (t *table) row(i int) image.Rectangle {
	y := t.body.Min.Y - t.offset
	return image.Rect(t.body.Min.X, y+t.tops[i], t.body.Max.X, y+t.tops[i+1])
}

// cell returns the part of a row's box where the text of a column stands.
func (t *table) cell(i int, row image.Rectangle) image.Rectangle {
	end := t.body.Dx()
	if i+1 < len(t.columns) {
		end = t.columns[i+1].x
	}
	return image.Rect(t.body.Min.X+t.columns[i].x+4, row.Min.Y, t.body.Min.X+end-3, row.Max.Y)
}

// shownRow is a row in the picture.
type shownRow struct {
	index int
	box   image.Rectangle // the visible part
	whole bool
	text  string // cells by tabs; a wrapped text is one line
}

// drawTable paints a table and returns its visible rows.
func (k *kit) drawTable(t *table) []shownRow {
	for i, c := range t.columns {
		box := t.cell(i, t.head)
		k.headCell(image.Rect(box.Min.X-4, t.head.Min.Y, box.Max.X+3, t.head.Max.Y), c.name)
	}
	k.fill(t.body, k.theme.field)
	var shown []shownRow
	k.clipped(t.body, func() {
		for i := range t.rows {
			if box := t.row(i); box.Overlaps(t.body) {
				visible := box.Intersect(t.body)
				shown = append(shown, shownRow{i, visible, visible == box, k.tableRow(t, i, box)})
			}
		}
		for _, c := range t.columns[1:] {
			k.fill(rect(t.body.Min.X+c.x-1, t.body.Min.Y, 1, t.body.Dy()), k.li)
		}
	})
	k.frame(t.body.Union(t.head).Inset(-1), k.edge)
	return shown
}

// tableRow paints a row and returns its text as it can be read.
func (k *kit) tableRow(t *table, i int, box image.Rectangle) string {
	ink := k.fieldInk
	switch {
	case i == t.selected:
		k.fill(box, k.accent)
		ink = k.accentInk
	case i%2 == 1:
		k.fill(box, k.stripe)
	}
	k.fill(rect(box.Min.X, box.Max.Y-1, box.Dx(), 1), k.li)
	read := make([]string, len(t.columns))
	for j, c := range t.columns {
		cell := t.cell(j, box)
		cell.Min.Y += 3
		cell.Max.Y = cell.Min.Y + 13
		if j == t.wrapped {
			read[j] = k.lines(cell, t.rows[i][j], k.regular(0), ink)
			continue
		}
		a := left
		if c.right {
			a = right
		}
		read[j] = k.cellText(cell, t.rows[i][j], ink, a)
	}
	return strings.Join(read, "\t")
}

// lines writes a wrapped text from a first line's box downwards, 13 pixels a
// line, and returns it.
func (k *kit) lines(first image.Rectangle, s string, l lettering, ink color.RGBA) string {
	parts := wrap(s, l, first.Dx())
	for i, part := range parts {
		parts[i] = k.put(first.Add(image.Pt(0, 13*i)), part, l, ink, left)
	}
	return strings.Join(parts, " ")
}

// textOf returns the rows that are fully visible as one region from the first
// to the last of a run of them.
func (k *kit) textOf(task string, shown []shownRow, most int) []region {
	var whole []shownRow
	for _, r := range shown {
		if r.whole {
			whole = append(whole, r)
		}
	}
	if len(whole) == 0 {
		return nil
	}
	from := k.rng.IntN(len(whole))
	to := min(len(whole), from+between(k.rng, 2, most))
	texts := make([]string, 0, most)
	for _, r := range whole[from:to] {
		texts = append(texts, r.text)
	}
	return []region{{task, whole[from].box.Union(whole[to-1].box), strings.Join(texts, "\n")}}
}
