package main

import (
	"context"
	"fmt"
	"io"

	"mole/config"
	"mole/expert"
	"mole/stage"
)

// deployCmd is mole deploy.
type deployCmd struct {
	State       string   `default:".mole" env:"MOLE_STATE" placeholder:"DIR" help:"Folder of the store. Default: .mole."`
	Config      string   `default:"config" placeholder:"DIR" help:"Folder of the configuration. Default: config."`
	BaseModel   string   `placeholder:"DIR" help:"Base network to check with. Default: the one that the router names."`
	Latest      bool     `xor:"way" help:"Deploy the router that was completed last."`
	Rollback    bool     `xor:"way" help:"Go back to the release before the deployed one."`
	Checkpoint  string   `placeholder:"PATH" help:"Deploy the router at this path of the volume of data."`
	DatasetName string   `placeholder:"NAME" help:"Deploy a router that was trained on this routing set."`
	RunName     string   `placeholder:"NAME" help:"Deploy the router of this run."`
	MinAccuracy *float64 `placeholder:"PERCENT" help:"Refuse a router whose held-out accuracy is less. Default: the configuration's."`
	Force       bool     `help:"Do without a held-out report, and deploy again what is deployed."`
	JSON        bool     `name:"json" help:"Print the metadata of the release as one JSON object."`
	Verbose     bool     `short:"v" help:"Log more."`
}

// Help shows how the command is used.
func (*deployCmd) Help() string {
	return `Checks a trained router (its files, its adapter on the base network, its labels, its held-out report) and makes it the one that infer and serve use, in one step: whatever goes wrong before leaves the deployed one as it was. A running server notices by itself. The last three releases are kept for --rollback.

    mole deploy --latest
    mole deploy --run-name wide --min-accuracy 98
    mole deploy --rollback` + exitHelp
}

// Run deploys.
func (c *deployCmd) Run(ctx context.Context, out io.Writer, errs errorWriter) (err error) {
	ch, err := chainFlags{State: c.State, Config: c.Config, BaseModel: c.BaseModel, Verbose: c.Verbose}.open(out, errs)
	if err != nil {
		return err
	}
	defer ch.finish(&err)
	d := ch.deployment()
	if least := c.MinAccuracy; least != nil {
		if *least < 0 || *least > 100 {
			return fmt.Errorf("--min-accuracy %v, want 0 to 100", *least)
		}
		d.MinAccuracy = *least / 100
	}
	d.Checkpoint, d.Dataset, d.Name, d.Latest, d.Rollback, d.Force = c.Checkpoint, c.DatasetName, c.RunName, c.Latest, c.Rollback, c.Force
	done, err := within(ctx, ch.job("deploy"), d.Run)
	if err != nil {
		return err
	}
	return c.print(ch, done)
}

// deployment returns a deployment as the configuration wants it.
func (c *chain) deployment() *stage.Deploy {
	d := c.config.Adapters.Deploy
	return &stage.Deploy{Place: c.Place, Base: c.flags.BaseModel, Adapters: adaptersOf(c.config), MinAccuracy: d.MinAccuracy / 100, Keep: d.Keep}
}

// adaptersOf returns where the experts' adapters are: where adapters.yaml says,
// else where loras.json does, else at the usual place, if anything is there.
func adaptersOf(c *config.Config) map[string]stage.Adapter {
	adapters := map[string]stage.Adapter{}
	for name, e := range c.Adapters.Experts {
		a := stage.Adapter{Volume: c.Adapters.Volumes.Inference.Name, Path: e.InferencePath}
		l := c.Registry.Loras[name]
		switch {
		case e.Kind == string(expert.OCR):
			continue
		case e.InferencePath != "" && l != nil:
			a.Dataset = l.Dataset
		case e.InferencePath != "":
		case l != nil:
			a = stage.Adapter{Volume: l.Volume, Path: l.Path, Dataset: l.Dataset}
		default:
			a.Path, a.Usual = "loras/"+name+"/adapter", true
		}
		adapters[name] = a
	}
	return adapters
}

// print says what is deployed now.
func (c *deployCmd) print(ch *chain, done *stage.Deployed) error {
	m := done.Metadata
	if c.JSON {
		ch.progress.end()
		return writeObject(ch.out, m)
	}
	accuracy := "no held-out report"
	if m.Accuracy != nil {
		accuracy = fmt.Sprintf("held-out accuracy %.1f %%", 100**m.Accuracy)
	}
	verb := "DEPLOYED"
	if done.Done {
		verb = "deployed already"
	}
	ch.say("%s: release %s, run %s of %s, %s", verb, m.Release, m.Run, m.Dataset, accuracy)
	ch.say("Next: mole infer IMAGE, mole serve")
	return nil
}
