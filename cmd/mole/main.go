// Command mole trains and serves mixtures of LoRA experts on the vision-language
// model Qwen3-VL. Each command has a file of its own; what they do is in the
// packages that they call.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/alecthomas/kong"

	"mole/train"
)

// cli lists the commands. Kong reads names and texts from the tags.
type cli struct {
	Demo       demoCmd       `cmd:"" help:"Run the whole chain, small, on drawn screens: the first thing to try."`
	Synth      synthCmd      `cmd:"" help:"Draw screens and write datasets to train experts and routers on."`
	Generate   generateCmd   `cmd:"" help:"Draw a routing set from the experts' datasets, and start the chain."`
	Link       linkCmd       `cmd:"" help:"Choose samples of the experts' datasets for a router, instead of a routing set."`
	Upload     uploadCmd     `cmd:"" help:"Publish a routing set on the volumes."`
	Preprocess preprocessCmd `cmd:"" help:"Turn a routing set into what training reads."`
	Train      trainCmd      `cmd:"" help:"Train a router, or an expert."`
	Eval       evalCmd       `cmd:"" help:"Judge a router on pictures that it did not learn from."`
	Test       testCmd       `cmd:"" help:"Let an expert answer its tests, or judge a router."`
	Pipeline   pipelineCmd   `cmd:"" help:"Run the whole chain, judge the new router, and deploy it if it is better."`
	Deploy     deployCmd     `cmd:"" help:"Make a trained router the one that answers, or go back to the one before."`
	Infer      inferCmd      `cmd:"" help:"Show pictures to the router, and ask the expert that it picks."`
	Serve      serveCmd      `cmd:"" help:"Answer with router and experts over HTTP, as OpenAI's interface has it."`
	Token      tokenCmd      `cmd:"" help:"Make a token for callers of the server."`
	Validate   validateCmd   `cmd:"" help:"Check a dataset."`
	Config     configCmd     `cmd:"" help:"Show every setting and where it came from, or check the files."`
	History    historyCmd    `cmd:"" help:"Show the runs so far."`
	Backfill   backfillCmd   `cmd:"" help:"Record runs that the history lacks."`
	Model      modelCmd      `cmd:"" help:"Download, check, list or make base models."`
	Volume     volumeCmd     `cmd:"" help:"Look at and copy what the store's volumes hold."`
	Doctor     doctorCmd     `cmd:"" help:"Show what this machine can do, and check that this build computes right on it."`
	Parity     parityCmd     `cmd:"" help:"Compare this build with recorded runs of the reference implementation."`
	Bench      benchCmd      `cmd:"" help:"Measure this build beside yardsticks, and print the ratios."`
	Version    versionCmd    `cmd:"" help:"Print the version of this build."`

	Tensorboard tensorboardCmd `cmd:"" help:"Show the curves of training runs, or remove old ones."`
	SaveLora    saveLoraCmd    `cmd:"" name:"save-lora" help:"Check the adapter of an expert, copy it to a volume, and list it."`
	Merge       mergeCmd       `cmd:"" help:"Add an adapter to the weights of its base network."`
	OcrCrops    ocrCropsCmd    `cmd:"" name:"ocr-crops" help:"Cut texts out of drawn screens, for the ocr class of a routing set."`
	Archive     archiveCmd     `cmd:"" help:"Pack a dataset into one file, or unpack such a file."`

	MergeRouting mergeRoutingCmd `cmd:"" name:"merge-routing" help:"Make one file of routing records of several JSONL files."`
}

const description = `Qwen3-VL with LoRA adapters, exact to transformers and PEFT, in one program without Python.`

// The exit statuses of every command (specification mole, 5.0).
const (
	statusOK          = 0
	statusFailed      = 1
	statusResumable   = 75
	statusInterrupted = 130
)

// exitHelp ends the help of every command.
const exitHelp = `

Exit status:

    0    everything is right
    1    something failed, is out of tolerance, or was asked wrongly; the error
         message says what
    75   stopped, and continued by the same command
    130  interrupted by a signal`

// Help ends the list of commands.
func (*cli) Help() string { return exitHelp[2:] }

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(heapRoom)
	}
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// heapRoom is how much the heap may grow before it is collected, in percent.
// What it holds is mostly pictures, without pointers, so to collect it costs
// little, and what a run takes should be what the plan says.
const heapRoom = 25

// run runs one command line and returns its exit status. Signals stop it.
func run(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	return runUntil(ctx, args, stdout, stderr)
}

// runUntil is run, stopped by the end of ctx.
func runUntil(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		runUntil(ctx, []string{"--help"}, stderr, stderr)
		return statusFailed
	}
	err := dispatch(ctx, args, stdout, stderr)
	if err == nil {
		return statusOK
	}
	if ctx.Err() != nil && !errors.Is(err, train.ErrStopped) {
		err = context.Cause(ctx)
	}
	report(stderr, err)
	return status(ctx, err)
}

// dispatch parses a command line and runs what it asks for. A request for help
// is met while parsing.
func dispatch(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	helped := false
	parser, err := newParser(args, stdout, stderr, func(int) { helped = true })
	if err != nil {
		return err
	}
	command, err := parser.Parse(args)
	if helped {
		return nil
	}
	if err != nil {
		return err
	}
	command.BindTo(ctx, (*context.Context)(nil))
	command.BindTo(stdout, (*io.Writer)(nil))
	command.Bind(errorWriter{stderr})
	return command.Run()
}

// newParser returns the parser of a command line, which calls exit after it
// printed a help text.
func newParser(args []string, stdout, stderr io.Writer, exit func(int)) (*kong.Kong, error) {
	c := new(cli)
	c.Link.countFlags(args)
	return kong.New(c,
		kong.Name("mole"),
		kong.Description(description),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true, WrapUpperBound: 80}),
		kong.Writers(stdout, stderr),
		kong.Exit(exit),
	)
}

// report prints an error once, and its hint on a line of its own.
func report(w io.Writer, err error) {
	fmt.Fprintf(w, "mole: %v\n", err)
	if h := hint(err); h != "" {
		fmt.Fprintf(w, "hint: %s\n", h)
	}
}

// status returns the exit status for an error.
func status(ctx context.Context, err error) int {
	switch {
	case errors.Is(err, train.ErrStopped):
		return statusResumable
	case ctx.Err() != nil:
		return statusInterrupted
	}
	return statusFailed
}

// hintedError is an error with advice for the person at the terminal.
type hintedError struct {
	error
	hint string
}

// Unwrap returns the error that the advice is for.
func (e hintedError) Unwrap() error { return e.error }

// hint returns the advice that goes with an error, or "".
func hint(err error) string {
	var usage *kong.ParseError
	if errors.As(err, &usage) {
		if node := usage.Context.Selected(); node != nil {
			return node.FullPath() + " --help lists its flags"
		}
		return "mole --help lists the commands"
	}
	var advised hintedError
	if errors.As(err, &advised) {
		return advised.hint
	}
	return ""
}
