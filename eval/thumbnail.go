package eval

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"

	"mole/vision"
)

// thumbnailSide is the longer side of a picture in the page, in pixels.
const thumbnailSide = 360

// thumbnail returns a picture file, scaled down, as a data URI.
func thumbnail(file []byte) (string, error) {
	im, err := vision.Decode(file, vision.Decoding{})
	if err != nil {
		return "", err
	}
	if long := max(im.W, im.H); long > thumbnailSide {
		w, h := max(1, im.W*thumbnailSide/long), max(1, im.H*thumbnailSide/long)
		im = vision.Resize(im, w, h, vision.Pillow)
	}
	rgba := image.NewRGBA(image.Rect(0, 0, im.W, im.H))
	for i := range im.W * im.H {
		rgba.SetRGBA(i%im.W, i/im.W, color.RGBA{im.RGB[3*i], im.RGB[3*i+1], im.RGB[3*i+2], 255})
	}
	var out bytes.Buffer
	if err := jpeg.Encode(&out, rgba, &jpeg.Options{Quality: 85}); err != nil {
		return "", fmt.Errorf("write thumbnail: %w", err)
	}
	return "data:image/jpeg;base64," + base64.StdEncoding.EncodeToString(out.Bytes()), nil
}
