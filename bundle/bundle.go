// Package bundle is a router as it is kept and deployed: everything that turns
// a picture into a decision, in one folder. A bundle that is incomplete, or
// whose parts do not belong together, does not open.
package bundle

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"

	"mole/expert"
	"mole/lora"
	"mole/router"
	"mole/spec"
)

// Version is the version of the layout of a bundle.
const Version = 1

// Names of the files of a bundle. The adapter has a folder of its own, in
// PEFT's layout.
const (
	MetaFile      = "bundle.json"
	ReportFile    = "report.json"
	AdapterFolder = "adapter"
)

// Meta is bundle.json: what a router is and what it was made of.
type Meta struct {
	Version  int             `json:"version"`
	Run      string          `json:"run_name"`
	Dataset  string          `json:"dataset_name"`
	Created  string          `json:"created"` // RFC 3339
	Rung     router.Rung     `json:"rung"`    // how it routes
	Features router.Features `json:"features"`
	Base     string          `json:"base_model"` // name or folder; the digest is in the specification
	Preset   string          `json:"preset"`     // targets of the adapter, "" without one
	Step     int             `json:"step"`       // optimizer steps behind the adapter
	Experts  []Expert        `json:"experts"`    // in the order of their labels
	Spec     spec.Router     `json:"router_spec"`
}

// Expert is one row of the table of experts in a bundle.
type Expert struct {
	Name        string      `json:"name"`
	Label       int         `json:"label"`
	Kind        expert.Kind `json:"kind"`
	Description string      `json:"description,omitempty"`
}

// ExpertsOf returns the rows of a table.
func ExpertsOf(t expert.Table) []Expert {
	var out []Expert
	for _, e := range t {
		out = append(out, Expert{Name: e.Name, Label: e.Label, Kind: e.Kind, Description: e.Description})
	}
	return out
}

// Bundle is a router with its baselines.
type Bundle struct {
	Meta
	Table        expert.Table
	Linear       *router.LinearHead
	Prototype    *router.PrototypeHead
	Calibrations map[router.Rung]*router.Calibration // of every rung that is there
	// Config and Weights are the two files of the adapter; nil if the rung has
	// none.
	Config, Weights []byte
	Report          []byte // of the evaluation, JSON; nil if there was none
}

// Has reports whether b can route by a rung.
func (b *Bundle) Has(r router.Rung) bool { return b.Calibrations[r] != nil }

// calibrationFile returns the name of the calibration of a rung.
func calibrationFile(r router.Rung) string { return fmt.Sprintf("calibration-%s.json", r) }

// headFile returns the name of the head of a rung.
func headFile(r router.Rung) string { return fmt.Sprintf("head-%s.json", r) }

// Files returns the files of b by name.
func (b *Bundle) Files() (map[string][]byte, error) {
	files := map[string][]byte{}
	put := func(name string, v any) error {
		text, err := json.MarshalIndent(v, "", "  ")
		files[name] = append(text, '\n')
		return err
	}
	err := errors.Join(put(MetaFile, b.Meta), put(headFile(router.Linear), b.Linear), put(headFile(router.Prototype), b.Prototype))
	for r, c := range b.Calibrations {
		err = errors.Join(err, put(calibrationFile(r), c))
	}
	if b.Weights != nil {
		files[path.Join(AdapterFolder, lora.ConfigFile)] = b.Config
		files[path.Join(AdapterFolder, lora.WeightsFile)] = b.Weights
	}
	if b.Report != nil {
		files[ReportFile] = b.Report
	}
	return files, err
}

// Write writes b into the folder dir, which must be new or empty.
func (b *Bundle) Write(dir string) error {
	files, err := b.Files()
	if err != nil {
		return err
	}
	for name, data := range files {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o777), os.WriteFile(file, data, 0o666)); err != nil {
			return err
		}
	}
	return nil
}

// Read opens the bundle in a folder.
func Read(fsys fs.FS) (*Bundle, error) {
	b := &Bundle{Calibrations: map[router.Rung]*router.Calibration{}}
	text, err := fs.ReadFile(fsys, MetaFile)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&b.Meta); err != nil {
		return nil, fmt.Errorf("%s: %w", MetaFile, err)
	}
	if b.Version != Version {
		return nil, fmt.Errorf("%s: version %d, want %d", MetaFile, b.Version, Version)
	}
	if _, err := router.ParseFeatures(string(b.Features)); err != nil {
		return nil, fmt.Errorf("%s: %w", MetaFile, err)
	}
	if err := b.readTable(); err != nil {
		return nil, fmt.Errorf("%s: %w", MetaFile, err)
	}
	if err := errors.Join(b.readHeads(fsys), b.readAdapter(fsys), b.readCalibrations(fsys)); err != nil {
		return nil, err
	}
	if !b.Has(b.Rung) {
		return nil, fmt.Errorf("%s: rung %q, but there is no %s", MetaFile, b.Rung, calibrationFile(b.Rung))
	}
	b.Report, err = optional(fsys, ReportFile)
	return b, err
}

