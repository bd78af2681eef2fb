package prompt

import (
	"slices"
	"strings"

	"mole/batch"
	"mole/vision"
)

// page is a conversation while it is rendered.
type page struct {
	renderer   *Renderer
	supervise  Supervise
	pieces     []piece
	supervised bool // whether pieces written now get labels
	answered   bool // whether there is an assistant message
	pictures   int  // images so far
	visionIDs  bool
}

// piece is one control token, or text that is none whatever it spells.
type piece struct {
	text       string
	control    bool
	id         int32           // of a control token
	image      *vision.Patches // what a placeholder stands for
	supervised bool
}

// plain writes text from outside.
func (p *page) plain(s string) {
	if s != "" {
		p.pieces = append(p.pieces, piece{text: s, supervised: p.supervised})
	}
}

// own writes text of the template or of the assistant, in which added tokens
// that are not special count.
func (p *page) own(s string) {
	for {
		before, id, after, found := p.renderer.tokenizer.Cut(s)
		p.plain(before)
		if !found {
			return
		}
		p.pieces = append(p.pieces, piece{
			text: s[len(before) : len(s)-len(after)], control: true, id: id, supervised: p.supervised,
		})
		s = after
	}
}

// control writes a control token of the template.
func (p *page) control(token string) {
	p.pieces = append(p.pieces, piece{text: token, control: true, id: p.renderer.ids[token], supervised: p.supervised})
}

// placeholder writes the control token that stands for an image.
func (p *page) placeholder(image *vision.Patches) {
	p.control(imagePad)
	p.pieces[len(p.pieces)-1].image = image
}

// example turns the pieces into tokens. Neighbouring texts are encoded as one,
// since tokens reach across; only where labels begin are they kept apart, which
// page.assistant makes sure is a border of tokens.
func (p *page) example() batch.Example {
	var e batch.Example
	for rest := p.pieces; len(rest) > 0; {
		first, n := rest[0], 1
		if first.control {
			e.Tokens = append(e.Tokens, p.controlIDs(first)...)
		} else {
			var text string
			text, n = joinText(rest)
			e.Tokens = append(e.Tokens, p.renderer.tokenizer.EncodeText(text)...)
		}
		if first.image != nil {
			e.Images = append(e.Images, first.image)
		}
		p.label(&e, first.supervised)
		rest = rest[n:]
	}
	return e
}

// joinText returns the text that pieces begin with and how many it takes: those
// up to a control token or to where labels begin or end.
func joinText(pieces []piece) (string, int) {
	var b strings.Builder
	for i, s := range pieces {
		if s.control || s.supervised != pieces[0].supervised {
			return b.String(), i
		}
		b.WriteString(s.text)
	}
	return b.String(), len(pieces)
}

// controlIDs returns the id of a control token, for a placeholder once for
// every token of the image.
func (p *page) controlIDs(s piece) []int32 {
	n := 1
	if s.image != nil {
		n = s.image.Grid.Tokens(p.renderer.merge)
	}
	return slices.Repeat([]int32{s.id}, n)
}

// label gives labels to the tokens that have none yet.
func (p *page) label(e *batch.Example, supervised bool) {
	if p.supervise == None {
		return
	}
	for _, id := range e.Tokens[len(e.Labels):] {
		if !supervised {
			id = batch.Ignore
		}
		e.Labels = append(e.Labels, id)
	}
}
