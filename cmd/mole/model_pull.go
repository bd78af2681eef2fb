package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"mole/base"
	"mole/hub"
)

// modelPullCmd is mole model pull.
type modelPullCmd struct {
	modelStore
	Name     string `arg:"" help:"OWNER/NAME or OWNER/NAME@REVISION."`
	ToVolume bool   `help:"Copy it on into the volume model_cache of the store, where it counts before what was downloaded."`
	Revision string `placeholder:"REV" help:"Branch, tag or commit. Default: main."`
	Endpoint string `placeholder:"URL" help:"Hub to download from. Default: HF_ENDPOINT, or https://huggingface.co."`
	Jobs     int    `placeholder:"N" help:"Files to download at once. Default: 4."`
	JSON     bool   `name:"json" help:"Print one JSON object."`
}

// pulledModel is what pull prints.
type pulledModel struct {
	Name   string `json:"name"` // what --base-model takes
	Commit string `json:"commit"`
	Dir    string `json:"dir"`
	Bytes  int64  `json:"bytes"`
	Volume string `json:"volume,omitempty"` // VOLUME:PATH with --to-volume
}

// Run downloads the model.
func (c *modelPullCmd) Run(ctx context.Context, out io.Writer, errs errorWriter) error {
	name, err := c.name()
	if err != nil {
		return err
	}
	o, err := hub.FromEnvironment(os.Getenv)
	if err != nil {
		return err
	}
	if c.Endpoint != "" {
		o.Endpoint = strings.TrimRight(c.Endpoint, "/")
	}
	p := newProgressLine(errs)
	defer p.end()
	o.Jobs, o.Progress = c.Jobs, func(done, total int64) { p.update("downloading, MiB", done>>20, total>>20) }
	client, err := hub.New(o)
	if err != nil {
		return err
	}
	s, err := client.Pull(ctx, name)
	if err != nil {
		return hintPull(ctx, err)
	}
	place, err := c.keep(ctx, s, p)
	if err != nil {
		return err
	}
	p.end()
	return c.report(out, s, place)
}

// keep copies the model to the store, if it shall, and returns where that is.
func (c *modelPullCmd) keep(ctx context.Context, s *hub.Snapshot, p *progressLine) (string, error) {
	if !c.ToVolume {
		return "", nil
	}
	v, err := c.volume()
	if err != nil {
		return "", err
	}
	stored, err := base.Put(ctx, v, s, func(bytes int64) { p.update("storing, MiB", bytes>>20, s.Bytes>>20) })
	if err != nil {
		return "", hintedError{err, "the same command continues where it stopped"}
	}
	return stored.Place(), nil
}

// name returns what to download.
func (c *modelPullCmd) name() (hub.Name, error) {
	text := c.Name
	if c.Revision != "" {
		if strings.Contains(text, "@") {
			return hub.Name{}, fmt.Errorf("%s and --revision %s: want one revision", text, c.Revision)
		}
		text += "@" + c.Revision
	}
	return hub.ParseName(text)
}

// hintPull adds what to do about an error.
func hintPull(ctx context.Context, err error) error {
	var status *hub.StatusError
	switch {
	case errors.Is(err, hub.ErrOffline):
		return hintedError{err, "without HF_HUB_OFFLINE it is downloaded"}
	case ctx.Err() == nil && !errors.As(err, &status):
		return hintedError{err, "the same command continues where it stopped; HF_ENDPOINT or --endpoint names another hub"}
	}
	return err
}

// report says where the model lies, and whether it can be used.
func (c *modelPullCmd) report(out io.Writer, s *hub.Snapshot, place string) error {
	shape, err := base.Usable(s.Dir)
	if err != nil {
		return fmt.Errorf("%v was downloaded to %s and is no base model: %w", s.Name, s.Dir, err)
	}
	if c.JSON {
		return writeObject(out, pulledModel{s.Name.String(), s.Commit, s.Dir, s.Bytes, place})
	}
	if place != "" {
		fmt.Fprintf(out, "stored as %s\n", place)
	}
	_, err = fmt.Fprintf(out, "%v at %.12s: %s, %s\nNext: mole preprocess --base-model %v ...\n", s.Name, s.Commit, base.Describe(shape), byteSize(s.Bytes), s.Name)
	return err
}
