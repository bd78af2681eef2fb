package history

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"slices"
	"strings"
	"time"

	"mole/store"
)

// Records are the runs of one kind on the volume of histories: KIND/runs.jsonl
// and one file per run, KIND/ID.json.
type Records struct {
	Volume store.Volume
	Kind   string // Routers, or the name of an expert
}

// Routers is the kind of the records of routers.
const Routers = "router"

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

// Evaluated adds what an evaluation of so many pictures found, in percent, to the
// latest record of a run, as a record that supersedes it: the list is only ever
// added to. It does nothing if the list lacks the run, or says so already.
func (r Records) Evaluated(ctx context.Context, dataset, name string, at time.Time, samples int, accuracy float64, perClass map[string]*float64) error {
	all, err := r.all(ctx)
	if err != nil {
		return err
	}
	for _, run := range slices.Backward(current(all)) {
		if !strings.HasPrefix(run.ID, idPrefix(dataset, name)) {
			continue
		}
		old := run
		run.DatasetSize.Eval, run.Metrics.EvalAccuracy, run.Metrics.PerClassAccuracy = samples, known(accuracy), perClass
		if reflect.DeepEqual(run, old) {
			return nil
		}
		for hasPrefix(all, run.ID) { // times have whole seconds
			run.ID, run.Timestamp = ID(dataset, name, at), at.Format(Layout)
			at = at.Add(time.Second)
		}
		run.Supersedes = old.ID
		return r.Append(ctx, run)
	}
	return nil
}

// current returns the records that no other one supersedes.
func current(all []Run) []Run {
	gone := map[string]bool{}
	for _, run := range all {
		gone[run.Supersedes] = run.Supersedes != ""
	}
	return slices.DeleteFunc(slices.Clone(all), func(run Run) bool { return gone[run.ID] })
}

// hasPrefix reports whether the id of a record begins so.
func hasPrefix(all []Run, prefix string) bool {
	return slices.ContainsFunc(all, func(run Run) bool { return strings.HasPrefix(run.ID, prefix) })
}

// Has reports whether the list has, or had, a run whose id begins with prefix.
func (r Records) Has(ctx context.Context, prefix string) (bool, error) {
	all, err := r.all(ctx)
	return hasPrefix(all, prefix), err
}

// Read returns the runs, the oldest first, without records that another one
// supersedes; none if there is no list.
func (r Records) Read(ctx context.Context) ([]Run, error) {
	all, err := r.all(ctx)
	return current(all), err
}

// all returns the records, the oldest first.
func (r Records) all(ctx context.Context) ([]Run, error) {
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
