package serve

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	"mole/expert"
	"mole/generate"
	"mole/prompt"
	"mole/spec"
	"mole/vision"
)

// Generator writes answers. A [generate.Service] is one. It is used by several
// requests at once.
type Generator interface {
	// Generate yields the answer to a request piece by piece, and an error at
	// most, which is the last. Whoever stops reading ends the work.
	Generate(ctx context.Context, r generate.Request) iter.Seq2[generate.Chunk, error]
}

// Adapters is the set of adapters that a Generator may be asked for. It is used
// by several requests at once; every change is whole or did not happen.
type Adapters interface {
	// List returns the adapters that may be asked for, in any order.
	List() []AdapterInfo
	// Set loads the adapter in a folder under a name, in place of the one that
	// had the name.
	Set(name, dir string) error
	// Remove unloads an adapter. The error wraps [generate.ErrNoAdapter] if there
	// is none of that name. Answers under way end as they began.
	Remove(name string) error
}

// AdapterInfo describes an adapter.
type AdapterInfo struct {
	Name       string
	Dir        string
	Generation uint64       // greater after each change of the adapter
	Loaded     bool         // it is in memory now
	Bytes      int64        // that it takes there
	Problem    string       // why the newest version of it does not load, "" if all is well
	Expert     *spec.Expert // what it was trained to read; nil if nobody says
}

// Figures are the state of a Generator and what it did so far, for /metrics.
type Figures struct {
	Waiting, Running          int    // requests
	Steps, Rows               uint64 // passes of the network, and the rows of all of them: rows by step is the size of a batch
	AdaptersLoaded            int    // in memory
	AdapterBytes              int64  // that they take
	AdapterLoads              uint64
	CachePages, CachePagesMax int // of keys and values
}

// Engine answers with the base network and its adapters.
type Engine struct {
	Base      string // name of the base network
	Generator Generator
	Renderer  *prompt.Renderer
	Vision    vision.Options // of the base network
	Adapters  Adapters       // nil for none
	Figures   func() Figures // nil if nobody counts
}

// adapter returns the adapter of an expert.
func (e *Engine) adapter(name string) (AdapterInfo, bool) {
	for _, a := range e.adapters() {
		if a.Name == name {
			return a, true
		}
	}
	return AdapterInfo{}, false
}

// adapters lists the adapters by name.
func (e *Engine) adapters() []AdapterInfo {
	if e == nil || e.Adapters == nil {
		return nil
	}
	list := slices.Clone(e.Adapters.List())
	slices.SortFunc(list, func(a, b AdapterInfo) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// sight returns how an expert sees pictures: as it was trained, or, where nobody
// says how, as the base network does with at most so many tokens. x may be nil.
func (e *Engine) sight(x *spec.Expert, maxTokens int) (vision.Options, error) {
	o := e.Vision
	cell := o.PatchSize * o.MergeSize
	if x == nil {
		o.MaxPixels = min(o.MaxPixels, maxTokens*cell*cell)
		o.MinPixels = min(o.MinPixels, o.MaxPixels)
		return o, nil
	}
	im := x.Image
	if im.Patch != o.PatchSize || im.Merge != o.MergeSize {
		return o, fmt.Errorf("%s of %s: patches of %d merged by %d, the base network has %d by %d", spec.ExpertFile, x.Expert, im.Patch, im.Merge, o.PatchSize, o.MergeSize)
	}
	if im.MinTokens < 1 || im.MaxTokens < im.MinTokens || im.MaxTokens > maxTrained {
		return o, fmt.Errorf("%s of %s: %d to %d image tokens, want 1 to %d", spec.ExpertFile, x.Expert, im.MinTokens, im.MaxTokens, maxTrained)
	}
	var err error
	if o.Rule, err = vision.ParseRule(strings.TrimPrefix(im.Resample, "bicubic-")); err != nil {
		return o, fmt.Errorf("%s of %s: %w", spec.ExpertFile, x.Expert, err)
	}
	o.MinPixels, o.MaxPixels = im.MinTokens*cell*cell, im.MaxTokens*cell*cell
	return o, nil
}

// maxTrained bounds the image tokens of an expert, far beyond what is of use.
const maxTrained = 1 << 16

// system returns the system prompt that an expert was trained with, "" if it has
// none.
func system(x *spec.Expert) (string, error) {
	if x == nil || x.PromptID == "" {
		return "", nil
	}
	text, err := prompt.ComputerSystem(x.PromptID)
	if err != nil {
		return "", fmt.Errorf("%s of %s: %w", spec.ExpertFile, x.Expert, err)
	}
	if d := prompt.Digest(text); x.Prompt != "" && x.Prompt != d {
		return "", fmt.Errorf("%s of %s: trained with prompt %s of digest %.12s, this program has %.12s", spec.ExpertFile, x.Expert, x.PromptID, x.Prompt, d)
	}
	return text, nil
}

// loaded returns the experts of d that can answer.
func (d *Deployment) loaded() []string {
	if d.Engine == nil {
		return d.Adapters
	}
	var names []string
	for _, a := range d.Engine.adapters() {
		names = append(names, a.Name)
	}
	return names
}

// valid returns the names that a request may have for an expert.
func (d *Deployment) valid() []string {
	names := d.Experts.Names()
	for _, name := range d.loaded() {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// expert returns the expert that a name stands for. An adapter that is in no
// table is an expert without label.
func (d *Deployment) expert(name string) (expert.Expert, bool) {
	if e, ok := d.Experts.ByName(name); ok {
		return e, true
	}
	if slices.Contains(d.loaded(), name) {
		return expert.Expert{Name: name, Label: noLabel, Kind: expert.LoRA}, true
	}
	return expert.Expert{}, false
}

// noLabel is the label of an expert that the router does not know.
const noLabel = -1
