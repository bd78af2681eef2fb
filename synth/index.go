package synth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"mole/dataset"
)

// index writes the files that list the records.
func (b *builder) index(config []byte) error {
	lists, tests := b.lists()
	train, val, held := lists[trainSplit], lists[valSplit], lists[heldSplit]
	for name, list := range map[string][]dataset.Record{
		"train.jsonl": train, "val.jsonl": val, "held_out.jsonl": held, "data.jsonl": slices.Concat(train, val, held),
	} {
		if name == "held_out.jsonl" && len(list) == 0 {
			continue
		}
		var buf bytes.Buffer
		if err := dataset.WriteRecords(&buf, list); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := b.write(name, buf.Bytes()); err != nil {
			return err
		}
	}
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(tests); err != nil {
		return fmt.Errorf("test/test.json: %w", err)
	}
	if err := b.write("test/test.json", buf.Bytes()); err != nil {
		return err
	}
	return b.write("config.json", config)
}

// lists sorts what was made into the splits.
func (b *builder) lists() (records map[string][]dataset.Record, tests []dataset.Test) {
	records = map[string][]dataset.Record{}
	for i, j := range b.plan.jobs {
		m := b.made[i]
		records[j.split] = append(records[j.split], m.records...)
		if m.test != nil {
			tests = append(tests, *m.test)
		}
	}
	return records, tests
}

// write writes a file of the dataset and waits until it is on the disk.
func (b *builder) write(name string, data []byte) error {
	f, err := os.Create(filepath.Join(b.dir, name))
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	return err
}

// mostProblems is how many findings an error quotes.
const mostProblems = 10

// verify validates the dataset before it is declared finished: a finding is a
// mistake of this package.
func (b *builder) verify() error {
	problems := dataset.ValidateExpert(os.DirFS(b.dir), dataset.ValidateOptions{Own: true})
	if len(problems) == 0 {
		return nil
	}
	errs := []error{fmt.Errorf("the dataset is not valid, %d findings", len(problems))}
	for _, p := range problems[:min(len(problems), mostProblems)] {
		errs = append(errs, errors.New(p.String()))
	}
	return errors.Join(errs...)
}
