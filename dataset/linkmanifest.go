package dataset

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
)

// Linked is the type of a manifest of linked samples.
const Linked = "linked"

// LinkPrefix begins the names of manifests.
const LinkPrefix = "router_linked"

// LinkManifest stands for a routing set: it names samples in the datasets of
// experts, which get the label of their expert when they are read (4.8).
type LinkManifest struct {
	Name         string                   `json:"name"`
	Created      string                   `json:"created"` // ISO time
	Type         string                   `json:"type"`    // Linked
	ConfigPath   string                   `json:"config_path"`
	Seed         uint64                   `json:"seed"`
	TestSamples  int                      `json:"test_samples_per_expert"`
	ExpertCounts map[string]int           `json:"expert_counts"` // wanted in train
	Experts      map[string]*LinkedExpert `json:"experts"`
	Totals       LinkTotals               `json:"totals"`
}

// LinkedExpert is an expert in a manifest. Indices count the records of
// train.jsonl or val.jsonl from 0, and rise.
type LinkedExpert struct {
	Dataset      string      `json:"dataset"`
	Digest       string      `json:"digest"` // of the published dataset
	Label        int         `json:"label"`
	TrainPath    string      `json:"train_path"`
	ValPath      string      `json:"val_path"`
	TrainCount   int         `json:"train_count"`
	ValCount     int         `json:"val_count"`
	TestCount    int         `json:"test_count"`
	Available    int         `json:"total_available"` // records in train.jsonl
	TrainIndices []int       `json:"train_indices"`
	ValIndices   []int       `json:"val_indices"`
	TestIndices  []int       `json:"test_indices"` // into train.jsonl
	SampleIDs    LinkSamples `json:"sample_ids"`
}

// LinkSamples are the ids of the records that the indices stand for.
type LinkSamples struct {
	Train []string `json:"train"`
	Val   []string `json:"val"`
	Test  []string `json:"test"`
}

// LinkTotals are the numbers of samples of all experts.
type LinkTotals struct {
	Train int `json:"train"`
	Val   int `json:"val"`
	Test  int `json:"test"`
}

