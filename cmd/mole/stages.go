package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"mole/eval"
	"mole/stage"
)

// uploadCmd is mole upload.
type uploadCmd struct {
	chainFlags
	linkFlags
	Dir          string `arg:"" optional:"" help:"The routing set. Default: the newest one."`
	FromDir      string `placeholder:"DIR" help:"Folder of the experts' datasets. Default: experts in the state folder."`
	SkipValidate bool   `help:"Do not look at the contents."`
	Dry          bool   `help:"The same as --dry-run."`
}

// Help shows how the command is used.
func (*uploadCmd) Help() string {
	return `Checks a routing set and publishes it, with the pictures that it names, on the volumes. Only what is not there yet is copied.

    mole upload
    mole upload .mole/datasets/routing_20260105_110000 --no-chain` + exitHelp
}

// Run publishes the set and starts the next stages.
func (c *uploadCmd) Run(ctx context.Context, out io.Writer, errs errorWriter) (err error) {
	ch, err := c.open(out, errs)
	if err != nil {
		return err
	}
	defer ch.finish(&err)
	if c.Dir == "" {
		name, err := ch.newestSet()
		if err != nil {
			return err
		}
		c.Dir = filepath.Join(ch.datasets(), name)
	}
	s := ch.stages(c.FromDir)
	s.Upload.Dir, s.Upload.SkipValidate, s.NoChain = c.Dir, c.SkipValidate, c.NoChain
	return ch.start(ctx, s, c.DryRun || c.Dry)
}

// preprocessCmd is mole preprocess.
type preprocessCmd struct {
	chainFlags
	linkFlags
	DatasetName string `required:"" placeholder:"NAME" help:"The routing set on the volume."`
	Force       bool   `help:"Do it again, though it was done before."`
	Dry         bool   `help:"The same as --dry-run."`
}

// Help shows how the command is used.
func (*preprocessCmd) Help() string {
	return `Turns a routing set into what training reads: token ids and labels, and every distinct picture once, in the size that the network sees.

    mole preprocess --dataset-name routing_20260105_110000` + exitHelp
}

// Run preprocesses the set and starts train.
func (c *preprocessCmd) Run(ctx context.Context, out io.Writer, errs errorWriter) (err error) {
	ch, err := c.open(out, errs)
	if err != nil {
		return err
	}
	defer ch.finish(&err)
	s := ch.stages("")
	s.Upload, s.NoChain = nil, c.NoChain
	s.Preprocess.Dataset, s.Preprocess.Force = c.DatasetName, c.Force
	s.Train.Dataset, s.Train.Name = c.DatasetName, stage.RunName(c.DatasetName)
	return ch.start(ctx, s, c.DryRun || c.Dry)
}

// trainCmd is mole train.
type trainCmd struct {
	chainFlags
	trainFlags
	DatasetName string `placeholder:"NAME" help:"The preprocessed routing set; with --expert, the expert's dataset. Default there: its newest."`
	Manifest    string `placeholder:"NAME" help:"Train on the samples that this manifest of mole link names, which are preprocessed first."`
	Expert      string `placeholder:"NAME" help:"Train the adapter of this expert, not a router."`
	FromDir     string `placeholder:"DIR" help:"With --expert: folder of the dataset, or of datasets. Default: the volume, else experts in the state folder."`
	PerPicture  int    `name:"samples-per-picture" placeholder:"N" help:"With --expert: samples about one picture that share a step, at most; negative for an order that does not look. Default: 4."`
	Weights     string `name:"loss-weights" placeholder:"BASE,ACTION,ARG" help:"With --expert: how much the tokens of tool calls count in the loss, such as 1,1.5,2: ACTION those of the name of the action, ARG those of the values of its arguments, BASE the others. Default: all tokens of an answer count the same."`
	WeightsMode string `name:"loss-weights-mode" enum:",json,legacy" default:"" placeholder:"BY" help:"How --loss-weights tells these apart: json reads the call, legacy takes the first fifth of its tokens for the action. Default: json."`
	RunName     string `placeholder:"NAME" help:"Name of the run. Default: made of the set's."`
	Seed        uint64 `placeholder:"N" help:"Seed of weights and order. Default: 420."`
	Force       bool   `help:"Train again, though it was done before."`
	Plan        bool   `help:"Print what the run would take of the memory, and touch nothing."`
	Dry         bool   `help:"Print what would run, and touch nothing."`
}

