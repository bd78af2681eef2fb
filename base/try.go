package base

import (
	"time"

	"mole/batch"
	"mole/device"
	"mole/model/qwen3vl"
	"mole/vision"
)

// Trial says what a network did with one picture.
type Trial struct {
	Cells, Tokens       int           // of the picture, and of the whole question
	Build, First, Again time.Duration // of the network; of the first pass, and of a second one
}

// Question sizes: what a router sees of a picture unless it is told otherwise,
// and about as much text as it reads around it.
const (
	TrialCells = 256
	TrialText  = 200
)

// Try builds the network on a device and routes one grey picture with it, twice,
// as a router without adapter does: the tower, and the decoder up to the logits
// after the last token.
func (b *Base) Try(dev device.Accelerator) (*Trial, error) {
	start := time.Now()
	m, err := qwen3vl.New(dev, b.Config, b.Weights)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	tower, err := m.With(nil)
	if err != nil {
		return nil, err
	}
	defer tower.Close()
	decoder, err := m.With(nil)
	if err != nil {
		return nil, err
	}
	defer decoder.Close()
	t := &Trial{Cells: TrialCells, Build: time.Since(start)}
	for _, took := range []*time.Duration{&t.First, &t.Again} {
		start := time.Now()
		if t.Tokens, err = b.look(tower, decoder); err != nil {
			return nil, err
		}
		*took = time.Since(start)
	}
	return t, nil
}

// look runs a grey picture through the tower and then the decoder, and returns
// the tokens of the question.
func (b *Base) look(tower, decoder *qwen3vl.Net) (int, error) {
	const side = 16 // cells; its square is TrialCells
	merge := b.Config.Vision.Merge
	im := &vision.Patches{Grid: vision.Grid{T: 1, H: side * merge, W: side * merge}}
	im.Pixels = make([]float32, im.Grid.Patches()*b.Config.Vision.PatchWidth())
	features, err := tower.Encode([]*vision.Patches{im})
	if err != nil {
		return 0, err
	}
	im.Features = features[0]
	c := b.Config
	e := batch.Example{Images: []*vision.Patches{im}, Tokens: []int32{c.VisionStart}}
	for range TrialCells {
		e.Tokens = append(e.Tokens, c.ImageToken)
	}
	e.Tokens = append(e.Tokens, c.VisionEnd)
	for i := range TrialText {
		e.Tokens = append(e.Tokens, int32(i%100)) // what they say does not matter
	}
	packed, err := batch.Share(decoder.Layout(), []batch.Example{e})
	if err != nil {
		return 0, err
	}
	_, err = decoder.Outputs(packed, packed.Ends)
	return len(e.Tokens), err
}
