package stage

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"mole/eval"
)

// write writes the report as JSON, under both of its names, and as a page.
func (e *Eval) write(ctx context.Context, out *Evaluated, j *judgement) error {
	dir := first(e.Out, filepath.Join(e.State, "reports", e.Dataset, e.Name))
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	text, err := out.Report.JSON()
	if err != nil {
		return err
	}
	for _, name := range eval.FileNames() {
		out.JSON = filepath.Join(dir, name)
		if err := replaceFile(out.JSON, text); err != nil {
			return err
		}
	}
	pictures, _, err := e.pictures(ctx, j.sourceNames())
	if err != nil {
		return err
	}
	var page, table bytes.Buffer
	if err := out.Report.WriteHTML(&page, eval.HTMLOptions{Picture: func(name string) ([]byte, error) { return j.picture(pictures, name) }}); err != nil {
		return err
	}
	if err := out.Report.WriteText(&table, eval.TextOptions{Width: 100}); err != nil {
		return err
	}
	out.Text, out.HTML = table.String(), filepath.Join(dir, "report.html")
	return replaceFile(out.HTML, page.Bytes())
}

// picture returns the file of a known or of an outside picture.
func (j *judgement) picture(known fs.FS, name string) ([]byte, error) {
	file, err := fs.ReadFile(known, name)
	if errors.Is(err, fs.ErrNotExist) && j.Outside != "" {
		return os.ReadFile(filepath.Join(j.Outside, filepath.FromSlash(name)))
	}
	return file, err
}

// sourceNames returns the datasets that the samples come from.
func (j *judgement) sourceNames() []string {
	seen := map[string]bool{}
	var names []string
	for _, s := range j.samples {
		if name := sourceOf(s.Path); !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	return names
}

// replaceFile writes a file, whole or not at all.
func replaceFile(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".mole-*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
