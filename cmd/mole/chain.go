package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/lmittmann/tint"

	"mole/base"
	"mole/config"
	"mole/device/cpu"
	"mole/stage"
	"mole/store/file"
	"mole/view"
)

// chainFlags are the flags of every command of the chain.
type chainFlags struct {
	State     string `default:".mole" env:"MOLE_STATE" placeholder:"DIR" help:"Folder of the store and of work under way. Default: .mole."`
	Config    string `default:"config" placeholder:"DIR" help:"Folder of the configuration. Default: config."`
	BaseModel string `placeholder:"DIR" help:"Base network: a checkpoint's folder, or tiny for the one inside the program. Default: adapters.yaml's."`
	MaxTokens int    `placeholder:"N" help:"Image tokens that a router sees, at most. Default: 64 with the network inside the program, else 256."`
	RouteOn   string `enum:"image,image+text" default:"image" placeholder:"WHAT" help:"What the router sees: image, or image+text for the instruction too. Default: image."`
	Workers   int    `placeholder:"N" help:"Cores to use. Default: all."`
	Verbose   bool   `short:"v" help:"Log more."`
}

// linkFlags say whether a stage of the chain starts the next one.
type linkFlags struct {
	NoChain bool `help:"Do this stage and stop."`
	DryRun  bool `help:"Print what would run, and touch nothing."`
}

// chain is an opened place of work.
type chain struct {
	*stage.Place
	flags    chainFlags
	config   *config.Config
	out      io.Writer
	progress *progressLine
	base     *base.Base
	device   *cpu.Device
}

// open opens the configuration and the store.
func (f chainFlags) open(out, errs io.Writer) (*chain, error) {
	o := config.Options{Dir: f.Config, Environ: os.Environ()}
	if _, err := os.Stat(f.Config); err == nil {
		o.FS = os.DirFS(f.Config)
	} else if f.Config != config.Dir {
		return nil, err
	}
	c, err := config.Load(o)
	if err != nil {
		return nil, err
	}
	s, err := file.Open(filepath.Join(f.State, "store"))
	if err != nil {
		return nil, err
	}
	level := slog.LevelWarn
	if f.Verbose {
		level = slog.LevelInfo
	}
	ch := &chain{flags: f, config: c, out: out, progress: newProgressLine(errs)}
	ch.Place = &stage.Place{
		State: f.State, Store: s, Volumes: volumesOf(c), Experts: c.Experts, Progress: ch.progress.update,
		Log: slog.New(tint.NewTextHandler(errs, &tint.Options{Level: level, NoColor: !isTerminal(errs)})),
	}
	return ch, nil
}

// volumesOf returns the names of the volumes.
func volumesOf(c *config.Config) stage.Volumes {
	name := func(key string) string {
		values, err := c.Values("adapters.volumes." + key + ".name")
		if err != nil || len(values) == 0 {
			return ""
		}
		return fmt.Sprint(values[0].Value)
	}
	v := stage.Volumes{Data: name("moe_data"), Training: name("lora_training"), Inference: name("inference"), History: name("training_history")}
	return v.WithDefaults()
}

// close gives back what was opened on the way.
func (c *chain) close() error {
	c.progress.end()
	var err error
	if c.device != nil {
		err = c.device.Close()
	}
	if c.base != nil {
		err = errors.Join(err, c.base.Close())
	}
	return err
}

// view opens the base network, once, and returns how its router sees.
func (c *chain) view(ctx context.Context) (*view.View, error) {
	if c.base == nil {
		b, err := base.Open(ctx, c.baseName())
		if err != nil {
			return nil, err
		}
		c.base = b
	}
	tokens := c.flags.MaxTokens
	if tokens == 0 && c.base.Name == base.Tiny {
		tokens = 64 // what the network was trained with
	}
	return view.New(view.Options{
		Experts: c.Experts, Tokenizer: c.base.Tokenizer, Base: c.base.Digest, Vision: c.base.Vision, MaxTokens: tokens, UserText: c.flags.RouteOn == "image+text",
	})
}

// baseName returns the base network that the flag or adapters.yaml names. One
// of adapters.yaml that is not on this machine is no reason to stop: the small
// one inside the program takes its place, and the user is told.
func (c *chain) baseName() string {
	if c.flags.BaseModel != "" {
		return c.flags.BaseModel
	}
	name := c.config.Adapters.Models.BaseVLM
	if _, err := os.Stat(name); name == base.Tiny || err == nil {
		return name
	}
	c.say("base model %s is not on this machine: the small one inside the program is used; --base-model FOLDER takes another", name)
	return base.Tiny
}

// accelerator opens the device, once.
func (c *chain) accelerator() (*cpu.Device, error) {
	if c.device != nil {
		return c.device, nil
	}
	d, err := cpu.Open(cpu.Options{Workers: c.flags.Workers})
	c.device = d
	return d, err
}

// network returns what a stage that runs the model needs: view and device.
func (c *chain) network(ctx context.Context) (*view.View, *cpu.Device, error) {
	v, err := c.view(ctx)
	if err != nil {
		return nil, nil, err
	}
	dev, err := c.accelerator()
	return v, dev, err
}

// say prints a line for people and programs.
func (c *chain) say(format string, args ...any) {
	c.progress.end()
	fmt.Fprintf(c.out, format+"\n", args...)
}

// datasets returns the folder of the routing sets, and experts that of the
// experts' datasets.
func (c *chain) datasets() string { return filepath.Join(c.State, "datasets") }
func (c *chain) experts() string  { return filepath.Join(c.State, "experts") }

// newestSet returns the name of the newest routing set in the state folder.
func (c *chain) newestSet() (string, error) {
	entries, err := os.ReadDir(c.datasets())
	if err != nil {
		return "", hintedError{fmt.Errorf("no routing set: %w", err), "mole generate makes one"}
	}
	var newest string
	var when time.Time
	for _, e := range entries {
		info, err := os.Stat(filepath.Join(c.datasets(), e.Name(), "metadata.json"))
		if err == nil && info.ModTime().After(when) {
			newest, when = e.Name(), info.ModTime()
		}
	}
	if newest == "" {
		return "", hintedError{fmt.Errorf("%s: no routing set", c.datasets()), "mole generate makes one"}
	}
	return newest, nil
}
