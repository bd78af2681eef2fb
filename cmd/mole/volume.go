package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/vbauerster/mpb/v8/decor"

	"mole/store"
	"mole/store/file"
)

// volumeCmd is mole volume.
type volumeCmd struct {
	Ls   volumeLsCmd   `cmd:"" help:"List volumes, or what a volume holds."`
	Get  volumeGetCmd  `cmd:"" help:"Copy a folder or file out of a volume."`
	Put  volumePutCmd  `cmd:"" help:"Copy a folder or file into a volume."`
	Cp   volumeCpCmd   `cmd:"" help:"Publish what is at one path of a volume at another, too. No bytes are copied."`
	Rm   volumeRmCmd   `cmd:"" help:"Remove what was published at a path."`
	Sync volumeSyncCmd `cmd:"" help:"Make a folder equal to one in a volume, or the other way round."`
}

// Help shows how the commands are used.
func (*volumeCmd) Help() string {
	return `A volume is a named set of published folders in the store of this machine. VOLUME:PATH names a folder or file in one. A folder appears in one step, whole or not at all, and equal files are stored once; an interrupted copy continues where it stopped. docs/store.md describes the store.

    mole volume ls
    mole volume put datasets/routing_20260105_110000 moe-lora-data:datasets/routing_20260105_110000
    mole volume get moe-lora-data:checkpoints/datasets/demo/run-1/final adapter` + exitHelp
}

// volumeStore are the flags of every volume command.
type volumeStore struct {
	State string `default:".mole" env:"MOLE_STATE" placeholder:"DIR" help:"Folder of this machine's state; the store is in its folder store. Default: .mole."`
	JSON  bool   `name:"json" help:"Print one JSON object."`
}

// open returns the store.
func (v *volumeStore) open() (store.Store, error) { return file.Open(filepath.Join(v.State, "store")) }

// place is VOLUME:PATH on the command line.
type place struct{ volume, path string }

// UnmarshalText reads VOLUME:PATH; the path may be missing.
func (p *place) UnmarshalText(text []byte) error {
	volume, path, found := strings.Cut(string(text), ":")
	path, err := store.Clean(path)
	if err == nil {
		err = store.CheckName(volume)
	}
	if err == nil && (!found || strings.Contains(volume, "/")) {
		err = fmt.Errorf("%q: want VOLUME:PATH", text)
	}
	*p = place{volume, path}
	return err
}

// String returns VOLUME:PATH.
func (p place) String() string { return p.volume + ":" + p.path }

// in returns the volume in a store.
func (p place) in(s store.Store) store.Volume { return store.Volume{Store: s, Name: p.volume} }

