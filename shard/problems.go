package shard

import (
	"errors"
	"fmt"
	"io/fs"
)

// ImagesError says that images of a dataset are missing or not readable.
type ImagesError struct {
	First []ImageProblem // ten at most
	Count int
	Total int // images that the records name
}

// ImageProblem is an image that cannot be used.
type ImageProblem struct {
	Path  string
	Place string // the first record that names it: "train:3"
	Err   error
}

// shownProblems is how many images an ImagesError lists.
const shownProblems = 10

func (e *ImagesError) add(path, place string, err error) {
	e.Count++
	if len(e.First) < shownProblems {
		e.First = append(e.First, ImageProblem{path, place, withoutPath(err)})
	}
}

// orNil returns e if there are problems.
func (e *ImagesError) orNil() error {
	if e.Count == 0 {
		return nil
	}
	return e
}

// Error lists the first images on lines of their own.
func (e *ImagesError) Error() string {
	text := fmt.Sprintf("%d of %d images cannot be used:", e.Count, e.Total)
	for _, p := range e.First {
		text += fmt.Sprintf("\n  %s (%s): %v", p.Path, p.Place, p.Err)
	}
	if more := e.Count - len(e.First); more > 0 {
		text += fmt.Sprintf("\n  and %d more", more)
	}
	return text
}

// Unwrap returns the errors of the images that are listed.
func (e *ImagesError) Unwrap() []error {
	var errs []error
	for _, p := range e.First {
		errs = append(errs, p.Err)
	}
	return errs
}

// withoutPath returns what is wrong with a file whose path is said already.
func withoutPath(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
