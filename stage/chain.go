package stage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Chain is the stages in their order, each with what it needs beside the
// results of those before it: the folder of the set, its name, the name of the
// run (specification mole, 5.0 and 5.9). A nil stage is left out.
type Chain struct {
	*Place
	Generate   *Generate
	Upload     *Upload
	Preprocess *Preprocess
	Train      *Train
	Eval       *Eval
	Deploy     *Promote

	From    string // name of the first stage to run; "generate"
	Until   string // of the last; the last that is there
	NoChain bool   // run the first stage only
	// After, if not nil, is told the name of each stage that is done, with its
	// result, before the next one begins. An error of its ends the chain.
	After func(name string, result any) error
	// Within, if not nil, runs each stage, within what it may take.
	Within func(ctx context.Context, name string, run func(context.Context) (any, error)) (any, error)
}

// RunName returns the name of a run on a set that was given none.
func RunName(dataset string) string { return strings.ReplaceAll(dataset, "_", "-") }

// link is a stage of a chain.
type link struct {
	name    string
	there   bool
	run     func(context.Context) (any, error)
	command func() string // that does it by hand
}

// links returns all stages. Each hands on what the later ones need.
func (c *Chain) links() []link {
	return []link{
		{"generate", c.Generate != nil, c.generate, func() string { return "mole generate" }},
		{"upload", c.Upload != nil, c.upload, func() string { return strings.TrimSpace("mole upload " + c.Upload.Dir) }},
		{"preprocess", c.Preprocess != nil, c.preprocess, func() string { return "mole preprocess" + flags(c.Preprocess.Dataset, "") }},
		{"train", c.Train != nil, c.train, func() string { return "mole train" + flags(c.Train.Dataset, c.Train.Name) }},
		{"eval", c.Eval != nil, c.eval, func() string { return "mole eval" + flags(c.Eval.Dataset, c.Eval.Name) }},
		{"deploy", c.Deploy != nil, c.deploy, func() string { return "mole deploy" + flags(c.Deploy.Dataset, c.Deploy.Name) }},
	}
}

// flags returns the flags that name a set and a run, as far as they are known.
func flags(dataset, run string) string {
	var text string
	for _, f := range []struct{ name, value string }{{"dataset-name", dataset}, {"run-name", run}} {
		if f.value != "" {
			text += " --" + f.name + " " + f.value
		}
	}
	return text
}

// part returns the stages that are to run and those that would follow.
func (c *Chain) part() (run, rest []link, err error) {
	all := slices.DeleteFunc(c.links(), func(l link) bool { return !l.there })
	if len(all) == 0 {
		return nil, nil, errors.New("a chain without stages")
	}
	from, err := place(all, first(c.From, all[0].name))
	if err != nil {
		return nil, nil, err
	}
	until, err := place(all, first(c.Until, all[len(all)-1].name))
	if err != nil {
		return nil, nil, err
	}
	if c.NoChain {
		until = from
	}
	if until < from {
		return nil, nil, fmt.Errorf("from %s until %s: the chain runs the other way", c.From, c.Until)
	}
	return all[from : until+1], all[until+1:], nil
}

// place returns where a stage stands.
func place(all []link, name string) (int, error) {
	var names []string
	for i, l := range all {
		if l.name == name {
			return i, nil
		}
		names = append(names, l.name)
	}
	return 0, fmt.Errorf("stage %q, want one of %s", name, strings.Join(names, ", "))
}

// Runs reports whether Run would run a stage.
func (c *Chain) Runs(name string) bool {
	run, _, err := c.part()
	return err == nil && slices.ContainsFunc(run, func(l link) bool { return l.name == name })
}

// Plan returns lines that say what Run would run, and what would follow. It
// touches nothing.
func (c *Chain) Plan() ([]string, error) {
	run, rest, err := c.part()
	if err != nil {
		return nil, err
	}
	var lines []string
	for _, l := range run {
		lines = append(lines, "would run: "+l.command())
	}
	for _, l := range rest {
		lines = append(lines, "would follow: "+l.command())
	}
	return lines, nil
}

// Run runs the stages, with no other chain between them. What was done before
// is not done again. next is the command that goes on where it ended, "" after
// the last stage.
func (c *Chain) Run(ctx context.Context) (next string, err error) {
	run, rest, err := c.part()
	if err != nil {
		return "", err
	}
	return alone(ctx, c.Place, "mole "+run[0].name+" and what follows", func(ctx context.Context) (string, error) {
		for _, l := range run {
			if err := c.step(ctx, l); err != nil {
				return "", err
			}
		}
		if len(rest) == 0 {
			return "", nil
		}
		return rest[0].command(), nil
	})
}

// step runs one stage.
func (c *Chain) step(ctx context.Context, l link) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var result any
	var err error
	if c.Within != nil {
		result, err = c.Within(ctx, l.name, l.run)
	} else {
		result, err = l.run(ctx)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", l.name, err)
	}
	if c.After == nil {
		return nil
	}
	return c.After(l.name, result)
}

func (c *Chain) generate(ctx context.Context) (any, error) {
	out, err := c.Generate.Run(ctx)
	if err == nil && c.Upload != nil {
		c.Upload.Dir = out.Dir
	}
	return out, err
}

func (c *Chain) upload(ctx context.Context) (any, error) {
	out, err := c.Upload.Run(ctx)
	if err == nil && c.Preprocess != nil {
		c.Preprocess.Dataset = out.Name
	}
	return out, err
}

func (c *Chain) preprocess(ctx context.Context) (any, error) {
	out, err := c.Preprocess.Run(ctx)
	if err == nil && c.Train != nil {
		c.Train.Dataset, c.Train.Name = out.Dataset, first(c.Train.Name, RunName(out.Dataset))
		c.Train.Linked = out.Linked
	}
	return out, err
}

func (c *Chain) train(ctx context.Context) (any, error) {
	out, err := c.Train.Run(ctx)
	if err == nil && c.Eval != nil {
		c.Eval.Dataset, c.Eval.Name = c.Train.Dataset, out.Name
	}
	return out, err
}

func (c *Chain) eval(ctx context.Context) (any, error) {
	out, err := c.Eval.Run(ctx)
	if err == nil && c.Deploy != nil {
		c.Deploy.Dataset, c.Deploy.Name, c.Deploy.Judged = c.Eval.Dataset, c.Eval.Name, out
	}
	return out, err
}

func (c *Chain) deploy(ctx context.Context) (any, error) { return c.Deploy.Run(ctx) }
