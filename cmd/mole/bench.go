package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"mole/bench"
	"mole/device/cpu"
)

// benchCmd is mole bench.
type benchCmd struct {
	Parts     []string      `arg:"" optional:"" name:"part" help:"What to measure: step, gemm, lora, attention, decode, route, preprocess, tokenizer. Default: all of it, small."`
	Threads   int           `placeholder:"N" help:"Cores to use. Default: all, and 1 for single operations."`
	Tier      string        `placeholder:"NAME" help:"Kernels to measure, by a name that mole doctor prints. Default: the best of this processor."`
	Precision string        `enum:"f32,bf16" default:"f32" placeholder:"NAME" help:"Matrix products with bfloat16 weights: in f32 or bf16."`
	Rounds    int           `placeholder:"N" help:"Turns of a measurement and its yardstick, whose median counts. Default: 5."`
	Time      time.Duration `placeholder:"TIME" help:"Least time of one turn. Default: 100ms."`
	CPUTime   bool          `name:"cpu-time" help:"Count the time that the program computes in place of the time that passes: for one core of a busy machine. Steps ignore it."`
	JSON      bool          `name:"json" help:"Print one JSON object."`
	CSV       string        `name:"csv" placeholder:"FILE" help:"Append the figures to this file."`
	Against   string        `placeholder:"FILE" help:"Print beside each figure what this file recorded of it."`

	Widths string `placeholder:"NAME" help:"Widths of the network: tiny, 2b, 4b, 8b. Default: 2b."`
	Rank   int    `placeholder:"N" help:"Rank of adapters. Default: 16."`
	Tokens []int  `placeholder:"N" help:"Rows of a gemm, lora or attention. Default: 1024, for attention also 4096."`

	Layers       int    `placeholder:"N" help:"Layers of the text model. Default: 4."`
	VisionLayers int    `placeholder:"N" help:"Blocks of the vision tower. Default: 4."`
	Vocab        int    `placeholder:"N" help:"Words of the vocabulary. Default: 151936."`
	Image        string `placeholder:"WxH" help:"Size of the images of a step in pixels. Default: 1155x853."`
	Text         int    `placeholder:"N" help:"Text tokens of a sample. Default: 24."`
	Labels       int    `placeholder:"N" help:"Labels of a sample. Default: 2."`
	Batch        int    `placeholder:"N" help:"Samples of a step. Default: 4."`
	Steps        int    `placeholder:"N" help:"Steps, of which the first does not count. Default: 4."`
	Preset       string `placeholder:"NAME" help:"Where the adapter of a step goes: text, full, reference. Default: text."`
	PassTokens   int    `placeholder:"N" help:"Tokens that the network takes at once. Default: 4096."`
	Cached       bool   `help:"The images of a step have been seen: their features are stored."`
	SharedImage  bool   `help:"All samples of a step show the same image."`
	SharedPrompt int    `placeholder:"N" help:"Text tokens before the image that are the same in all samples of a step."`

	Sequences int `placeholder:"N" help:"Sequences that are decoded at a time. Default: 8."`
	Adapters  int `placeholder:"N" help:"Adapters that they have in turns, -1 for none. Default: one each."`
	Past      int `placeholder:"N" help:"Tokens that each sequence has read before. Default: 16."`

	Picture   string `placeholder:"FILE" help:"Image file to preprocess. Default: a drawn screen of 1155 by 853 pixels."`
	Tokenizer string `placeholder:"DIR" env:"MOLE_TOKENIZER" help:"Folder of the tokenizer.json to measure. Default: that of the embedded network."`
}

// Help shows how the command is used.
func (*benchCmd) Help() string {
	return `Measures this build beside yardsticks that run in turns with it: arithmetic beside a loop in registers, decoding beside reading memory. Machines differ and are shared, so compare the ratios only. Networks have random weights. bench/README.md lists the targets and what was measured; bench/compare.sh compares steps with transformers and PEFT.

    mole bench
    mole bench gemm lora --tier avx2 --threads 1
    mole bench step --widths 2b --layers 4 --vision-layers 4 --image 1155x853 --batch 4 --cached
    mole bench decode --precision bf16 --sequences 8 --past 1000
    mole bench attention --csv figures.csv
    mole bench attention --against figures.csv` + exitHelp
}

// Run measures, and prints what came of it.
func (c *benchCmd) Run(ctx context.Context, out io.Writer) error {
	o, err := c.options()
	if err != nil {
		return err
	}
	var record *bench.Record
	if c.Against != "" {
		if record, err = readRecord(c.Against); err != nil {
			return fmt.Errorf("%s: %w", c.Against, err)
		}
	}
	report, err := bench.Run(ctx, c.Parts, o)
	if err != nil {
		return err
	}
	report.Commit = readBuild().Revision
	if c.CSV != "" {
		if err := appendCSV(c.CSV, report); err != nil {
			return err
		}
	}
	if c.JSON {
		return report.WriteJSON(out)
	}
	return report.WriteTable(out, record)
}

// options returns what the flags say.
func (c *benchCmd) options() (bench.Options, error) {
	precision, err := cpu.ParsePrecision(c.Precision)
	o := bench.Options{
		Threads: c.Threads, Tier: c.Tier, Precision: precision, Rounds: c.Rounds, Slice: c.Time, CPUTime: c.CPUTime,
		Widths: c.Widths, Tokens: c.Tokens, Rank: c.Rank, Tokenizer: c.Tokenizer,
		Decode: bench.Decode{Sequences: c.Sequences, Adapters: c.Adapters, Past: c.Past},
		Step: bench.Step{
			Layers: c.Layers, VisionLayers: c.VisionLayers, Vocab: c.Vocab, Image: c.Image, Text: c.Text, Labels: c.Labels,
			Batch: c.Batch, Steps: c.Steps, Preset: c.Preset, PassTokens: c.PassTokens,
			Cached: c.Cached, SharedImage: c.SharedImage, SharedPrompt: c.SharedPrompt,
		},
	}
	if err == nil && c.Picture != "" {
		o.Image, err = os.ReadFile(c.Picture)
	}
	if len(c.Parts) == 0 {
		o = bench.Quick(o)
	}
	return o, err
}

// readRecord reads a file of figures.
func readRecord(name string) (*bench.Record, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was read only
	return bench.ReadRecord(f)
}

// appendCSV adds figures to a file, which is made if there is none.
func appendCSV(name string, r *bench.Report) (err error) {
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return r.WriteCSV(f, info.Size() == 0)
}