// JSON returns the manifest as it is kept. The same manifest gives the same
// bytes.
func (m *LinkManifest) JSON() ([]byte, error) {
	text, err := encode(m)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := json.Indent(&b, text, "", "  "); err != nil {
		return nil, err
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}

// ParseLinkManifest reads a manifest. One that does not name its samples, as
// older programs made them, is an error.
func ParseLinkManifest(text []byte) (*LinkManifest, error) {
	if err := checkJSON(text); err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	m := &LinkManifest{}
	if err := d.Decode(m); err != nil {
		return nil, err
	}
	switch {
	case m.Type != Linked:
		return nil, fmt.Errorf("type %q, want %q", m.Type, Linked)
	case len(m.Experts) == 0:
		return nil, fmt.Errorf("experts: none, want one or more")
	}
	for _, name := range slices.Sorted(maps.Keys(m.Experts)) {
		if err := m.Experts[name].check(); err != nil {
			return nil, fmt.Errorf("experts.%s: %w", name, err)
		}
	}
	return m, nil
}

// check refuses what does not name its samples.
func (e *LinkedExpert) check() error {
	switch {
	case e == nil:
		return fmt.Errorf("nothing, want an object")
	case !isLocal(e.Dataset) || strings.Contains(e.Dataset, "/"):
		return fmt.Errorf("dataset %q, want the name of a dataset", e.Dataset)
	case e.Digest == "":
		return fmt.Errorf("no digest of dataset %s, so it may have changed; link again", e.Dataset)
	}
	seen := map[string]map[int]bool{"train.jsonl": {}, "val.jsonl": {}}
	for _, s := range e.splits() {
		if err := s.check(seen[s.file]); err != nil {
			return err
		}
	}
	return nil
}

// linkSplit is what a manifest says about one split of an expert.
type linkSplit struct {
	name    string
	file    string // that the indices are about
	indices *[]int
	ids     *[]string
	count   *int
}

// check refuses indices without an id, and those that were seen before in their
// file.
func (s *linkSplit) check(seen map[int]bool) error {
	if len(*s.indices) != len(*s.ids) {
		return fmt.Errorf("sample_ids.%s: %d ids for %d indices; link again", s.name, len(*s.ids), len(*s.indices))
	}
	for _, i := range *s.indices {
		if i < 0 || seen[i] {
			return fmt.Errorf("%s_indices: %d, want numbers from 0, each once in train and test together", s.name, i)
		}
		seen[i] = true
	}
	return nil
}

// splits returns the splits in their order.
func (e *LinkedExpert) splits() [3]linkSplit {
	return [3]linkSplit{
		trainSplit: {"train", "train.jsonl", &e.TrainIndices, &e.SampleIDs.Train, &e.TrainCount},
		valSplit:   {"val", "val.jsonl", &e.ValIndices, &e.SampleIDs.Val, &e.ValCount},
		testSplit:  {"test", "train.jsonl", &e.TestIndices, &e.SampleIDs.Test, &e.TestCount},
	}
}

// Routing returns the routing set that the manifest stands for. folder returns
// the folder of a dataset.
func (m *LinkManifest) Routing(folder func(name string) (fs.FS, error)) (*Routing, error) {
	r := &Routing{}
	ids := &naming{ids: map[string]bool{}}
	for _, name := range m.names() {
		e := m.Experts[name]
		fsys, err := folder(e.Dataset)
		if err != nil {
			return nil, err
		}
		set, _, err := OpenExpert(fsys, ExpertOptions{Name: e.Dataset, Lenient: true})
		if err != nil {
			return nil, err
		}
		if err := e.relabel(name, set, r, ids); err != nil {
			return nil, err
		}
	}
	for i, split := range r.splits() {
		s := *split
		stream(m.Seed, "order", splitNames[i]).Shuffle(len(s), func(a, b int) { s[a], s[b] = s[b], s[a] })
	}
	m.describe(r)
	return r, nil
}

// names returns the experts by label.
func (m *LinkManifest) names() []string {
	return slices.SortedFunc(maps.Keys(m.Experts), func(a, b string) int { return m.Experts[a].Label - m.Experts[b].Label })
}

// splits returns the splits of a set in the order of splitNames.
func (r *Routing) splits() [3]*[]Record { return [3]*[]Record{&r.Train, &r.Val, &r.Test} }

// relabel adds the samples of an expert to a set.
func (e *LinkedExpert) relabel(name string, set *Expert, r *Routing, ids *naming) error {
	for n, s := range e.splits() {
		from, to := set.Train, r.splits()[n]
		if n == valSplit {
			from = set.Val
		}
		for k, i := range *s.indices {
			at := place{path.Join(e.Dataset, s.file), i + 1}
			if want := (*s.ids)[k]; i >= len(from) || from[i].ID != want {
				return at.wrap(fmt.Errorf("record %d is not sample %s of the manifest; the dataset has changed, link again", i, want))
			}
			in := &from[i]
			one := relabelled(ids.unique(in.ID, name), path.Join(e.Dataset, in.Image), in.Prompt(), name, e.Label)
			one.Metadata.TaskType, one.Metadata.SourceDataset = in.Metadata.TaskType, e.Dataset
			*to = append(*to, one)
		}
	}
	return nil
}

// describe makes the metadata of the set (4.7).
func (m *LinkManifest) describe(r *Routing) {
	r.Metadata = RoutingMetadata{
		Name: m.Name, Created: m.Created, Seed: m.Seed, Labels: map[string]int{}, Sources: map[string]string{},
		Samples:           map[string]int{"train": len(r.Train), "val": len(r.Val), "test": len(r.Test)},
		SamplesPerAdapter: m.ExpertCounts, TestPerAdapter: m.TestSamples, Distribution: map[string]map[string]int{}, RUVersion: RUVersion,
	}
	for _, split := range splitNames {
		r.Metadata.Distribution[split] = map[string]int{}
	}
	for name, e := range m.Experts {
		r.Metadata.Labels[name], r.Metadata.Sources[name] = e.Label, e.Dataset
		for _, s := range e.splits() {
			r.Metadata.Distribution[s.name][name] = len(*s.indices)
		}
	}
}
