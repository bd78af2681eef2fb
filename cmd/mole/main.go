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
	"syscall"

	"github.com/alecthomas/kong"
)

// cli lists the commands. Kong reads names and texts from the tags.
type cli struct {
	Doctor  doctorCmd  `cmd:"" help:"Show what this machine can do, and check that this build computes right on it."`
	Parity  parityCmd  `cmd:"" help:"Compare this build with recorded runs of the reference implementation."`
	Version versionCmd `cmd:"" help:"Print the version of this build."`
}

const description = `Qwen3-VL with LoRA adapters, exact to transformers and PEFT, in one program without Python.`

// The exit statuses of every command.
const (
	statusOK      = 0
	statusFailed  = 1
	statusUsage   = 2
	statusStopped = 3
)

// exitHelp ends the help of every command.
const exitHelp = `

Exit status:

    0  everything is right
    1  something failed or is out of tolerance; the error message says what
    2  the command line is wrong
    3  stopped by a signal`

// Help ends the list of commands.
func (*cli) Help() string { return exitHelp[2:] }

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

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
		return statusUsage
	}
	err := dispatch(ctx, args, stdout, stderr)
	if err == nil {
		return statusOK
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	report(stderr, err)
	return status(ctx, err)
}

// dispatch parses a command line and runs what it asks for. A request for help
// is met while parsing.
func dispatch(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	helped := false
	parser, err := newParser(stdout, stderr, func(int) { helped = true })
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
	return command.Run()
}

// newParser returns the parser of command lines, which calls exit after it
// printed a help text.
func newParser(stdout, stderr io.Writer, exit func(int)) (*kong.Kong, error) {
	return kong.New(new(cli),
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
	var usage *kong.ParseError
	switch {
	case ctx.Err() != nil:
		return statusStopped
	case errors.As(err, &usage):
		return statusUsage
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
