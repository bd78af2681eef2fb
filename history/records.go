package history

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"mole/store"
)

// Records are the runs of one kind on the volume of histories: KIND/runs.jsonl
// and one file per run, KIND/ID.json.
type Records struct {
	Volume store.Volume
	Kind   string // "router", or the name of an expert
}

// maxRecords is the longest runs.jsonl, in bytes.
const maxRecords = 256 << 20

// Append adds a run. One with the same id that is there is left alone, so that
// a stage may run again.
func (r Records) Append(ctx context.Context, run Run) error {
	if err := r.put(ctx, run); err != nil {
		return err
	}
	there, err := r.Has(ctx, run.ID)
	if err != nil || there {
		return err
	}
	return r.appendLine(ctx, run)
}

// appendLine adds a run to the list.
func (r Records) appendLine(ctx context.Context, run Run) error {
	line, err := run.Line()
	if err != nil {
		return fmt.Errorf("record of run %s: %w", run.ID, err)
	}
	list, err := r.Volume.Records(r.Kind + "/runs.jsonl")
	if err != nil {
		return err
	}
	return store.AppendLine(ctx, r.Volume.Store, list, line)
}

// put writes the file of one run, unless it is there.
func (r Records) put(ctx context.Context, run Run) error {
	name, err := r.Volume.Records(r.Kind + "/" + run.ID + ".json")
	if err != nil {
		return err
	}
	text, err := run.JSON()
	if err != nil {
		return err
	}
	err = r.Volume.Store.Put(ctx, name, bytes.NewReader(text), store.Absent)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}

// Has reports whether the list has a run whose id begins with prefix.
func (r Records) Has(ctx context.Context, prefix string) (bool, error) {
	runs, err := r.Read(ctx)
	for _, run := range runs {
		if strings.HasPrefix(run.ID, prefix) {
			return true, err
		}
	}
	return false, err
}

// Read returns the runs, the oldest first; none if there is no list.
func (r Records) Read(ctx context.Context) ([]Run, error) {
	name, err := r.Volume.Records(r.Kind + "/runs.jsonl")
	if err != nil {
		return nil, err
	}
	data, err := store.ReadAll(ctx, r.Volume.Store, name, maxRecords)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return Read(name, bytes.NewReader(data))
}
