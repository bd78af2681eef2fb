// Package routetest makes small real bundles for the tests of whatever opens,
// deploys or serves a router: three kinds of drawn screens, heads and
// calibrations fitted on features of the embedded network, and an adapter with
// random numbers.
package routetest

import (
	"bytes"
	"context"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"mole/base"
	"mole/bundle"
	"mole/device/cpu"
	"mole/eval"
	"mole/evidence"
	"mole/expert"
	"mole/lora"
	"mole/model/qwen3vl"
	"mole/router"
	"mole/view"
)

// Experts returns the table of the bundles: calendar 0, ocr 2, desktop 3.
func Experts() expert.Table {
	t, err := expert.NewTable([]expert.Expert{
		{Name: "calendar", Label: 0, Description: "a month of days"},
		{Name: "ocr", Label: 2, Kind: expert.OCR, Description: "a strip of text"},
		{Name: "desktop", Label: 3, Description: "icons on a background"},
	})
	if err != nil {
		panic(err) // the table is a constant
	}
	return t
}

// Classes is the number of kinds of screens that Picture draws for experts.
const Classes = 3

// Picture returns a PNG file with picture i of a kind of screen: those of the
// experts in the order of the table, and, from Classes on, one that none of
// them knows.
func Picture(class, i int) []byte {
	random := rand.New(rand.NewPCG(uint64(class), uint64(i)))
	im := image.NewRGBA(image.Rect(0, 0, 128, 96))
	grounds := []color.RGBA{{250, 250, 245, 255}, {255, 255, 255, 255}, {20, 60, 110, 255}, {180, 20, 160, 255}}
	fill(im, im.Rect, grounds[min(class, Classes)])
	content := []func(*image.RGBA, *rand.Rand){days, lines, icons, leaves}[min(class, Classes)]
	content(im, random)
	var file bytes.Buffer
	if err := png.Encode(&file, im); err != nil {
		panic(err) // memory takes all bytes
	}
	return file.Bytes()
}

// days draws a month.
func days(im *image.RGBA, random *rand.Rand) {
	for y := range 5 {
		for x := range 7 {
			fill(im, image.Rect(4+17*x, 6+18*y, 18+17*x, 20+18*y), grey(random, 170))
		}
	}
}

// lines draws a few lines of text.
func lines(im *image.RGBA, random *rand.Rand) {
	for y := range 3 {
		fill(im, image.Rect(10, 30+14*y, 40+random.IntN(80), 36+14*y), grey(random, 10))
	}
}

// icons draws icons at the left edge.
func icons(im *image.RGBA, random *rand.Rand) {
	for i := range 4 {
		fill(im, image.Rect(8, 6+22*i, 20+random.IntN(4), 18+22*i), color.RGBA{230, uint8(random.IntN(255)), 60, 255})
	}
}

// leaves draws what no expert knows.
func leaves(im *image.RGBA, random *rand.Rand) {
	for range 40 {
		at := image.Pt(random.IntN(120), random.IntN(90))
		fill(im, image.Rectangle{Min: at, Max: at.Add(image.Pt(9, 9))}, color.RGBA{0, uint8(random.IntN(255)), 0, 255})
	}
}

func grey(random *rand.Rand, from int) color.RGBA {
	v := uint8(from + random.IntN(60))
	return color.RGBA{v, v, v, 255}
}

func fill(im *image.RGBA, r image.Rectangle, c color.RGBA) {
	draw.Draw(im, r, image.NewUniform(c), image.Point{}, draw.Src)
}

// Bundle returns a bundle that routes by a rung. The parts are made once for a
// test binary; the caller may change the Bundle itself.
func Bundle(tb testing.TB, rung router.Rung) *bundle.Bundle {
	tb.Helper()
	b, err := made()
	if err != nil {
		tb.Fatal(err)
	}
	own := *b
	own.Rung = rung
	own.Report = Report(tb, &own, 95, 100)
	return &own
}

// Write returns the folder of a bundle.
func Write(tb testing.TB, b *bundle.Bundle) string {
	tb.Helper()
	dir := tb.TempDir()
	if err := b.Write(dir); err != nil {
		tb.Fatal(err)
	}
	return dir
}