// readTable sets the table and compares it with the specification.
func (b *Bundle) readTable() error {
	var rows []expert.Expert
	for _, e := range b.Experts {
		rows = append(rows, expert.Expert{Name: e.Name, Label: e.Label, Kind: e.Kind, Description: e.Description})
	}
	var err error
	if b.Table, err = expert.NewTable(rows); err != nil {
		return err
	}
	for _, e := range b.Table {
		if label, ok := b.Spec.Labels[e.Name]; !ok || label != e.Label {
			return fmt.Errorf("expert %q has label %d, the specification says %d", e.Name, e.Label, label)
		}
	}
	if len(b.Spec.Labels) != len(b.Table) {
		return fmt.Errorf("%d experts, the specification has %d", len(b.Table), len(b.Spec.Labels))
	}
	return nil
}

func (b *Bundle) readHeads(fsys fs.FS) error {
	linear, err := fs.ReadFile(fsys, headFile(router.Linear))
	if err != nil {
		return err
	}
	prototype, err := fs.ReadFile(fsys, headFile(router.Prototype))
	if err != nil {
		return err
	}
	if b.Linear, err = router.ParseLinear(linear, b.Table); err != nil {
		return fmt.Errorf("%s: %w", headFile(router.Linear), err)
	}
	if b.Prototype, err = router.ParsePrototype(prototype, b.Table); err != nil {
		return fmt.Errorf("%s: %w", headFile(router.Prototype), err)
	}
	return nil
}

func (b *Bundle) readAdapter(fsys fs.FS) (err error) {
	if b.Config, err = optional(fsys, path.Join(AdapterFolder, lora.ConfigFile)); err != nil {
		return err
	}
	if b.Weights, err = optional(fsys, path.Join(AdapterFolder, lora.WeightsFile)); err != nil {
		return err
	}
	if (b.Config == nil) != (b.Weights == nil) {
		return fmt.Errorf("%s: one of %s and %s is missing", AdapterFolder, lora.ConfigFile, lora.WeightsFile)
	}
	return nil
}

func (b *Bundle) readCalibrations(fsys fs.FS) error {
	for _, r := range router.Rungs() {
		text, err := optional(fsys, calibrationFile(r))
		if err != nil {
			return err
		}
		if text == nil {
			continue
		}
		c, err := router.ParseCalibration(text, b.Table)
		if err != nil {
			return fmt.Errorf("%s: %w", calibrationFile(r), err)
		}
		if c.Rung != r || (r == router.LoRA && b.Weights == nil) {
			return fmt.Errorf("%s: of rung %q, which has no adapter here", calibrationFile(r), c.Rung)
		}
		b.Calibrations[r] = c
	}
	return nil
}

// optional returns a file, or nil if there is none.
func optional(fsys fs.FS, name string) ([]byte, error) {
	data, err := fs.ReadFile(fsys, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

// Adapter returns the router's adapter for a network with the given sites, nil
// if the rung has none.
func (b *Bundle) Adapter(sites []lora.Site) (*lora.Adapter, error) {
	if b.Weights == nil {
		return nil, nil
	}
	return lora.Decode(b.Config, b.Weights, sites)
}

// Logits returns the logits of a rung for evidence: its head's, for rungs with
// a head, or those that the network gave.
func (b *Bundle) Logits(r router.Rung, e router.Evidence) ([]float64, error) {
	switch r {
	case router.Linear:
		return b.Linear.Logits(e.Pooled)
	case router.Prototype:
		return b.Prototype.Logits(e.Pooled)
	}
	return e.Logits, nil
}

// Decide returns the decision of a rung, which b must have.
func (b *Bundle) Decide(r router.Rung, e router.Evidence) router.Decision {
	logits, err := b.Logits(r, e)
	if err != nil {
		return router.Decision{Label: -1, Unsure: true, Reason: err.Error()}
	}
	e.Logits = logits
	if r != router.LoRA {
		e.Hidden = nil
	}
	return b.Calibrations[r].Decide(b.Table, e)
}

// Rungs returns the rungs that b has, dearest first.
func (b *Bundle) Rungs() []router.Rung {
	return slices.DeleteFunc(router.Rungs(), func(r router.Rung) bool { return !b.Has(r) })
}