// isPlace reports whether an argument is VOLUME:PATH rather than a local path.
// A local path with a colon can be written with "./" before it.
func isPlace(arg string) bool {
	volume, _, found := strings.Cut(arg, ":")
	return found && len(volume) > 1 && !strings.ContainsAny(volume, `/\`)
}

// writeObject prints a JSON object.
func writeObject(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// byteSize returns a size for people.
func byteSize(n int64) string { return fmt.Sprintf("% .1f", decor.SizeB1024(n)) }

// volumeLsCmd is mole volume ls.
type volumeLsCmd struct {
	volumeStore
	At string `arg:"" optional:"" name:"volume[:prefix]" help:"Default: all volumes."`
}

// listed is one line of the list.
type listed struct {
	Path    string    `json:"path"` // VOLUME:PATH
	Files   int       `json:"files"`
	Bytes   int64     `json:"bytes"`
	Time    time.Time `json:"time"`
	Tree    string    `json:"tree"`
	Version string    `json:"version"`
}

// Run prints the list.
func (c *volumeLsCmd) Run(ctx context.Context, w io.Writer) error {
	s, err := c.open()
	if err != nil {
		return err
	}
	volume, prefix, _ := strings.Cut(c.At, ":")
	volumes := []string{volume}
	if c.At == "" {
		if volumes, err = store.Volumes(ctx, s); err != nil {
			return err
		}
	}
	list := []listed{}
	for _, volume := range volumes {
		for e, err := range (store.Volume{Store: s, Name: volume}).List(ctx, prefix) {
			if err != nil {
				return err
			}
			list = append(list, listed{volume + ":" + e.Path, e.Ref.Files, e.Ref.Bytes, e.Info.Time, e.Ref.Tree, e.Info.Version})
		}
	}
	if c.JSON {
		return writeObject(w, map[string]any{"entries": list})
	}
	return writeList(w, list)
}

// writeList prints the list as a table.
func writeList(w io.Writer, list []listed) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, l := range list {
		fmt.Fprintf(table, "%s\t%d files\t%s\t%s\t%.12s\n",
			l.Path, l.Files, byteSize(l.Bytes), l.Time.Local().Format(time.DateTime), l.Tree)
	}
	return table.Flush()
}

// volumeRmCmd is mole volume rm.
type volumeRmCmd struct {
	volumeStore
	At    []place       `arg:"" optional:"" name:"volume:path"`
	Yes   bool          `help:"Do it. Without, it only says what it would do."`
	Sweep bool          `help:"Also remove the stored files that nothing leads to any more."`
	Grace time.Duration `default:"24h" help:"With --sweep: leave files younger than this, which a copy under way may need."`
}

// removed is what rm prints.
type removed struct {
	Removed []string     `json:"removed"` // VOLUME:PATH
	Swept   *store.Swept `json:"swept,omitempty"`
	DryRun  bool         `json:"dry_run"`
}

// Run removes references, and objects if asked to.
func (c *volumeRmCmd) Run(ctx context.Context, w io.Writer) error {
	s, err := c.open()
	if err != nil {
		return err
	}
	if len(c.At) == 0 && !c.Sweep {
		return errors.New("nothing to remove: want VOLUME:PATH or --sweep")
	}
	r := removed{Removed: []string{}, DryRun: !c.Yes}
	for _, at := range c.At {
		if err := c.check(ctx, s, at); err != nil {
			return err
		}
		r.Removed = append(r.Removed, at.String())
	}
	if c.Yes {
		err = c.remove(ctx, s)
	}
	if err == nil && c.Sweep {
		r.Swept = new(store.Swept)
		*r.Swept, err = store.Sweep(ctx, s, store.SweepOptions{Grace: max(c.Grace, 1), DryRun: !c.Yes})
	}
	if err != nil {
		return err
	}
	return c.report(w, r)
}

// remove removes the references.
func (c *volumeRmCmd) remove(ctx context.Context, s store.Store) error {
	for _, at := range c.At {
		if err := at.in(s).Remove(ctx, at.path); err != nil {
			return err
		}
	}
	return nil
}

// check returns an error unless something is published at a path.
func (c *volumeRmCmd) check(ctx context.Context, s store.Store, at place) error {
	ref, err := at.in(s).Ref(at.path)
	if err != nil {
		return err
	}
	if _, err := store.Stat(ctx, s, ref); err != nil {
		return fmt.Errorf("%s: nothing is published there: %w", at, err)
	}
	return nil
}

// report prints what was removed, or would be.
func (c *volumeRmCmd) report(w io.Writer, r removed) error {
	if c.JSON {
		return errors.Join(writeObject(w, r), c.refusal())
	}
	verb := "removed"
	if r.DryRun {
		verb = "would remove"
	}
	for _, at := range r.Removed {
		fmt.Fprintf(w, "%s %s\n", verb, at)
	}
	if r.Swept != nil {
		fmt.Fprintf(w, "%s %d stored files, %s; %d stay\n", verb, r.Swept.Objects, byteSize(r.Swept.Bytes), r.Swept.Kept)
	}
	return c.refusal()
}

// refusal is the error of a command that did nothing for want of --yes.
func (c *volumeRmCmd) refusal() error {
	if c.Yes {
		return nil
	}
	return hintedError{errors.New("nothing was removed"), "--yes does it"}
}