// Help shows how the command is used.
func (*trainCmd) Help() string {
	return `Trains a router on a preprocessed set and calibrates it, with a linear head and class prototypes on frozen features as baselines. With --expert it trains the adapter of an expert on its dataset of instructions and tool calls, which is published and preprocessed first. With --manifest the set is the one that mole link made, and is preprocessed first. A run that was stopped or killed continues when it is started again.

    mole train --dataset-name routing_20260105_110000
    mole train --dataset-name routing_20260105_110000 --run-name wide --lora-rank 32 --max-steps 400
    mole train --manifest router_linked_20260106_101500
    mole train --expert calendar --dataset-name calendar--demo--20260105_090000
    mole train --expert calendar --from-dir datasets
    mole train --expert calendar --run-name places --loss-weights 1,1.5,2` + exitHelp
}

// Run trains the router, or an expert.
func (c *trainCmd) Run(ctx context.Context, out io.Writer, errs errorWriter) (err error) {
	ch, err := c.open(out, errs)
	if err != nil {
		return err
	}
	defer ch.finish(&err)
	if err := c.check(); err != nil {
		return err
	}
	if c.Expert != "" {
		return c.expert(ctx, ch)
	}
	s := ch.stages("")
	s.Upload = nil
	if err := c.link(ctx, ch, s); err != nil {
		return err
	}
	s.Train.Dataset, s.Train.Name = c.DatasetName, cmp.Or(c.RunName, stage.RunName(c.DatasetName))
	s.Train.Settings, s.Train.Force = c.settings(), c.Force
	s.Train.Settings.Seed = c.Seed
	if c.Plan {
		return ch.planMemory(ctx, s)
	}
	return ch.start(ctx, s, c.Dry)
}

// check refuses flags that say too little or too much about what is trained.
func (c *trainCmd) check() error {
	switch {
	case c.Manifest != "" && (c.Expert != "" || c.DatasetName != ""):
		return errors.New("--manifest stands for a routing set: neither --dataset-name nor --expert goes with it")
	case c.Expert != "":
		return nil
	case c.DatasetName == "" && c.Manifest == "":
		return errors.New("--dataset-name: want the routing set, or --expert NAME, or --manifest NAME")
	case c.Weights != "" || c.WeightsMode != "":
		return fmt.Errorf("--loss-weights goes with --expert: %w", stage.ErrRouterWeights)
	case c.FromDir != "":
		return errors.New("--from-dir goes with --expert; mole upload publishes a routing set")
	}
	return nil
}

// link puts the manifest, if one is named, in the place of a preprocessed set.
func (c *trainCmd) link(ctx context.Context, ch *chain, s *stage.Chain) error {
	if c.Manifest == "" {
		s.Preprocess = nil
		return nil
	}
	c.DatasetName = stage.ManifestName(c.Manifest)
	ok, err := ch.HasManifest(ctx, c.DatasetName)
	if err == nil && !ok {
		err = fmt.Errorf("--manifest %s: not there; mole link makes one", c.Manifest)
	}
	s.Preprocess.Dataset = c.DatasetName
	return err
}

// planMemory prints what a run would take.
func (c *chain) planMemory(ctx context.Context, s *stage.Chain) error {
	if err := c.equip(ctx, s); err != nil {
		return err
	}
	n, err := s.Train.Needs(ctx)
	if err != nil {
		return err
	}
	c.sayNeeds(n, s.Train.Memory)
	return nil
}

