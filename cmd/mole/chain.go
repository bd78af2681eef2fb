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
	"mole/hub"
	"mole/stage"
	"mole/store/file"
	"mole/view"
)

// chainFlags are the flags of every command of the chain.
type chainFlags struct {
	State     string `default:".mole" env:"MOLE_STATE" placeholder:"DIR" help:"Folder of the store and of work under way. Default: .mole."`
	Config    string `default:"config" placeholder:"DIR" help:"Folder of the configuration. Default: config."`
	BaseModel string `placeholder:"DIR" help:"Base network: a checkpoint's folder, the name of a stored or downloaded model, or tiny for the one inside the program. Default: adapters.yaml's."`
	MaxTokens int    `placeholder:"N" help:"Image tokens that are seen, at most. Default: 64 with the network inside the program, else 256 for a router, 1024 for an expert."`
	RouteOn   string `enum:",image,image+text" default:"" placeholder:"WHAT" help:"What the router sees: image, or image+text for the instruction too. Default: adapters.yaml's, image."`
	Workers   int    `placeholder:"N" help:"Cores to use. Default: profiles.yaml's, or all."`
	Precision string `enum:"auto,f32,bf16" default:"auto" placeholder:"NAME" help:"Matrix products with bfloat16 weights: f32 as the reference, bf16, or auto for bf16 where the processor multiplies in it. Default: auto."`
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
	devices  map[int]*cpu.Device // by cores
}

// open opens the configuration and the store.
func (f chainFlags) open(out, errs io.Writer) (*chain, error) {
	c, err := openConfig(f.Config, "")
	if err != nil {
		return nil, err
	}
	return f.openWith(c, out, errs)
}

// openWith opens the store, for a configuration.
func (f chainFlags) openWith(c *config.Config, out, errs io.Writer) (*chain, error) {
	s, err := file.Open(filepath.Join(f.State, "store"))
	if err != nil {
		return nil, err
	}
	level := slog.LevelWarn
	if f.Verbose {
		level = slog.LevelInfo
	}
	ch := &chain{flags: f, config: c, out: out, progress: newProgressLine(errs), devices: map[int]*cpu.Device{}}
	ch.Place = &stage.Place{
		State: f.State, Store: s, Volumes: volumesOf(c), Pointer: c.Adapters.Router.InferencePath, Experts: c.Experts, Progress: ch.progress.update,
		Log: slog.New(tint.NewTextHandler(errs, &tint.Options{Level: level, NoColor: !isTerminal(errs)})),
	}
	return ch, nil
}

// volumesOf returns the names of the volumes.
func volumesOf(c *config.Config) stage.Volumes {
	v := c.Adapters.Volumes
	return stage.Volumes{Data: v.MOEData.Name, Training: v.LoRATraining.Name, Inference: v.Inference.Name, History: v.TrainingHistory.Name, Models: v.ModelCache.Name}
}

// close gives back what was opened on the way.
func (c *chain) close() error {
	c.progress.end()
	var err error
	for _, d := range c.devices {
		err = errors.Join(err, d.Close())
	}
	if c.base != nil {
		err = errors.Join(err, c.base.Close())
	}
	return err
}

// view opens the base network, once, and returns how its router sees.
func (c *chain) view(ctx context.Context) (*view.View, error) {
	if err := c.openBase(ctx); err != nil {
		return nil, err
	}
	return view.New(view.Options{
		Experts: c.Experts, Tokenizer: c.base.Tokenizer, Base: c.base.Digest, Vision: c.base.Vision, MaxTokens: c.imageTokens(),
		Prompt: c.config.RouterPrompt(), UserText: c.userText(),
	})
}

// openBase opens the base network, once.
func (c *chain) openBase(ctx context.Context) error {
	if c.base != nil {
		return nil
	}
	name, err := c.baseName(ctx)
	if err == nil {
		c.base, err = base.OpenFrom(ctx, c.Models(), name)
	}
	return err
}

// imageTokens returns how many tokens of a picture are seen at most, 0 for the
// default of the view.
func (c *chain) imageTokens() int {
	if c.flags.MaxTokens == 0 && c.base.Name == base.Tiny {
		return 64 // what the network was trained with
	}
	return c.flags.MaxTokens
}

// userText reports whether the router reads the instruction.
func (c *chain) userText() bool {
	if c.flags.RouteOn == "" {
		return !c.config.Adapters.Router.MaskUserText
	}
	return c.flags.RouteOn == "image+text"
}

// baseName returns the base network that the flag or the configuration names. A
// name on the hub in adapters.yaml is no reason to stop, though it was never
// downloaded to this machine: the small one inside the program takes its place,
// and the user is told.
func (c *chain) baseName(ctx context.Context) (string, error) {
	if c.flags.BaseModel != "" {
		return c.flags.BaseModel, nil
	}
	const key = "adapters.models.base_vlm"
	name := c.config.Adapters.Models.BaseVLM
	if base.Present(ctx, c.Models(), name) {
		return name, nil
	}
	if _, err := hub.ParseName(name); err != nil || c.config.Source(key).File == "" {
		return "", c.config.Refuse(key, "%s is not on this machine, want %s, the folder of a checkpoint, or a model of the hub that mole model pull downloads", name, base.Tiny)
	}
	c.say("base model %s is not on this machine: the small one inside the program is used; mole model pull %s downloads it, --base-model takes another", name, name)
	return base.Tiny, nil
}

// job returns a job of the chain.
func (c *chain) job(name string) job { return jobOf(c.config, name, c.flags.Workers) }

// accelerator opens the device of a job, once for as many cores.
func (c *chain) accelerator(job string) (*cpu.Device, error) {
	cores := c.job(job).cores()
	if d := c.devices[cores]; d != nil {
		return d, nil
	}
	d, err := cpu.Open(cpu.Options{Workers: cores, Precision: precisionOf(c.flags.Precision)})
	if err == nil {
		c.devices[cores] = d
	}
	return d, err
}

// precisionOf returns the precision of a flag, whose names kong has checked.
// Commands without the flag have the default.
func precisionOf(name string) cpu.Precision {
	p, err := cpu.ParsePrecision(name)
	if err != nil {
		return cpu.Auto
	}
	return p
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
