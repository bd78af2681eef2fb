package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"

	"mole/base"
	"mole/evidence"
	"mole/expert"
	"mole/model/qwen3vl"
	"mole/router"
	"mole/view"
)

// The picture of a route decision.
const (
	routeWidth  = 288
	routeHeight = 224
)

// route measures decisions of a router on the embedded network: from a PNG file
// to probabilities, with an adapter that answers by label.
func (s *session) route(ctx context.Context) (err error) {
	d, err := s.open(s.all())
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }() // all work is done by then
	b, err := base.Open(ctx, base.Tiny)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	m := newMeter(d)
	r, err := s.router(m, b)
	if err != nil {
		return err
	}
	defer r.close()
	m.reset()
	if err = r.decide(ctx); err != nil {
		return err
	}
	a := m.arithmetic()
	o, err := s.beside(ctx, func() float64 {
		err = errors.Join(err, r.decide(ctx))
		return 1
	}, s.peak(d, a, 1))
	if err != nil {
		return err
	}
	name := fmt.Sprintf("route decision, embedded network, PNG %dx%d", routeWidth, routeHeight)
	s.report.add(name, s.all(), o, "1/s", 1, "arithmetic at the peak", nil)
	return nil
}

// routerBench is a router and a picture to route.
type routerBench struct {
	model   *qwen3vl.Model
	network *evidence.Network
	file    []byte
}

// router makes a router with a new adapter.
func (s *session) router(m *meter, b *base.Base) (*routerBench, error) {
	table, err := expert.NewTable([]expert.Expert{
		{Name: "calendar", Label: 0, Description: "a calendar"}, {Name: "claims", Label: 1, Description: "a claim form"},
		{Name: "login", Label: 2, Description: "a login window"}, {Name: "desktop", Label: 3, Description: "a desktop with icons"},
		{Name: "chart", Label: 4, Description: "a patient's chart"}, {Name: "table", Label: 5, Description: "rows and columns"},
		{Name: "ocr", Label: 6, Kind: expert.OCR, Description: "text"},
	})
	if err != nil {
		return nil, err
	}
	v, err := view.New(view.Options{Experts: table, Tokenizer: b.Tokenizer, Base: b.Digest, Vision: b.Vision, MaxTokens: 64})
	if err != nil {
		return nil, err
	}
	model, err := qwen3vl.New(m, b.Config, b.Weights)
	if err != nil {
		return nil, err
	}
	a, err := s.adapter(model, "text")
	if err != nil {
		return nil, err
	}
	r := &routerBench{model: model}
	if r.network, err = evidence.New(model, a, evidence.Options{View: v, Features: router.Pooled, Batch: 1}); err != nil {
		return nil, err
	}
	r.file, err = screen(routeWidth, routeHeight)
	return r, err
}

func (r *routerBench) close() {
	r.network.Close()
	r.model.Close()
}

// decide takes one decision.
func (r *routerBench) decide(ctx context.Context) error {
	im, patches, err := r.network.View.Look(r.file)
	if err != nil {
		return err
	}
	found, err := r.network.Gather(ctx, []*evidence.Picture{{Image: im, Patches: patches}})
	if err == nil {
		router.Softmax(found[0].Logits, found[0].Logits, 1)
	}
	return err
}

// screen returns the PNG file of a drawn screen: plain areas with lines of
// small marks, as text is.
func screen(width, height int) ([]byte, error) {
	im := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			i := im.PixOffset(x, y)
			shade := uint8(238)
			switch {
			case y%24 > 8 && y%24 < 18 && x%160 < 120 && (x*7+y*13+x*y)%5 < 2:
				shade = uint8(20 + x%40)
			case x/160%2 == 0:
				shade = uint8(200 + y/24%8*5)
			}
			im.Pix[i], im.Pix[i+1], im.Pix[i+2], im.Pix[i+3] = shade, shade, shade+uint8(x/200), 255
		}
	}
	var file bytes.Buffer
	err := png.Encode(&file, im)
	return file.Bytes(), err
}
