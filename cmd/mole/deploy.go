package main

import (
	"context"
	"errors"
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
	DatasetName string   `placeholder:"NAME" help:"Deploy a router that was trained on this routing set, or an expert on this dataset."`
	RunName     string   `placeholder:"NAME" help:"Deploy the router, or the expert, of this run."`
	Expert      string   `placeholder:"NAME" help:"Deploy the adapter of this expert, not a router. --checkpoint may then be VOLUME:PATH or a folder, too."`
	Accuracy    *float64 `placeholder:"PERCENT" help:"With --expert: held-out accuracy of an adapter that has no report, for the record."`
	MinAccuracy *float64 `placeholder:"PERCENT" help:"Refuse a router whose held-out accuracy is less. Default: the configuration's."`
	Force       bool     `help:"Do without a held-out report, and deploy again what is deployed."`
	JSON        bool     `name:"json" help:"Print the metadata of the release as one JSON object."`
	Verbose     bool     `short:"v" help:"Log more."`
}

// Help shows how the command is used.
func (*deployCmd) Help() string {
	return `Checks a trained router (its files, its adapter on the base network, its labels, its held-out report) and makes it the one that infer and serve use, in one step: whatever goes wrong before leaves the deployed one as it was. A running server notices by itself. The last three releases are kept for --rollback.

With --expert it does the same with the adapter of an expert, which becomes loras/NAME/adapter: of a run of mole train --expert, or one that was trained elsewhere and lies in a folder as PEFT writes it.

    mole deploy --latest
    mole deploy --run-name wide --min-accuracy 98
    mole deploy --rollback
    mole deploy --expert calendar --latest
    mole deploy --expert calendar --checkpoint adapters/calendar --accuracy 97.5` + exitHelp
}

// Run deploys.
func (c *deployCmd) Run(ctx context.Context, out io.Writer, errs errorWriter) (err error) {
	ch, err := chainFlags{State: c.State, Config: c.Config, BaseModel: c.BaseModel, Verbose: c.Verbose}.open(out, errs)
	if err != nil {
		return err
	}
	defer ch.finish(&err)
	if err := c.checkPercents(); err != nil {
		return err
	}
	if c.Expert != "" {
		return c.expert(ctx, ch)
	}
	d := ch.deployment()
	if c.MinAccuracy != nil {
		d.MinAccuracy = *c.MinAccuracy / 100
	}
	d.Checkpoint, d.Dataset, d.Name, d.Latest, d.Rollback, d.Force = c.Checkpoint, c.DatasetName, c.RunName, c.Latest, c.Rollback, c.Force
	done, err := within(ctx, ch.job("deploy"), d.Run)
	if err != nil {
		return err
	}
	return c.print(ch, done)
}

// checkPercents refuses what is no share.
func (c *deployCmd) checkPercents() error {
	for _, f := range []struct {
		name  string
		value *float64
	}{{"min-accuracy", c.MinAccuracy}, {"accuracy", c.Accuracy}} {
		if v := f.value; v != nil && (*v < 0 || *v > 100) {
			return fmt.Errorf("--%s %v, want 0 to 100", f.name, *v)
		}
	}
	if c.Accuracy != nil && c.Expert == "" {
		return errors.New("--accuracy goes with --expert; a router has its report")
	}
	return nil
}

// expert deploys the adapter of an expert.
func (c *deployCmd) expert(ctx context.Context, ch *chain) error {
	v, err := ch.expertView(ctx, c.Expert)
	if err != nil {
		return err
	}
	d, err := ch.accelerator("deploy")
	if err != nil {
		return err
	}
	deploy := &stage.DeployExpert{
		Place: ch.Place, Checkpoint: c.Checkpoint, Dataset: c.DatasetName, Name: c.RunName, Latest: c.Latest, Rollback: c.Rollback, Force: c.Force,
		Accuracy: fraction(c.Accuracy), Path: ch.expertPath(c.Expert), Base: ch.base, View: v, Device: d, Keep: ch.config.Adapters.Deploy.Keep,
	}
	if c.MinAccuracy != nil {
		deploy.MinAccuracy = *c.MinAccuracy / 100
	}
	done, err := within(ctx, ch.job("deploy"), deploy.Run)
	if errors.Is(err, stage.ErrOtherBase) {
		err = hintedError{err, "--base-model names the one it is for, --force deploys it all the same"}
	}
	if err != nil {
		return err
	}
	return c.print(ch, done)
}

// fraction returns a percentage as a share.
func fraction(percent *float64) *float64 {
	if percent == nil {
		return nil
	}
	v := *percent / 100
	return &v
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
	if m.Expert != "" {
		ch.say("%s: expert %s, release %s of %s, %s", verb, m.Expert, m.Release, m.Checkpoint, accuracy)
		return nil
	}
	ch.say("%s: release %s, run %s of %s, %s", verb, m.Release, m.Run, m.Dataset, accuracy)
	ch.say("Next: mole infer IMAGE, mole serve")
	return nil
}
