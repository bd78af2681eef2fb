package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"mole/archive"
	"mole/store"
	"mole/store/file"
)

// archiveCmd is mole archive.
type archiveCmd struct {
	From     string `arg:"" name:"dataset" help:"Name of a dataset in the state folder, its folder, or VOLUME:PATH. With --extract: the archive, a file or VOLUME:PATH."`
	To       string `arg:"" optional:"" name:"dir" help:"With --extract: the folder to make."`
	Extract  bool   `help:"Unpack an archive instead."`
	Local    bool   `help:"Write NAME.tar.gz beside the dataset's folder, not to a volume."`
	Volume   string `placeholder:"VOLUME" help:"Volume to write to. Default: adapters.yaml's for archives, claimhawk-archives."`
	MaxBytes int64  `placeholder:"N" help:"With --extract: bytes that an archive may unpack to. Default: 256 GiB."`
	MaxFiles int    `placeholder:"N" help:"With --extract: files that an archive may hold. Default: a million."`
	State    string `default:".mole" env:"MOLE_STATE" placeholder:"DIR" help:"Folder of the store and of datasets. Default: .mole."`
	Config   string `default:"config" placeholder:"DIR" help:"Folder of the configuration. Default: config."`
	JSON     bool   `name:"json" help:"Print one JSON object."`
}

// Help shows how the command is used.
func (*archiveCmd) Help() string {
	return `Packs a dataset into one compressed tar file: archives:datasets/NAME.tgz in the store, or NAME.tar.gz on disk. The same files give the same bytes. --extract unpacks such a file into a new folder, which appears whole or not at all; names that lead out of the folder, links, devices, names that occur twice, and archives that unpack to too much are refused.

    mole archive routing_20260105_110000
    mole archive datasets/calendar--demo--20260105_090000 --local
    mole archive --extract claimhawk-archives:datasets/routing_20260105_110000.tgz restored` + exitHelp
}

// archived is what the command prints.
type archived struct {
	From string `json:"from"`
	To   string `json:"to"`
	archive.Stats
	Packed int64 `json:"archive_bytes"`
}

// Run packs or unpacks.
func (c *archiveCmd) Run(ctx context.Context, out io.Writer) error {
	s, err := file.Open(filepath.Join(c.State, "store"))
	if err != nil {
		return err
	}
	work := c.pack
	if c.Extract {
		work = c.unpack
	}
	if c.Extract != (c.To != "") {
		return errors.New("want --extract ARCHIVE DIR, or one dataset")
	}
	done, err := work(ctx, s)
	if err != nil {
		return err
	}
	if c.JSON {
		return writeObject(out, done)
	}
	_, err = fmt.Fprintf(out, "%s -> %s: %d files, %s; archive %s\n", done.From, done.To, done.Files, byteSize(done.Bytes), byteSize(done.Packed))
	return err
}

// dataset opens what is to be packed. The folder is "" on a volume.
func (c *archiveCmd) dataset(ctx context.Context, s store.Store) (fsys fs.FS, name, folder string, err error) {
	if isPlace(c.From) {
		var at place
		if err := at.UnmarshalText([]byte(c.From)); err != nil {
			return nil, "", "", err
		}
		t, err := at.in(s).Find(ctx, at.path)
		return t.FS(ctx, s), path.Base(at.path), "", err
	}
	name = strings.TrimPrefix(c.From, "datasets/")
	for _, dir := range []string{c.From, filepath.Join(c.State, "datasets", name), filepath.Join(c.State, "experts", name)} {
		info, err := os.Stat(dir)
		if err == nil && info.IsDir() {
			absolute, err := filepath.Abs(dir)
			return os.DirFS(dir), filepath.Base(absolute), absolute, err
		}
	}
	return nil, "", "", fmt.Errorf("dataset %s: no such folder, neither here nor in datasets or experts of %s: %w", c.From, c.State, fs.ErrNotExist)
}

// pack writes an archive.
func (c *archiveCmd) pack(ctx context.Context, s store.Store) (*archived, error) {
	fsys, name, folder, err := c.dataset(ctx, s)
	if err != nil {
		return nil, err
	}
	a := &archived{From: c.From}
	if c.Local {
		if folder == "" {
			return nil, errors.New("--local: want a dataset on this machine")
		}
		a.To = folder + ".tar.gz"
		return a, c.toFile(ctx, a, fsys, name)
	}
	return a, c.toVolume(ctx, a, s, fsys, name)
}

// toFile writes an archive to a file, whole or not at all.
func (c *archiveCmd) toFile(ctx context.Context, a *archived, fsys fs.FS, name string) error {
	f, err := os.CreateTemp(filepath.Dir(a.To), "."+filepath.Base(a.To)+"-*")
	if err != nil {
		return err
	}
	if a.Stats, err = archive.Write(ctx, f, fsys, name); err == nil {
		a.Packed, err = f.Seek(0, io.SeekCurrent)
	}
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), a.To)
	}
	if err != nil {
		err = errors.Join(err, os.Remove(f.Name()))
	}
	return err
}

// toVolume publishes an archive.
func (c *archiveCmd) toVolume(ctx context.Context, a *archived, s store.Store, fsys fs.FS, name string) error {
	settings, err := loadConfig(c.Config)
	if err != nil {
		return err
	}
	to := place{cmp.Or(c.Volume, settings.Adapters.Volumes.Archives.Name), "datasets/" + name + ".tgz"}
	a.To = to.String()
	r, w := io.Pipe()
	written := make(chan error, 1)
	go func() {
		var err error
		a.Stats, err = archive.Write(ctx, w, fsys, name)
		w.CloseWithError(err)
		written <- err
	}()
	o, err := store.PutObject(ctx, s, r)
	// What still writes has nobody to write to.
	err = errors.Join(err, r.Close(), <-written)
	if err != nil {
		return err
	}
	a.Packed = o.Size
	t, err := store.SingleFile(name+".tgz", o)
	if err != nil {
		return err
	}
	return to.in(s).Publish(ctx, to.path, t, store.Always)
}

// unpack unpacks an archive.
func (c *archiveCmd) unpack(ctx context.Context, s store.Store) (_ *archived, err error) {
	a := &archived{From: c.From, To: c.To}
	f, err := c.open(ctx, s)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	a.Packed = info.Size()
	a.Stats, err = archive.Extract(ctx, f, c.To, archive.Limits{Bytes: c.MaxBytes, Files: c.MaxFiles})
	if errors.Is(err, fs.ErrExist) {
		err = hintedError{err, "want a folder that is not there yet"}
	}
	return a, err
}

// open opens an archive.
func (c *archiveCmd) open(ctx context.Context, s store.Store) (fs.File, error) {
	if !isPlace(c.From) {
		return os.Open(c.From)
	}
	var at place
	if err := at.UnmarshalText([]byte(c.From)); err != nil {
		return nil, err
	}
	t, err := at.in(s).Find(ctx, at.path)
	if err != nil {
		return nil, err
	}
	one, ok := t.Single()
	if !ok {
		return nil, fmt.Errorf("%s: a folder, want an archive", at)
	}
	return t.FS(ctx, s).Open(one.Path)
}