// Report returns a held-out report about b with that many right answers.
func Report(tb testing.TB, b *bundle.Bundle, right, total int) []byte {
	tb.Helper()
	var known []eval.Outcome
	for i := range total {
		e := b.Table[i%len(b.Table)]
		d := router.Decision{Expert: e.Name, Label: e.Label, Probs: make([]float64, len(b.Table)), Confidence: 1}
		if i >= right {
			other := b.Table[(i+1)%len(b.Table)]
			d.Expert, d.Label = other.Name, other.Label
			d.Probs[(i+1)%len(b.Table)] = 1
		} else {
			d.Probs[i%len(b.Table)] = 1
		}
		known = append(known, eval.Outcome{Expected: e.Name, Decision: d})
	}
	m, err := eval.Measure(b.Table, known, nil)
	if err != nil {
		tb.Fatal(err)
	}
	run := eval.Run{RunName: b.Run, DatasetName: b.Dataset, EvalMode: "test", Split: "test", SeenInTraining: "none", Rung: b.Rung, Spec: b.Spec}
	text, err := eval.NewReport(run, b.Table, m, known, nil, nil, nil).JSON()
	if err != nil {
		tb.Fatal(err)
	}
	return text
}

// made makes the parts.
var made = sync.OnceValues(func() (*bundle.Bundle, error) {
	ctx := context.Background()
	n, err := base.Open(ctx, "")
	if err != nil {
		return nil, err
	}
	dev, err := cpu.Open(cpu.Options{})
	if err != nil {
		return nil, err
	}
	m, err := qwen3vl.New(dev, n.Config, n.Weights)
	if err != nil {
		return nil, err
	}
	v, err := view.New(view.Options{Experts: Experts(), Tokenizer: n.Tokenizer, Base: n.Digest, Vision: n.Vision, MaxTokens: 16})
	if err != nil {
		return nil, err
	}
	b := &bundle.Bundle{Table: Experts(), Calibrations: map[router.Rung]*router.Calibration{}}
	b.Meta = bundle.Meta{
		Version: bundle.Version, Run: "run-1", Dataset: "routing_20260105_110000", Created: time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC).Format(time.RFC3339),
		Rung: router.Linear, Features: router.PooledColour, Base: base.Tiny, Preset: "text", Experts: bundle.ExpertsOf(Experts()), Spec: v.Spec,
	}
	return b, fit(ctx, b, m, v)
})

// fit makes adapter, heads and calibrations.
func fit(ctx context.Context, b *bundle.Bundle, m *qwen3vl.Model, v *view.View) error {
	targets, err := lora.Preset("text")
	if err != nil {
		return err
	}
	adapter, err := lora.New(lora.Config{Rank: 2, Alpha: 4, Targets: targets, BaseModel: base.Tiny}, m.Sites(), 1)
	if err != nil {
		return err
	}
	if b.Config, b.Weights, err = adapter.Encode(); err != nil {
		return err
	}
	net, err := evidence.New(m, adapter, evidence.Options{View: v, Features: b.Features})
	if err != nil {
		return err
	}
	known, err := gather(ctx, net, 0, 8)
	if err != nil {
		return err
	}
	val, err := gather(ctx, net, 8, 14)
	if err != nil {
		return err
	}
	return fitRungs(b, known, val)
}

// fitRungs makes heads and calibrations.
func fitRungs(b *bundle.Bundle, known, val []router.Known) (err error) {
	if b.Linear, err = router.FitLinear(b.Table, b.Features, vectors(known), vectors(val)); err != nil {
		return err
	}
	if b.Prototype, err = router.FitPrototype(b.Table, b.Features, vectors(known)); err != nil {
		return err
	}
	for _, r := range router.Rungs() {
		if b.Calibrations[r], err = router.Calibrate(b.Table, r, b.Features, scored(b, r, known), scored(b, r, val), router.Options{}); err != nil {
			return err
		}
	}
	return nil
}

// gather returns the evidence about some pictures of each expert.
func gather(ctx context.Context, net *evidence.Network, from, to int) ([]router.Known, error) {
	var out []router.Known
	for class := range Classes {
		for i := from; i < to; i++ {
			im, patches, err := net.View.Look(Picture(class, i))
			if err != nil {
				return nil, err
			}
			e, err := net.Gather(ctx, []*evidence.Picture{{Image: im, Patches: patches}})
			if err != nil {
				return nil, err
			}
			out = append(out, router.Known{Evidence: e[0], Class: class})
		}
	}
	return out, nil
}

func vectors(known []router.Known) router.Examples {
	var x router.Examples
	for _, k := range known {
		x.X, x.Class = append(x.X, k.Pooled), append(x.Class, k.Class)
	}
	return x
}

// scored returns known pictures with the logits of a rung. A picture that has
// none fails in Calibrate.
func scored(b *bundle.Bundle, r router.Rung, known []router.Known) []router.Known {
	out := append([]router.Known(nil), known...)
	for i := range out {
		out[i].Logits, _ = b.Logits(r, known[i].Evidence)
		if r != router.LoRA {
			out[i].Hidden = nil
		}
	}
	return out
}
