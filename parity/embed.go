package parity

import (
	"embed"
	"io/fs"
)

//go:embed testdata/tiny-full
var embedded embed.FS

// Embedded returns the case that every build carries: a small network with an
// image, an adapter on decoder and tower, its gradient, and ten steps of the
// optimizer.
func Embedded() Case {
	const name = "tiny-full"
	files, err := fs.Sub(embedded, "testdata/"+name)
	if err != nil {
		panic(err) // the path is a constant
	}
	return Case{Name: name, Files: files}
}
