package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"mole/config"
	"mole/history"
	"mole/store"
	"mole/store/file"
)

// historyFlags say where the records are.
type historyFlags struct {
	State  string `default:".mole" env:"MOLE_STATE" placeholder:"DIR" help:"Folder of this machine's state; the store is in its folder store. Default: .mole."`
	Config string `default:"config" placeholder:"DIR" help:"Folder of the configuration. Default: config."`
	JSON   bool   `name:"json" help:"Print one JSON object."`
}

// open opens the store and the configuration.
func (f *historyFlags) open() (store.Store, *config.Config, error) {
	c, err := openConfig(f.Config, "")
	if err != nil {
		return nil, nil, err
	}
	s, err := file.Open(filepath.Join(f.State, "store"))
	return s, c, err
}

// historyCmd is mole history.
type historyCmd struct {
	historyFlags
	Plot   string `placeholder:"FILE" help:"Also draw the runs to this file, .png or .svg."`
	Expert string `placeholder:"NAME" help:"The runs of an expert instead of those of the router."`
}

// Help shows how the command is used.
func (*historyCmd) Help() string {
	return `Sum up all training runs: how many, the best and the latest accuracy, what they cost, the last ten, and each class of the latest.

    mole history
    mole history --plot history.png` + exitHelp
}

// Run prints the summary.
func (c *historyCmd) Run(ctx context.Context, w io.Writer) error {
	s, settings, err := c.open()
	if err != nil {
		return err
	}
	records := history.Records{Volume: store.Volume{Store: s, Name: settings.Adapters.Volumes.TrainingHistory.Name}, Kind: history.Routers}
	if c.Expert != "" {
		records.Kind = c.Expert
	}
	runs, err := within(ctx, jobOf(settings, "history", 0), records.Read)
	if err != nil {
		return err
	}
	if c.Plot != "" {
		if err := drawHistory(c.Plot, runs); err != nil {
			return err
		}
	}
	summary := history.Sum(runs)
	if c.JSON {
		return writeObject(w, summary)
	}
	return summary.Write(w)
}

// drawHistory writes the plot, whole or not at all.
func drawHistory(name string, runs []history.Run) (err error) {
	var b bytes.Buffer
	if err := history.Plot(&b, name, runs); err != nil {
		return err
	}
	return writeWhole(name, b.Bytes())
}

// writeWhole writes a file, or replaces it, whole or not at all.
func writeWhole(name string, data []byte) error {
	dir, base := filepath.Split(name)
	f, err := os.CreateTemp(filepath.Clean(dir+"."), base+".*.tmp")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// backfillCmd is mole backfill.
type backfillCmd struct {
	historyFlags
	Dataset string `short:"d" placeholder:"NAME" help:"Routing set of the run; with --run."`
	RunName string `name:"run" short:"r" placeholder:"NAME" help:"Name of the run; with --dataset."`
	All     bool   `short:"a" help:"All runs that have no record."`
	List    bool   `short:"l" help:"List the runs, and which have a record."`
	DryRun  bool   `help:"Print the records, and write none."`
	From    string `placeholder:"DIR" help:"Folder that holds checkpoints/. Default: the volume of the store."`
}

// Help shows how the command is used.
func (*backfillCmd) Help() string {
	return `Make history records of runs that have none, from what the runs left: trainer state, evaluation report, results, cost report.

    mole backfill --list
    mole backfill --all
    mole backfill --dataset routing_20260105_110000 --run router-1` + exitHelp
}

// backfilled is what the command prints.
type backfilled struct {
	Runs      []backfilledRun `json:"runs"`
	Processed int             `json:"processed"`
	Total     int             `json:"total"` // runs without a record
	DryRun    bool            `json:"dry_run"`
}

// backfilledRun is one run.
type backfilledRun struct {
	Path     string       `json:"path"`
	Recorded bool         `json:"recorded"` // before
	Record   *history.Run `json:"record,omitempty"`
	Error    string       `json:"error,omitempty"`
}

// Run makes the records. The error of a single run is the command's.
func (c *backfillCmd) Run(ctx context.Context, w io.Writer) error {
	if c.single() && (c.Dataset == "" || c.RunName == "") {
		return errors.New("nothing to do: want --dataset and --run, --all, or --list")
	}
	s, settings, err := c.open()
	if err != nil {
		return err
	}
	volumes := settings.Adapters.Volumes
	found, err := c.find(ctx, store.Volume{Store: s, Name: volumes.MOEData.Name})
	if err != nil {
		return err
	}
	records := history.Records{Volume: store.Volume{Store: s, Name: volumes.TrainingHistory.Name}, Kind: history.Routers}
	r, failures := c.fillAll(ctx, records, found)
	if c.single() {
		return errors.Join(c.print(w, r), failures)
	}
	return errors.Join(c.print(w, r), context.Cause(ctx)) // each failure is in the list
}

// single reports whether the command is about one run.
func (c *backfillCmd) single() bool { return !c.All && !c.List }

// fillAll makes the records until the context ends.
func (c *backfillCmd) fillAll(ctx context.Context, records history.Records, found []history.Leftover) (backfilled, error) {
	r := backfilled{Runs: []backfilledRun{}, DryRun: c.DryRun}
	var failures error
	for _, l := range found {
		if ctx.Err() != nil {
			break
		}
		run, err := c.fill(ctx, records, l)
		r.add(run, err)
		failures = errors.Join(failures, err)
	}
	return r, failures
}

// find returns the runs that the command is about.
func (c *backfillCmd) find(ctx context.Context, v store.Volume) (found []history.Leftover, err error) {
	if c.From != "" {
		found, err = history.FindFolders(os.DirFS(c.From))
	} else {
		found, err = history.FindPublished(ctx, v)
	}
	if err != nil || !c.single() {
		return found, err
	}
	for _, l := range found {
		if l.Is(c.Dataset, c.RunName) {
			return []history.Leftover{l}, nil
		}
	}
	return nil, fmt.Errorf("run %s of dataset %s: no checkpoints", c.RunName, c.Dataset)
}

// fill makes the record of one run, unless there is one.
func (c *backfillCmd) fill(ctx context.Context, records history.Records, l history.Leftover) (backfilledRun, error) {
	b := backfilledRun{Path: l.Path}
	var err error
	b.Recorded, err = records.Has(ctx, l.Prefix())
	if err != nil || b.Recorded || c.List {
		return b, err
	}
	run, err := l.Backfill(time.Now())
	if err != nil {
		return b, err
	}
	b.Record = &run
	if c.DryRun {
		return b, nil
	}
	return b, records.Append(ctx, run)
}

// add adds what became of one run.
func (b *backfilled) add(r backfilledRun, err error) {
	if err != nil {
		r.Error = err.Error()
	}
	if !r.Recorded {
		b.Total++
	}
	if r.Record != nil && err == nil {
		b.Processed++
	}
	b.Runs = append(b.Runs, r)
}

// print prints what became of the runs.
func (c *backfillCmd) print(w io.Writer, b backfilled) error {
	if c.JSON {
		return writeObject(w, b)
	}
	for _, r := range b.Runs {
		state := "has no record"
		switch {
		case r.Recorded:
			state = "has a record"
		case r.Error != "":
			state = "left too little: " + r.Error
		case r.Record != nil && c.DryRun:
			state = "would get the record " + r.Record.ID
		case r.Record != nil:
			state = "got the record " + r.Record.ID
		}
		fmt.Fprintf(w, "%s %s\n", r.Path, state)
	}
	if c.List {
		return nil
	}
	_, err := fmt.Fprintf(w, "%d/%d\n", b.Processed, b.Total)
	return err
}
