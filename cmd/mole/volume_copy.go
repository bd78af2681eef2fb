package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"mole/store"
)

// moved is what a command prints about a tree.
type moved struct {
	From  string `json:"from"`
	To    string `json:"to"`
	Tree  string `json:"tree"` // digest
	Files int    `json:"files"`
	Bytes int64  `json:"bytes"`
}

// print prints what was moved.
func (v *volumeStore) print(w io.Writer, from, to string, t store.Tree) error {
	digest, err := t.Digest()
	if err != nil {
		return err
	}
	m := moved{from, to, digest, len(t.Files), t.Bytes()}
	if v.JSON {
		return writeObject(w, m)
	}
	_, err = fmt.Fprintf(w, "%s -> %s: %d files, %s\n", from, to, m.Files, byteSize(m.Bytes))
	return err
}

// volumeGetCmd is mole volume get.
type volumeGetCmd struct {
	volumeStore
	From    place  `arg:"" name:"volume:path"`
	To      string `arg:"" name:"local" help:"Folder or file to make."`
	Replace bool   `help:"Replace the files that are there."`
}

// Run writes the folder or file.
func (c *volumeGetCmd) Run(ctx context.Context, w io.Writer) error {
	s, err := c.open()
	if err != nil {
		return err
	}
	if _, err := os.Lstat(c.To); err == nil && !c.Replace {
		return hintedError{fmt.Errorf("%s: %w", c.To, fs.ErrExist), "--replace replaces the files that are there"}
	}
	t, err := c.From.in(s).Find(ctx, c.From.path)
	if err == nil {
		err = extract(ctx, s, t, c.To)
	}
	if err != nil {
		return err
	}
	return c.print(w, c.From.String(), c.To, t)
}

// extract writes a folder, or the file that a tree stands for.
func extract(ctx context.Context, s store.Store, t store.Tree, to string) error {
	f, single := t.Single()
	if !single {
		return store.Extract(ctx, s, t, to)
	}
	f.Path = filepath.Base(to)
	folder := filepath.Dir(to)
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return err
	}
	return store.Extract(ctx, s, store.Tree{Files: []store.File{f}}, folder)
}

// volumePutCmd is mole volume put.
type volumePutCmd struct {
	volumeStore
	From    string `arg:"" name:"local" help:"Folder or file."`
	To      place  `arg:"" name:"volume:path"`
	Replace bool   `help:"Replace what is published at that path."`
}

// Run stores and publishes the folder or file.
func (c *volumePutCmd) Run(ctx context.Context, w io.Writer) error {
	s, err := c.open()
	if err != nil {
		return err
	}
	ref, err := c.To.in(s).Ref(c.To.path)
	if err != nil {
		return err
	}
	when := store.Always
	if !c.Replace {
		when = store.Absent
		if _, err := store.Stat(ctx, s, ref); err == nil {
			return c.taken()
		}
	}
	t, err := addLocal(ctx, s, c.From)
	if err == nil {
		err = c.To.in(s).Publish(ctx, c.To.path, t, when)
	}
	if errors.Is(err, fs.ErrExist) {
		return c.taken()
	}
	if err != nil {
		return err
	}
	return c.print(w, c.From, c.To.String(), t)
}

// taken is the error for a path that something is published at.
func (c *volumePutCmd) taken() error {
	return hintedError{fmt.Errorf("%s: %w", c.To, fs.ErrExist), "--replace publishes this instead"}
}

// addLocal stores a folder or a file, with a progress bar on terminals.
func addLocal(ctx context.Context, s store.Store, from string) (store.Tree, error) {
	info, err := os.Stat(from)
	if err != nil {
		return store.Tree{}, err
	}
	if !info.IsDir() {
		return addSingle(ctx, s, from)
	}
	files, size, err := measure(ctx, from)
	if err != nil {
		return store.Tree{}, err
	}
	progress := mpb.NewWithContext(ctx, mpb.WithOutput(os.Stderr))
	bar := progress.AddBar(size,
		mpb.PrependDecorators(decor.Name(filepath.Base(from)+" "), decor.CountersKibiByte("% .1f / % .1f")),
		mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return fmt.Sprintf(" of %d files, ", files) }),
			decor.AverageETA(decor.ET_STYLE_GO), decor.Name(" left")),
		mpb.BarRemoveOnComplete())
	t, err := store.Add(ctx, s, os.DirFS(from), store.AddOptions{
		Progress: func(bytes int64, _ int) { bar.SetCurrent(min(bytes, size)) },
	})
	if err == nil {
		bar.SetTotal(-1, true)
	} else {
		bar.Abort(true)
	}
	progress.Wait()
	return t, err
}

