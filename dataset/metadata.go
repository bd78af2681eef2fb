package dataset

import (
	"encoding/json"
	"fmt"
)

// MarshalJSON writes the fields that MOLE knows, in the order of Metadata and
// without those that are empty, then Extra by its keys. The same Metadata
// gives the same bytes.
func (m Metadata) MarshalJSON() ([]byte, error) {
	var w writer
	text := func(key, s string) {
		if s != "" {
			w.add(key, s)
		}
	}
	pair := func(key string, p []int) {
		if p != nil {
			w.add(key, p)
		}
	}
	text("task_type", m.TaskType)
	pair("real_coords", m.RealCoords)
	pair("tolerance", m.Tolerance)
	pair("image_size", m.ImageSize)
	text("adapter", m.Adapter)
	if m.Label != nil {
		w.add("label", *m.Label)
	}
	text("source_dataset", m.SourceDataset)
	text("split_group", m.SplitGroup)
	w.addSorted(m.Extra)
	return w.bytes()
}

// UnmarshalJSON reads the fields that MOLE knows and keeps the others in Extra.
// A known field of another type is an error that names it; null counts as
// missing.
func (m *Metadata) UnmarshalJSON(data []byte) error {
	*m = Metadata{}
	if isNull(data) {
		return nil
	}
	o, err := parseObject(data)
	if err != nil {
		return err
	}
	for _, f := range o {
		if err := m.set(f); err != nil {
			return fmt.Errorf("%s: %w", f.key, err)
		}
	}
	return nil
}

// parseMetadata reads the metadata of a record or test, none if there are none.
func parseMetadata(raw json.RawMessage) (m Metadata, err error) {
	if isNull(raw) {
		return m, nil
	}
	o, err := parseObject(raw)
	if err != nil {
		return m, fmt.Errorf("metadata: %w", err)
	}
	for _, f := range o {
		if err := m.set(f); err != nil {
			return m, fmt.Errorf("metadata.%s: %w", f.key, err)
		}
	}
	return m, nil
}

// set takes one field.
func (m *Metadata) set(f field) (err error) {
	switch f.key {
	case "task_type":
		return setString(&m.TaskType, f.value)
	case "adapter":
		return setString(&m.Adapter, f.value)
	case "source_dataset":
		return setString(&m.SourceDataset, f.value)
	case "split_group":
		return setString(&m.SplitGroup, f.value)
	case "real_coords":
		m.RealCoords, err = asPair(f.value)
	case "tolerance":
		m.Tolerance, err = asTolerance(f.value)
	case "image_size":
		m.ImageSize, err = asPair(f.value)
	case "label":
		return m.setLabel(f.value)
	default:
		m.keep(f)
	}
	return err
}

// keep puts a field that MOLE does not know into Extra.
func (m *Metadata) keep(f field) {
	if m.Extra == nil {
		m.Extra = map[string]json.RawMessage{}
	}
	m.Extra[f.key] = f.value
}

// setString reads a string; null leaves it empty.
func setString(dst *string, raw json.RawMessage) error {
	if isNull(raw) {
		return nil
	}
	s, err := asString(raw)
	*dst = s
	return err
}

// setLabel reads a label; null means none.
func (m *Metadata) setLabel(raw json.RawMessage) error {
	if isNull(raw) {
		return nil
	}
	n, err := asInt(raw)
	if err == nil {
		m.Label = &n
	}
	return err
}
