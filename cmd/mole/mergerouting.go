package main

import (
	"bytes"
	"fmt"
	"io"

	"mole/dataset"
)

// mergeRoutingCmd is mole merge-routing.
type mergeRoutingCmd struct {
	Source  []string `required:"" sep:"none" placeholder:"KEY=VALUE,..." help:"A file to merge: label= (an expert or its label) and jsonl= must be there; image_root=, tasks=a+b, limit= and name= may. May be repeated."`
	Output  string   `required:"" placeholder:"FILE" help:"JSONL file to write."`
	Shuffle bool     `help:"Shuffle the records of all sources together."`
	Seed    uint64   `default:"42" placeholder:"N" help:"Seed of --shuffle. Default: 42."`
	Config  string   `default:"config" placeholder:"DIR" help:"Folder of the configuration, which says what labels mean. Default: config."`
	JSON    bool     `name:"json" help:"Print one JSON object."`
}

// Help shows how the command is used.
func (*mergeRoutingCmd) Help() string {
	return `Makes one file of routing records of several JSONL files: each record gets the label of its source's expert as its answer, and its picture is looked for in image_root, in the folder of the file, and beside that folder. A record whose picture is not found stays, with a warning; one picture under two labels is an error. docs/dataset.md describes the records.

    mole merge-routing --source label=calendar,jsonl=calendar/train.jsonl --source label=desktop,jsonl=desktop/train.jsonl,limit=500 --output merged.jsonl --shuffle
    mole merge-routing --source label=1,jsonl=claims.jsonl,image_root=pictures,tasks=click-tab+click-button --output merged.jsonl` + exitHelp
}

// mergedFile is what the command prints.
type mergedFile struct {
	Output  string         `json:"output"`
	Records int            `json:"records"`
	Sources []mergedSource `json:"sources"`
	Missing int            `json:"missing_images"`
}

// mergedSource is one source.
type mergedSource struct {
	JSONL   string `json:"jsonl"`
	Label   string `json:"label"`
	Records int    `json:"records"`
}

// Run merges the files.
func (c *mergeRoutingCmd) Run(out io.Writer, errs errorWriter) error {
	settings, err := loadConfig(c.Config)
	if err != nil {
		return err
	}
	o := dataset.MergeOptions{Experts: settings.Experts, Shuffle: c.Shuffle, Seed: c.Seed}
	for _, text := range c.Source {
		s, err := dataset.ParseMergeSource(text)
		if err != nil {
			return err
		}
		o.Sources = append(o.Sources, s)
	}
	m, err := dataset.Merge(o)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	if err := dataset.WriteRecords(&text, m.Records); err != nil {
		return err
	}
	if err := writeWhole(c.Output, text.Bytes()); err != nil {
		return err
	}
	return c.print(out, errs, o, m)
}

// print says what was merged.
func (c *mergeRoutingCmd) print(out io.Writer, errs errorWriter, o dataset.MergeOptions, m *dataset.Merged) error {
	const shown = 10
	for i, missing := range m.Missing {
		if i == shown {
			fmt.Fprintf(errs, "and %d more\n", len(m.Missing)-shown)
			break
		}
		fmt.Fprintf(errs, "picture not found: %s\n", missing)
	}
	r := mergedFile{Output: c.Output, Records: len(m.Records), Missing: len(m.Missing), Sources: []mergedSource{}}
	for i, s := range o.Sources {
		r.Sources = append(r.Sources, mergedSource{s.JSONL, s.Label, m.Counts[i]})
	}
	if c.JSON {
		return writeObject(out, r)
	}
	for _, s := range r.Sources {
		fmt.Fprintf(out, "%7d  %s from %s\n", s.Records, s.Label, s.JSONL)
	}
	_, err := fmt.Fprintf(out, "%s: %d records, %d without picture\n", r.Output, r.Records, r.Missing)
	return err
}