// addSingle stores one file.
func addSingle(ctx context.Context, s store.Store, from string) (store.Tree, error) {
	f, err := os.Open(from)
	if err != nil {
		return store.Tree{}, err
	}
	o, err := store.PutObject(ctx, s, f)
	if err := errors.Join(err, f.Close()); err != nil {
		return store.Tree{}, err
	}
	return store.SingleFile(filepath.Base(from), o)
}

// measure counts the files of a folder and their bytes.
func measure(ctx context.Context, dir string) (files int, size int64, err error) {
	err = filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err == nil {
			err = context.Cause(ctx)
		}
		if err != nil || d.IsDir() {
			return err
		}
		info, err := os.Stat(p)
		if err == nil {
			files++
			size += info.Size()
		}
		return err
	})
	return files, size, err
}

// volumeCpCmd is mole volume cp.
type volumeCpCmd struct {
	volumeStore
	From    place `arg:"" name:"from" help:"VOLUME:PATH of a folder or file."`
	To      place `arg:"" name:"to" help:"VOLUME:PATH to publish it at."`
	Replace bool  `help:"Replace what is published at that path."`
}

// Run publishes the tree again.
func (c *volumeCpCmd) Run(ctx context.Context, w io.Writer) error {
	s, err := c.open()
	if err != nil {
		return err
	}
	when := store.Absent
	if c.Replace {
		when = store.Always
	}
	t, err := c.From.in(s).Find(ctx, c.From.path)
	if err == nil {
		err = c.To.in(s).Publish(ctx, c.To.path, t, when)
	}
	if errors.Is(err, fs.ErrExist) {
		return hintedError{fmt.Errorf("%s: %w", c.To, fs.ErrExist), "--replace publishes this instead"}
	}
	if err != nil {
		return err
	}
	return c.print(w, c.From.String(), c.To.String(), t)
}

// volumeSyncCmd is mole volume sync.
type volumeSyncCmd struct {
	volumeStore
	From   string `arg:"" name:"from" help:"VOLUME:PATH or local folder."`
	To     string `arg:"" name:"to" help:"The other of the two."`
	Delete bool   `help:"Remove local files that the volume's folder does not have. The other way, the volume's folder always becomes equal."`
}

// Run copies what differs.
func (c *volumeSyncCmd) Run(ctx context.Context, w io.Writer) error {
	s, err := c.open()
	if err != nil {
		return err
	}
	if isPlace(c.From) == isPlace(c.To) {
		return errors.New("want VOLUME:PATH on one side and a local folder on the other")
	}
	sync := c.up
	if isPlace(c.From) {
		sync = c.down
	}
	t, err := sync(ctx, s)
	if err != nil {
		return err
	}
	return c.print(w, c.From, c.To, t)
}

// up publishes the local folder, unless it is published as it is.
func (c *volumeSyncCmd) up(ctx context.Context, s store.Store) (store.Tree, error) {
	var to place
	if err := to.UnmarshalText([]byte(c.To)); err != nil {
		return store.Tree{}, err
	}
	t, err := addLocal(ctx, s, c.From)
	if err != nil {
		return store.Tree{}, err
	}
	there, err := to.in(s).Tree(ctx, to.path)
	if err == nil && slices.Equal(there.Files, t.Files) {
		return there, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return store.Tree{}, err
	}
	return t, to.in(s).Publish(ctx, to.path, t, store.Always)
}

// down writes the volume's folder to the local one.
func (c *volumeSyncCmd) down(ctx context.Context, s store.Store) (store.Tree, error) {
	var from place
	if err := from.UnmarshalText([]byte(c.From)); err != nil {
		return store.Tree{}, err
	}
	t, err := from.in(s).Find(ctx, from.path)
	if err == nil {
		err = extract(ctx, s, t, c.To)
	}
	if _, single := t.Single(); err == nil && c.Delete && !single {
		_, err = store.Prune(ctx, t, c.To)
	}
	return t, err
}
