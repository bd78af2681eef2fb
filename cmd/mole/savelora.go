package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"mole/base"
	"mole/config"
	"mole/device/cpu"
	"mole/lora"
	"mole/model/qwen3vl"
	"mole/stage"
	"mole/store"
	"mole/store/file"
)

// saveLoraCmd is mole save-lora.
type saveLoraCmd struct {
	Checkpoint string `required:"" placeholder:"PATH" help:"Folder with the adapter, or with a folder final or adapter that holds it; a path on a volume with --from-volume."`
	Name       string `required:"" placeholder:"NAME" help:"Expert that the adapter is of."`
	FromVolume string `placeholder:"VOLUME" help:"Volume that the checkpoint lies on. Default: this machine's disk."`
	Dataset    string `placeholder:"NAME" help:"Dataset that it was trained on, for the record."`
	Volume     string `placeholder:"VOLUME" help:"Volume to copy to. Default: adapters.yaml's for checkpoints, moe-lora-checkpoints."`
	Dest       string `placeholder:"PATH" help:"Path on that volume. Default: the expert's name."`
	BaseModel  string `placeholder:"DIR" help:"Base network that it must fit: a folder, a name, or tiny for the one inside the program. Default: adapters.yaml's."`
	Force      bool   `help:"Save an adapter that names another base model."`
	State      string `default:".mole" env:"MOLE_STATE" placeholder:"DIR" help:"Folder of the store. Default: .mole."`
	Config     string `default:"config" placeholder:"DIR" help:"Folder of the configuration, whose loras.json lists the adapter then. Default: config."`
	JSON       bool   `name:"json" help:"Print the entry as one JSON object."`
}

// Help shows how the command is used.
func (*saveLoraCmd) Help() string {
	return `Copies the adapter of an expert to a volume and lists it in loras.json, where mole deploy finds it. Before, it is checked: both files are there, the base model is the right one, and every tensor can be read and, if the base network is on this machine, belongs to a layer of it. Only the two files of the adapter are copied, and expert.json and the report about its tests, if they are there.

    mole save-lora --checkpoint runs/calendar/final --name calendar --dataset calendar--demo--20260105_090000
    mole save-lora --checkpoint calendar/run-3/checkpoint-40 --from-volume lora-runs --name calendar` + exitHelp
}

// Run checks, copies and lists the adapter.
func (c *saveLoraCmd) Run(ctx context.Context, out io.Writer, errs errorWriter) (err error) {
	if err := config.CheckExpertName(c.Name); err != nil {
		return err
	}
	settings, err := loadConfig(c.Config)
	if err != nil {
		return err
	}
	if _, known := settings.Adapters.Experts[c.Name]; !known {
		fmt.Fprintf(errs, "%s is no expert of adapters.yaml: the adapter is listed, and not used\n", c.Name)
	}
	s, err := file.Open(filepath.Join(c.State, "store"))
	if err != nil {
		return err
	}
	lock, err := store.Lock(ctx, s, "config/loras", "mole save-lora")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	save := &stage.SaveLora{
		Place: &stage.Place{State: c.State, Store: s, Volumes: volumesOf(settings)}, Checkpoint: c.Checkpoint, FromVolume: c.FromVolume, Expert: c.Name, Force: c.Force,
		Model:  cmp.Or(c.BaseModel, settings.Adapters.Models.BaseVLM),
		Volume: cmp.Or(c.Volume, settings.Adapters.Volumes.Checkpoints.Name), Dest: cmp.Or(c.Dest, c.Name),
	}
	return c.save(ctx, save, out, errs)
}

// save saves and lists an adapter.
func (c *saveLoraCmd) save(ctx context.Context, save *stage.SaveLora, out io.Writer, errs errorWriter) (err error) {
	if save.Sites, err = sitesOf(ctx, save.Models(), save.Model); err != nil {
		return err
	}
	if save.Sites == nil {
		fmt.Fprintf(errs, "base model %s is not on this machine: the tensors are not compared with its layers\n", save.Model)
	}
	saved, err := save.Run(ctx)
	if errors.Is(err, stage.ErrOtherBase) {
		err = hintedError{err, "--base-model names the one it is for, --force saves it all the same"}
	}
	if err != nil {
		return err
	}
	l := config.Lora{
		Volume: save.Volume, Path: save.Dest, Dataset: c.Dataset, SourceCheckpoint: saved.Source, SavedAt: saved.Time.Format(time.RFC3339),
	}
	if err := config.Register(c.Config, c.Name, l); err != nil {
		return err
	}
	return c.print(out, l, saved)
}

// print says what was saved.
func (c *saveLoraCmd) print(out io.Writer, l config.Lora, saved *stage.SavedLora) error {
	if c.JSON {
		return writeObject(out, map[string]config.Lora{c.Name: l})
	}
	verb := "saved"
	if saved.Replaced {
		verb = "replaced"
	}
	_, err := fmt.Fprintf(out, "%s %s:%s: rank %d, %d layers, %s\n%s lists it as %s\nNext: mole deploy --latest\n",
		verb, l.Volume, l.Path, saved.Rank, saved.Pairs, byteSize(saved.Bytes), filepath.Join(c.Config, "loras.json"), c.Name)
	return err
}

// sitesOf returns the layers of a base network that an adapter may change, nil
// if the network is not on this machine.
func sitesOf(ctx context.Context, models store.Volume, name string) (_ []lora.Site, err error) {
	if !base.Present(ctx, models, name) {
		return nil, nil
	}
	b, err := base.OpenFrom(ctx, models, name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	dev, err := cpu.Open(cpu.Options{Workers: 1})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, dev.Close()) }()
	m, err := qwen3vl.New(dev, b.Config, b.Weights)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	return m.Sites(), nil
}
