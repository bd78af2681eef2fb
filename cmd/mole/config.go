package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"mole/config"
)

// configCmd is mole config.
type configCmd struct {
	Show  configShowCmd  `cmd:"" help:"Print the settings, and where each value came from."`
	Check configCheckCmd `cmd:"" help:"Check the files of a configuration."`
}

// Help shows how the commands are used.
func (*configCmd) Help() string {
	return `Settings come from flags, from variables MOLE_*, from the files in the folder config, and from the defaults in the program; the first of these that has a value counts. What is not known is an error that says where it stands.

    mole config show
    mole config show dataset.splits
    mole config check` + exitHelp
}

// loadConfig reads the configuration in a folder. Only the usual folder may be
// missing.
func loadConfig(dir string) (*config.Config, error) {
	o := config.Options{Dir: filepath.ToSlash(dir), Environ: os.Environ()}
	info, err := os.Stat(dir)
	switch {
	case err == nil && !info.IsDir():
		return nil, fmt.Errorf("configuration %s: want a folder", dir)
	case err == nil:
		o.FS = os.DirFS(dir)
	case !errors.Is(err, fs.ErrNotExist) || dir != config.Dir:
		return nil, fmt.Errorf("configuration: %w", err)
	}
	return config.Load(o)
}

// openConfig reads the configuration in a folder for a command that works by it:
// values that nothing would obey are errors. command is that of settings that
// matter to it alone, or "".
func openConfig(dir, command string) (*config.Config, error) {
	c, err := loadConfig(dir)
	if err != nil {
		return nil, err
	}
	return c, c.Supported(command)
}

// configShowCmd is mole config show.
type configShowCmd struct {
	Config string `default:"config" placeholder:"DIR" help:"Folder of the configuration. Default: config."`
	JSON   bool   `name:"json" help:"Print one JSON object."`
	Key    string `arg:"" optional:"" help:"Only this value, or those below it: dataset.seed, adapters.experts."`
}

// shown is what show prints.
type shown struct {
	Files  []config.File  `json:"files"`
	Values []config.Value `json:"values"`
}

// Run prints the settings.
func (c *configShowCmd) Run(_ context.Context, w io.Writer) error {
	settings, err := loadConfig(c.Config)
	if err != nil {
		return err
	}
	values, err := settings.Values(c.Key)
	if err != nil {
		return hintedError{err, "mole config show lists all keys"}
	}
	if c.JSON {
		return writeObject(w, shown{settings.Files, append([]config.Value{}, values...)})
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, v := range values {
		source := v.Source
		if v.Note != "" {
			source += " (not read: " + v.Note + ")"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\n", v.Key, oneLine(v.Value), source)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, f := range settings.Files {
		if !f.Found && c.Key == "" {
			fmt.Fprintf(w, "%s is missing: defaults\n", f.Name)
		}
	}
	return nil
}

// oneLine returns a value as it is written in a file, on one line.
func oneLine(v any) string {
	s, isText := v.(string)
	if isText && s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return s
	}
	if isText {
		return fmt.Sprintf("%q", s)
	}
	if list, ok := v.([]int); ok {
		return strings.Join(strings.Fields(fmt.Sprint(list)), ", ")
	}
	return fmt.Sprint(v)
}

// configCheckCmd is mole config check.
type configCheckCmd struct {
	Dir  string `arg:"" optional:"" default:"config" help:"Folder of the configuration. Default: config."`
	JSON bool   `name:"json" help:"Print one JSON object."`
}

// checked is what check prints of a configuration without errors.
type checked struct {
	Files   []config.File `json:"files"`
	Unread  []string      `json:"unread"` // files of the folder that nothing reads
	Values  int           `json:"values"`
	Set     int           `json:"set"` // values that are not defaults
	Experts string        `json:"experts"`
}

// Run checks the files.
func (c *configCheckCmd) Run(_ context.Context, w io.Writer) error {
	settings, err := openConfig(c.Dir, "serve")
	if err != nil {
		return err
	}
	values, err := settings.Values("")
	if err != nil {
		return err
	}
	unread, err := unreadFiles(c.Dir, settings.Files)
	if err != nil {
		return err
	}
	r := checked{Files: settings.Files, Unread: unread, Values: len(values), Experts: settings.Experts.String()}
	for _, v := range values {
		if v.Source != (config.Source{}).String() {
			r.Set++
		}
	}
	if c.JSON {
		return writeObject(w, r)
	}
	return r.write(w)
}

// unreadFiles lists the files of a folder that look like settings but are none.
func unreadFiles(dir string, files []config.File) ([]string, error) {
	unread := []string{}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return unread, nil
	}
	for _, e := range entries {
		known := slices.ContainsFunc(files, func(f config.File) bool { return path.Base(f.Name) == e.Name() })
		if ext := path.Ext(e.Name()); !known && slices.Contains([]string{".yaml", ".yml", ".json"}, ext) {
			unread = append(unread, path.Join(filepath.ToSlash(dir), e.Name()))
		}
	}
	return unread, err
}

// write prints what was checked for people.
func (r checked) write(w io.Writer) error {
	for _, f := range r.Files {
		state := "is right"
		if !f.Found {
			state = "is missing: defaults"
		}
		fmt.Fprintf(w, "%s %s\n", f.Name, state)
	}
	for _, name := range r.Unread {
		fmt.Fprintf(w, "%s is not read by anything\n", name)
	}
	_, err := fmt.Fprintf(w, "%d values, %d of them set; experts %s\n", r.Values, r.Set, r.Experts)
	return err
}
