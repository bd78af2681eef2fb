package synth

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"math"
	"strings"

	"mole/dataset"
)

// ru maps a point of a picture to resolution units, each axis by itself,
// halves to even (4.1). It is the file's pixel that is mapped: a scaled picture
// has few, and a record must name one place, in pixels as in RU.
func (v view) ru(p image.Point) image.Point {
	unit := func(at, size int) int { return int(math.RoundToEven(float64(at) / float64(size) * 1000)) }
	at := v.real(p)
	return image.Pt(unit(at[0], v.scaled.X), unit(at[1], v.scaled.Y))
}

// place returns where a box of the scene stands in the picture before scaling.
func (v view) place(b image.Rectangle) image.Rectangle { return b.Add(v.offset) }

// real returns the pixel of the file for a pixel before scaling.
func (v view) real(p image.Point) []int {
	unit := func(at, from, to int) int {
		return min(to-1, int(math.RoundToEven(float64(at)*float64(to)/float64(from))))
	}
	return []int{unit(p.X, v.size.X, v.scaled.X), unit(p.Y, v.size.Y, v.scaled.Y)}
}

// The bounds of tolerances in RU: more than a quarter of the picture to each
// side would pass almost anything (5.14).
const (
	minTolerance = 4
	maxTolerance = 250
)

// tolerate returns the half-widths in RU of an item: 70 % of its element's size
// (13.2.3).
func (v view) tolerate(it item) []int {
	if it.target.Empty() {
		return []int{0, 0}
	}
	if it.tolerance != (image.Point{}) {
		return []int{it.tolerance.X, it.tolerance.Y}
	}
	side := func(n, size int) int {
		return max(minTolerance, min(maxTolerance, int(math.RoundToEven(float64(n)*700/float64(size)))))
	}
	return []int{side(it.target.Dx(), v.size.X), side(it.target.Dy(), v.size.Y)}
}

// toolCall writes an action in the form of 4.2.
func (v view) toolCall(it item, c call) dataset.ToolCall {
	if c.action == "text_verification" {
		return dataset.ToolCall{Name: c.action, Arguments: json.RawMessage(v.regions(c.pair))}
	}
	args := []string{`"action": ` + quote(c.action)}
	if c.points {
		box := c.box
		if box.Empty() {
			box = it.target
		}
		at := v.ru(centre(v.place(box)))
		args = append(args, fmt.Sprintf(`"coordinate": [%d, %d]`, at.X, at.Y))
	}
	if c.pixels != 0 {
		args = append(args, fmt.Sprintf(`"pixels": %d`, c.pixels))
	}
	if c.text != "" {
		args = append(args, `"text": `+quote(c.text))
	}
	if c.seconds != 0 {
		args = append(args, fmt.Sprintf(`"time": %d`, c.seconds))
	}
	return dataset.ToolCall{Name: "computer_use", Arguments: json.RawMessage("{" + strings.Join(args, ", ") + "}")}
}

// regions writes the two boxes of a text verification. Boxes are cut down to
// whole RU.
func (v view) regions(pair []labelled) string {
	parts := make([]string, len(pair))
	for i, p := range pair {
		b := boxRU(v.place(p.box), v.size)
		parts[i] = fmt.Sprintf(`{"bbox_2d": [%d, %d, %d, %d], "label": %s}`, b[0], b[1], b[2], b[3], quote(p.label))
	}
	return `{"regions": [` + strings.Join(parts, ", ") + "]}"
}

// boxRU maps a box in a picture of a size to resolution units, cut down to
// whole ones (4.1): left, top, right, bottom.
func boxRU(b image.Rectangle, size image.Point) [4]int {
	return [4]int{b.Min.X * 1000 / size.X, b.Min.Y * 1000 / size.Y, b.Max.X * 1000 / size.X, b.Max.Y * 1000 / size.Y}
}

// quote writes a JSON string without escaping what HTML would.
func quote(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string always encodes
	return strings.TrimSuffix(b.String(), "\n")
}

// answer writes all actions of an item as an answer of the model.
func (v view) answer(it item) string {
	blocks := make([]string, len(it.calls))
	for i, c := range it.calls {
		t := v.toolCall(it, c)
		blocks[i] = fmt.Sprintf("<tool_call>\n{\"name\": %s, \"arguments\": %s}\n</tool_call>", quote(t.Name), t.Arguments)
	}
	return strings.Join(blocks, "\n")
}

// metadata writes what a record says about an item.
func (v view) metadata(it item) (dataset.Metadata, error) {
	m := dataset.Metadata{
		TaskType: it.task, RealCoords: []int{0, 0}, Tolerance: v.tolerate(it),
		ImageSize: []int{v.scaled.X, v.scaled.Y}, Extra: map[string]json.RawMessage{},
	}
	if !it.target.Empty() && it.calls[0].points {
		m.RealCoords = v.real(centre(v.place(it.target)))
	}
	for key, value := range it.meta {
		data, err := json.Marshal(value)
		if err != nil {
			return m, fmt.Errorf("metadata %s of a %s record: %w", key, it.task, err)
		}
		m.Extra[key] = data
	}
	return m, nil
}

// train writes an item as a training record.
func (v view) train(it item, id, file string) (dataset.Record, error) {
	m, err := v.metadata(it)
	return dataset.Record{
		ID: id, Image: "images/" + file,
		Conversations: []dataset.Turn{{From: "human", Value: dataset.ImageMark + it.prompt}, {From: "gpt", Value: v.answer(it)}},
		Metadata:      m,
	}, err
}

// test writes an item as a test record. Actions after the first stand in the
// metadata. A tolerance that is not empty replaces that of a target.
func (v view) test(it item, i int, file string, tolerance []int) (dataset.Test, error) {
	m, err := v.metadata(it)
	if len(tolerance) > 0 && !it.target.Empty() {
		m.Tolerance = tolerance
	}
	t := dataset.Test{
		ID: fmt.Sprintf("test_%04d", i), Screenshot: "images/" + file, Prompt: it.prompt,
		ExpectedAction: v.toolCall(it, it.calls[0]), Tolerance: m.Tolerance, Metadata: m,
	}
	if err != nil || len(it.calls) < 2 {
		return t, err
	}
	all := make([]dataset.ToolCall, len(it.calls))
	for j, c := range it.calls {
		all[j] = v.toolCall(it, c)
	}
	t.Metadata.Extra["tool_calls"], err = json.Marshal(all)
	return t, err
}
