package main

import (
	"context"
	"errors"
	"io"

	"mole/stage"
)

// mergeCmd is mole merge.
type mergeCmd struct {
	State     string `default:".mole" env:"MOLE_STATE" placeholder:"DIR" help:"Folder of the store. Default: .mole."`
	Config    string `default:"config" placeholder:"DIR" help:"Folder of the configuration. Default: config."`
	BaseModel string `placeholder:"DIR" help:"Base network: a checkpoint's folder, or tiny for the one inside the program. Default: adapters.yaml's."`
	Expert    string `xor:"what" placeholder:"NAME" help:"Merge the deployed adapter of this expert."`
	Adapter   string `xor:"what" placeholder:"PATH" help:"Merge this adapter: a folder, a path of the volume of experts' runs, or VOLUME:PATH."`
	Out       string `required:"" placeholder:"DIR" help:"Folder to make."`
	ShardMB   int64  `name:"shard-mb" placeholder:"N" help:"Size of a file of weights, about, in MiB. Default: 1024."`
	JSON      bool   `name:"json" help:"Print what was done as one JSON object."`
}

// Help shows how the command is used.
func (*mergeCmd) Help() string {
	return `Adds an adapter to the weights of its base network and writes a checkpoint of its own, which answers as both do, but for the rounding of the sums to bfloat16. It has the layout of published checkpoints, and --base-model takes it.

    mole merge --expert calendar --out merged/calendar
    mole merge --adapter adapters/calendar --base-model models/Qwen3-VL-2B-Instruct --out merged/calendar` + exitHelp
}

// Run merges.
func (c *mergeCmd) Run(ctx context.Context, out io.Writer, errs errorWriter) (err error) {
	ch, err := chainFlags{State: c.State, Config: c.Config, BaseModel: c.BaseModel}.open(out, errs)
	if err != nil {
		return err
	}
	defer ch.finish(&err)
	m := &stage.Merge{Place: ch.Place, Adapter: c.Adapter, Out: c.Out, Shard: c.ShardMB << 20}
	if c.Expert != "" {
		m.Adapter = ch.Volumes.Inference + ":" + ch.expertPath(c.Expert)
	}
	if m.Adapter == "" {
		return errors.New("want --expert NAME or --adapter PATH")
	}
	if err := ch.openBase(ctx); err != nil {
		return err
	}
	m.Base = ch.base
	if m.Device, err = ch.accelerator("merge"); err != nil {
		return err
	}
	done, err := m.Run(ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		ch.progress.end()
		return writeObject(out, done)
	}
	ch.say("merged %d layers of %s into %s: %d parameters in %d files", done.Layers, done.From, c.Out, done.Params, done.Files)
	return nil
}
