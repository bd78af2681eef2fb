package bench

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io/fs"
	"strings"
	"unicode"

	"mole/base/tiny"
	"mole/tokenizer"
	"mole/vision"
)

// preprocess measures the way from a PNG file to patches, beside the decoding
// of the same file by the standard library. Each core has a picture of its own.
func (s *session) preprocess(ctx context.Context) error {
	file := s.Image
	if file == nil {
		var err error
		if file, err = screen(1155, 853); err != nil {
			return err
		}
	}
	shape, _, err := image.DecodeConfig(bytes.NewReader(file))
	if err != nil {
		return err
	}
	if _, err := vision.Process(file, vision.Decoding{}, vision.DefaultOptions()); err != nil {
		return err
	}
	processors := make([]vision.Processor, s.all())
	for i := range processors {
		processors[i].Options = vision.DefaultOptions()
	}
	process := s.images(func(core int) error {
		_, err := processors[core].Process(file)
		return err
	})
	decode := s.images(func(int) error {
		_, err := png.Decode(bytes.NewReader(file))
		return err
	})
	o, err := s.beside(ctx, process, s.loop(decode))
	if err != nil {
		return err
	}
	s.report.add(fmt.Sprintf("preprocess PNG %dx%d", shape.Width, shape.Height), s.all(), o, "images/s", 1, "image/png decode", nil)
	return nil
}

// images returns work on one image on each core.
func (s *session) images(do func(core int) error) work {
	return func() float64 {
		return together(s.all(), func(core int) float64 {
			if do(core) != nil {
				return 0
			}
			return 1
		})
	}
}

//go:embed *.go
var prose embed.FS

// tokenizerLeast is the target of a tokenizer, in MB/s on one core.
const tokenizerLeast = 30

// tokenizer measures how fast text becomes tokens on one core, beside a look at
// every character. The text is the source of this package.
func (s *session) tokenizer(ctx context.Context) error {
	t, err := s.loadTokenizer()
	if err != nil {
		return err
	}
	text, err := source()
	if err != nil {
		return err
	}
	size := float64(len(text))
	encode := func() float64 { t.Encode(text); return size }
	letters := 0
	look := func() float64 {
		for _, r := range text {
			if unicode.IsLetter(r) {
				letters++
			}
		}
		return size
	}
	o, err := s.beside(ctx, encode, s.loop(look))
	if err == nil && letters == 0 {
		err = errors.New("text without letters")
	}
	if err != nil {
		return err
	}
	want := &Want{Bound: tokenizerLeast, Value: true}
	s.report.add(fmt.Sprintf("tokenizer of %d, Go source", t.Size()), 1, o, "MB/s", 1e6, "characters of a string", want)
	return nil
}

// loadTokenizer opens the tokenizer that was asked for.
func (s *session) loadTokenizer() (*tokenizer.Tokenizer, error) {
	if s.Tokenizer != "" {
		return tokenizer.Load(s.Tokenizer)
	}
	data, err := fs.ReadFile(tiny.FS(), "tokenizer.json")
	if err != nil {
		return nil, err
	}
	return tokenizer.Parse(data)
}

// source returns the text of this package.
func source() (string, error) {
	var text strings.Builder
	err := fs.WalkDir(prose, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := prose.ReadFile(name)
		text.Write(data)
		return err
	})
	return text.String(), err
}