// sayNeeds prints what a run would take, and what the process may.
func (c *chain) sayNeeds(n stage.Needs, memory int64) {
	for _, part := range []struct {
		what  string
		bytes int64
	}{
		{"weights of the base network, mapped", n.Weights}, {"adapter, gradients, moments, checkpoint", n.Adapter},
		{fmt.Sprintf("activations of a pass of %d tokens", n.Tokens), n.Activations}, {"features of pictures", n.Features},
		{"the program itself", n.Program},
		{"together", n.Total()}, {"this process may take", memory},
	} {
		c.say("%12s  %s", sizeText(part.bytes), part.what)
	}
}

// evalCmd is mole eval.
type evalCmd struct {
	chainFlags
	DatasetName string   `xor:"set" placeholder:"NAME" help:"The routing set."`
	Manifest    string   `xor:"set" placeholder:"NAME" help:"The manifest of mole link. Default: that of --run-name."`
	RunName     string   `placeholder:"NAME" help:"The run. Default: made of the set's name."`
	Split       string   `enum:"test,val,train" default:"test" placeholder:"NAME" help:"test, val or train. Default: test."`
	Outside     string   `placeholder:"DIR" help:"Folder of screens of no expert, to see whether they are noticed."`
	Out         string   `placeholder:"DIR" help:"Folder for the reports. Default: reports in the state folder."`
	Compare     bool     `help:"Let the two named routers answer the same pictures, with an exact sign test, and write no report."`
	Routers     []string `arg:"" optional:"" help:"With --compare, two of: deployed, a run of the set, DATASET/RUN."`
}

// Help shows how the command is used.
func (*evalCmd) Help() string {
	return `Judges a trained router and its baselines on pictures that it did not learn from: accuracy with its interval, calibration, and whether unknown screens come out as unsure. Writes a report as JSON and as a page.

    mole eval --dataset-name routing_20260105_110000
    mole eval --dataset-name routing_20260105_110000 --outside screens/unknown
    mole eval --manifest router_linked_20260106_101500
    mole eval --dataset-name routing_20260105_110000 --compare wide deployed` + exitHelp
}

// Run evaluates the router.
func (c *evalCmd) Run(ctx context.Context, out io.Writer, errs errorWriter) (err error) {
	ch, err := c.open(out, errs)
	if err != nil {
		return err
	}
	defer ch.finish(&err)
	if err := c.choose(ctx, ch); err != nil {
		return err
	}
	if c.Compare || len(c.Routers) > 0 {
		return c.compare(ctx, ch)
	}
	return ch.start(ctx, &stage.Chain{
		Place: ch.Place,
		Eval: &stage.Eval{
			Place: ch.Place, Dataset: c.DatasetName, Name: cmp.Or(c.RunName, stage.RunName(c.DatasetName)), Split: c.Split, Outside: c.Outside, Out: c.Out,
		},
		Deploy: &stage.Promote{Deploy: &stage.Deploy{}}, Until: "eval", After: ch.tell,
	}, false)
}

// choose settles which set the router is asked about: that of the run, where it
// was trained on a manifest, if none is named.
func (c *evalCmd) choose(ctx context.Context, ch *chain) (err error) {
	switch {
	case c.Manifest != "":
		c.DatasetName = stage.ManifestName(c.Manifest)
	case c.DatasetName == "" && c.RunName == "":
		err = errors.New("--dataset-name: want the routing set, or --manifest NAME, or the --run-name of a run on a manifest")
	case c.DatasetName == "":
		c.DatasetName, err = ch.ManifestOf(ctx, c.RunName)
	}
	return err
}

// compare prints how two routers do on the same pictures.
func (c *evalCmd) compare(ctx context.Context, ch *chain) error {
	if !c.Compare || len(c.Routers) != 2 {
		return fmt.Errorf("--compare %s: want two routers, each deployed, a run of the set, or DATASET/RUN", strings.Join(c.Routers, " "))
	}
	compare := &stage.Compare{
		Place: ch.Place, Dataset: c.DatasetName, Split: c.Split, A: c.Routers[0], B: c.Routers[1], Base: ch.flags.BaseModel, Precision: precisionOf(c.Precision),
	}
	done, err := within(ctx, ch.job("eval"), compare.Run)
	if err != nil {
		return err
	}
	ch.progress.end()
	return done.WriteText(ch.out, eval.TextOptions{Width: 100})
}
