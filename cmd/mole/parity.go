package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"mole/device/cpu"
	"mole/parity"
)

// parityCmd is mole parity.
type parityCmd struct {
	Dirs      []string `arg:"" name:"dir" help:"Case folders, each with a case.json."`
	Strict    bool     `help:"Fail if a case holds something that was not checked."`
	Tier      string   `enum:",generic,avx2,avx512,avx512bf16,neon" default:"" placeholder:"NAME" help:"Kernels to test: generic, avx2, avx512, avx512bf16 or neon. Default: the best of this processor."`
	Precision string   `enum:"f32,bf16" default:"f32" placeholder:"NAME" help:"Matrix products with bfloat16 weights: in f32 or bf16."`
	Tokenizer string   `placeholder:"DIR" env:"MOLE_TOKENIZER" help:"Folder of the tokenizer.json for cases of token ids that have none of their own."`
	Workers   int      `placeholder:"N" help:"Cores to use. Default: all."`
	JSON      bool     `name:"json" help:"Print every value with its error as one JSON object."`
	Verbose   bool     `short:"v" help:"Print a row for every value, not only the worst of its kind."`
}

// Help shows how the command is used.
func (*parityCmd) Help() string {
	return `Does this build, on this processor, give the numbers of transformers and PEFT? Each DIR is a recorded run. Its network is rebuilt by the rule that the case names, what was recorded is computed again, and the errors are printed beside the tolerances that float32 or bfloat16 allows. A damaged case is an error. docs/parity.md describes cases and tolerances.

    mole parity parity/testdata/tiny-full
    mole parity --strict --tokenizer ~/qwen reference/*/
    mole parity --tier generic -v reference/wide-2b` + exitHelp
}

// Run checks the cases and prints the report.
func (c *parityCmd) Run(ctx context.Context, w io.Writer) error {
	precision, err := cpu.ParsePrecision(c.Precision)
	if err != nil {
		return err
	}
	report, err := parity.Run(ctx, c.cases(), parity.Options{
		Tier: c.Tier, Precision: precision, Workers: c.Workers, Tokenizer: c.Tokenizer,
	})
	if err != nil {
		return err
	}
	if c.JSON {
		err = report.WriteJSON(w, c.Strict)
	} else {
		err = report.WriteTable(w, c.Verbose)
	}
	return errors.Join(err, c.verdict(report))
}

// cases names each folder by its last element, or by all of it where two
// would be called the same.
func (c *parityCmd) cases() []parity.Case {
	var names []string
	for _, dir := range c.Dirs {
		if abs, err := filepath.Abs(dir); err == nil {
			dir = abs
		}
		names = append(names, filepath.Base(dir))
	}
	var cases []parity.Case
	for i, dir := range c.Dirs {
		name := names[i]
		if slices.Contains(append(slices.Clone(names[:i]), names[i+1:]...), name) {
			name = filepath.Clean(dir)
		}
		cases = append(cases, parity.Case{Name: name, Files: os.DirFS(dir)})
	}
	return cases
}

// verdict returns an error unless the report is good.
func (c *parityCmd) verdict(r *parity.Report) error {
	if r.OK(c.Strict) {
		return nil
	}
	bad, unchecked := 0, 0
	for _, result := range r.Results {
		switch result.Status() {
		case parity.StatusError, parity.StatusFailed:
			bad++
		case parity.StatusNotChecked:
			unchecked++
		}
	}
	if bad == 0 {
		return hintedError{
			fmt.Errorf("%d of %d cases hold something that was not checked", unchecked, len(r.Results)),
			"without --strict that is no failure",
		}
	}
	return fmt.Errorf("%d of %d cases do not give the numbers of the reference", bad, len(r.Results))
}
