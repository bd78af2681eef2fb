package synth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"mole/dataset"
)

// index writes the files that list the records.
func (b *builder) index(config []byte) error {
	train, val, tests := b.lists()
	all := append(append([]dataset.Record{}, train...), val...)
	for name, list := range map[string][]dataset.Record{"train.jsonl": train, "val.jsonl": val, "data.jsonl": all} {
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
func (b *builder) lists() (train, val []dataset.Record, tests []dataset.Test) {
	for i, j := range b.plan.jobs {
		switch m := b.made[i]; j.split {
		case "train":
			train = append(train, m.records...)
		case "val":
			val = append(val, m.records...)
		case "test":
			tests = append(tests, *m.test)
		}
	}
	return train, val, tests
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
