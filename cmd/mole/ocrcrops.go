package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"mole/expert"
	"mole/synth"
)

// ocrCropsCmd is mole ocr-crops.
type ocrCropsCmd struct {
	Expert       []string `placeholder:"NAME" help:"Expert whose screens are cut up; may be repeated. Default: all whose screens declare texts."`
	OutputDir    string   `placeholder:"DIR" help:"Folder to make. Default: datasets/ocr in the state folder."`
	MaxGrids     int      `default:"200" placeholder:"N" help:"Crops of tables, at most. Default: 200."`
	MaxDropdowns int      `default:"200" placeholder:"N" help:"Crops of open lists, at most. Default: 200."`
	MaxBlocks    int      `default:"200" placeholder:"N" help:"Crops of blocks of text, at most. Default: 200."`
	MaxLines     int      `default:"200" placeholder:"N" help:"Crops of single lines, at most. Default: 200."`
	Seed         uint64   `default:"42" placeholder:"N" help:"Seed of all that is drawn. Default: 42."`
	Workers      int      `placeholder:"N" help:"Cores to use. Default: all."`
	State        string   `default:".mole" env:"MOLE_STATE" placeholder:"DIR" help:"Folder of this machine's state. Default: .mole."`
	Config       string   `default:"config" placeholder:"DIR" help:"Folder of the configuration, which says the label. Default: config."`
	JSON         bool     `name:"json" help:"Print one JSON object."`
}

// Help shows how the command is used.
func (*ocrCropsCmd) Help() string {
	return `Draws screens, cuts the texts out that they declare (tables, open lists, blocks, lines), each from a picture of its own, and writes the crops with the label of the expert that reads text: the ocr class of a routing set. The text of a crop is in its metadata. The same seed draws the same bytes. docs/dataset.md describes the set.

    mole ocr-crops
    mole ocr-crops --expert claim-window --max-grids 50 --max-blocks 0 --max-lines 0 --output-dir crops` + exitHelp
}

// Run makes the crops.
func (c *ocrCropsCmd) Run(ctx context.Context, out io.Writer) error {
	settings, err := loadConfig(c.Config)
	if err != nil {
		return err
	}
	label, ok := labelOfOCR(settings.Experts)
	if !ok {
		return hintedError{errors.New("no expert has kind ocr, so there is no label for crops"), "kind: ocr in adapters.yaml makes one so"}
	}
	dir := cmp.Or(c.OutputDir, filepath.Join(c.State, "datasets", "ocr"))
	made, err := synth.Crops(ctx, dir, synth.CropOptions{
		Experts: c.Expert, Grids: c.MaxGrids, Dropdowns: c.MaxDropdowns, Blocks: c.MaxBlocks, Lines: c.MaxLines, Seed: c.Seed, Label: label, Workers: c.Workers,
	})
	if errors.Is(err, fs.ErrExist) {
		err = hintedError{err, "--output-dir names another folder"}
	}
	if err != nil {
		return err
	}
	if c.JSON {
		return writeObject(out, made)
	}
	_, err = fmt.Fprintf(out, "%s: %d crops: %d grids, %d drop-downs, %d blocks, %d lines; label %d\n",
		dir, made.Total, made.Grids, made.Dropdowns, made.Blocks, made.Lines, label)
	return err
}

// labelOfOCR returns the label of the first expert that reads text.
func labelOfOCR(t expert.Table) (label int, ok bool) {
	for _, e := range t {
		if e.Kind == expert.OCR {
			return e.Label, true
		}
	}
	return 0, false
}
