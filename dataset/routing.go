package dataset

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// splitNames are the names of the parts of a routing set.
var splitNames = [...]string{"train", "val", "test"}

// Routing is a routing set (4.6): records of a screen and the label of its
// expert. Answers are labels in decimal, and every record has metadata.adapter
// and metadata.label.
type Routing struct {
	Train, Val, Test []Record
	Metadata         RoutingMetadata
}

// RoutingMetadata is metadata.json of a routing set (4.7).
type RoutingMetadata struct {
	Name              string
	Created           string // ISO time
	Seed              uint64
	Splits            map[string]float64        // share of train and val
	Labels            map[string]int            // by expert
	Sources           map[string]string         // name of the dataset, by expert
	Samples           map[string]int            // by split
	SamplesPerAdapter map[string]int            // wanted for train and val together, by expert
	TestPerAdapter    int                       // wanted
	Distribution      map[string]map[string]int // by split and expert
	Spec              json.RawMessage           // router specification (6.3)
	RUVersion         int
	Config            json.RawMessage // effective configuration
	MoleVersion       string
	Files             map[string]string          // SHA-256 in hexadecimal, by file
	Extra             map[string]json.RawMessage // fields that MOLE does not know
}

// adapter is an expert in the field adapters of metadata.json.
type adapter struct {
	Label  *int   `json:"label"`
	Source string `json:"source"`
}

// adapters joins labels and sources.
func (m *RoutingMetadata) adapters() map[string]adapter {
	out := map[string]adapter{}
	for name, label := range m.Labels {
		out[name] = adapter{&label, m.Sources[name]}
	}
	return out
}

// MarshalJSON writes both older shapes in one (4.7), without fields that are
// empty. The same metadata give the same bytes.
func (m RoutingMetadata) MarshalJSON() ([]byte, error) {
	var w writer
	for _, f := range []struct {
		key   string
		value any
		given bool
	}{
		{"dataset_name", m.Name, m.Name != ""},
		{"created_at", m.Created, m.Created != ""},
		{"created", m.Created, m.Created != ""},
		{"seed", m.Seed, true},
		{"splits", m.Splits, m.Splits != nil},
		{"adapters", m.adapters(), len(m.Labels) > 0},
		{"source_datasets", m.Sources, len(m.Sources) > 0},
		{"samples", m.Samples, m.Samples != nil},
		{"counts", m.Samples, m.Samples != nil},
		{"samples_per_adapter", m.SamplesPerAdapter, m.SamplesPerAdapter != nil},
		{"test_per_adapter", m.TestPerAdapter, m.TestPerAdapter != 0},
		{"label_distribution_train", m.Distribution["train"], m.Distribution["train"] != nil},
		{"label_distribution_val", m.Distribution["val"], m.Distribution["val"] != nil},
		{"label_distribution_test", m.Distribution["test"], m.Distribution["test"] != nil},
		{"router_spec", m.Spec, m.Spec != nil},
		{"ru_version", m.RUVersion, m.RUVersion != 0},
		{"config", m.Config, m.Config != nil},
		{"mole_version", m.MoleVersion, m.MoleVersion != ""},
		{"files", m.Files, m.Files != nil},
	} {
		if f.given {
			w.add(f.key, f.value)
		}
	}
	w.addSorted(m.Extra)
	return w.bytes()
}

// UnmarshalJSON reads both older shapes and the present one (4.7). A field of
// another type than expected goes to Extra, as one that is not known: the older
// samples_per_adapter, one number for all, does.
func (m *RoutingMetadata) UnmarshalJSON(data []byte) error {
	o, err := parseObject(data)
	if err != nil {
		return err
	}
	*m = RoutingMetadata{Labels: map[string]int{}, Sources: map[string]string{}, Distribution: map[string]map[string]int{}}
	for _, f := range o {
		if isNull(f.value) || m.take(o, f.key) || m.takeOurs(o, f.key) {
			continue
		}
		if m.Extra == nil {
			m.Extra = map[string]json.RawMessage{}
		}
		m.Extra[f.key] = f.value
	}
	return nil
}

// take reads one field of the older shapes and reports whether it is one, and
// of its type.
func (m *RoutingMetadata) take(o object, key string) bool {
	switch key {
	case "dataset_name":
		return take(o, key, &m.Name)
	case "created_at", "created":
		return take(o, key, &m.Created)
	case "seed":
		return take(o, key, &m.Seed)
	case "splits":
		return take(o, key, &m.Splits)
	case "adapters":
		return m.takeAdapters(o)
	case "source_datasets":
		return m.takeSources(o)
	case "samples", "counts":
		return take(o, key, &m.Samples)
	case "test_per_adapter":
		return take(o, key, &m.TestPerAdapter)
	}
	return m.takeDistribution(o, key)
}

// takeDistribution reads label_distribution_<split>.
func (m *RoutingMetadata) takeDistribution(o object, key string) bool {
	split, ok := strings.CutPrefix(key, "label_distribution_")
	if !ok || !slices.Contains(splitNames[:], split) {
		return false
	}
	var n map[string]int
	ok = take(o, key, &n)
	m.Distribution[split] = n
	return ok
}

// takeOurs does the same for the fields that MOLE adds.
func (m *RoutingMetadata) takeOurs(o object, key string) bool {
	switch key {
	case "samples_per_adapter":
		return take(o, key, &m.SamplesPerAdapter)
	case "router_spec":
		return take(o, key, &m.Spec)
	case "ru_version":
		return take(o, key, &m.RUVersion)
	case "config":
		return take(o, key, &m.Config)
	case "mole_version":
		return take(o, key, &m.MoleVersion)
	case "files":
		return take(o, key, &m.Files)
	}
	return false
}

// takeAdapters reads labels and sources.
func (m *RoutingMetadata) takeAdapters(o object) bool {
	var list map[string]adapter
	if !take(o, "adapters", &list) {
		return false
	}
	for name, a := range list {
		if a.Label != nil {
			m.Labels[name] = *a.Label
		}
		if a.Source != "" {
			m.Sources[name] = a.Source
		}
	}
	return true
}

// takeSources reads the names of the datasets.
func (m *RoutingMetadata) takeSources(o object) bool {
	var list map[string]string
	ok := take(o, "source_datasets", &list)
	maps.Copy(m.Sources, list)
	return ok
}
