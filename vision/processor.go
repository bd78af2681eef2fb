package vision

import (
	"slices"
	"sync"
)

// Process decodes an image file, brings it to the size that o asks for, and
// cuts it into patches.
func Process(data []byte, d Decoding, o Options) (*Patches, error) {
	p := Processor{Decoding: d, Options: o}
	return p.Process(data)
}

// A Processor does what [Process] does with its settings, one file after the
// other, in memory that it keeps: for large pictures that is faster, because most
// of the time goes into fresh memory otherwise. Not for concurrent use.
type Processor struct {
	Decoding Decoding
	Options  Options

	patches *Patches
	band    []uint8 // resized rows of one row of blocks
}

// Process returns the patches of an image file. They are valid until the next
// call.
func (p *Processor) Process(data []byte) (*Patches, error) {
	im, free, err := decodePooled(data, p.Decoding)
	if err != nil {
		return nil, err
	}
	defer free()
	h, w, err := TargetSize(im.H, im.W, p.Options)
	if err != nil {
		return nil, err
	}
	var memory []float32
	if p.patches != nil {
		memory = p.patches.Pixels
	}
	p.patches = newPatches(w, h, p.Options, memory)
	p.cut(im, w, h)
	return p.patches, nil
}

// cut resizes and cuts one row of blocks after the other, while its pixels are
// in the cache.
func (p *Processor) cut(im *Image, w, h int) {
	c, s := newCutter(w, p.Options), newScaler(im, w, h, p.Options.Rule)
	n := p.Options.factor() * c.stride
	if len(p.band) < n+slack {
		p.band = make([]uint8, n+slack)
	}
	for rest := p.patches.Pixels; len(rest) > 0; {
		for y := 0; y < n; y += c.stride {
			s.next(p.band[y : y+c.stride])
		}
		rest = c.band(rest, p.band[:n+slack])
	}
}

// Read decodes an image file and brings it to the size that o asks for. The
// colours of the result are those before the resize.
func Read(data []byte, d Decoding, o Options) (*Image, error) {
	im, free, err := decodePooled(data, d)
	if err != nil {
		return nil, err
	}
	defer free()
	h, w, err := TargetSize(im.H, im.W, o)
	if err != nil {
		return nil, err
	}
	out := Resize(im, w, h, o.Rule)
	if out == im {
		out = &Image{W: w, H: h, RGB: slices.Clone(im.RGB)}
	}
	out.Colours = Colours(im)
	return out, nil
}

// pixelPool holds memory of decoded pictures, *[]uint8.
var pixelPool sync.Pool

// maxPooled is the largest memory that is worth keeping: 16 million samples.
const maxPooled = 1 << 24

// decodePooled is Decode into memory that was in use before, if there is any. The
// function returned takes it back.
func decodePooled(data []byte, d Decoding) (*Image, func(), error) {
	if memory, ok := pixelPool.Get().(*[]uint8); ok {
		d.memory = *memory
	}
	im, err := Decode(data, d)
	if err != nil {
		return nil, nil, err
	}
	free := func() {
		if cap(im.RGB) <= maxPooled {
			pixelPool.Put(&im.RGB)
		}
	}
	return im, free, nil
}
