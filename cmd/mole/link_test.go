package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mole/dataset"
)

// linkPlace draws small datasets of two experts, and makes a configuration that
// has a third one, and one that is called like a flag.
func linkPlace(t *testing.T) (place []string) {
	t.Helper()
	state, conf := t.TempDir(), t.TempDir()
	for name, text := range map[string]string{
		"adapters.yaml": "version: 1\nexperts:\n  - {name: calendar, label: 0}\n  - {name: ledger, label: 1}\n  - {name: desktop, label: 2}\n  - {name: seed, label: 3}\n",
		"dataset.yaml":  "test_samples_per_adapter: 2\nadapters:\n  calendar: {count: 6}\n",
	} {
		if err := os.WriteFile(filepath.Join(conf, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"calendar", "desktop"} {
		must(t, strings.Fields("synth --images 12 --tests 1 --scale 0.25 --seed 5 --expert "+name+" --state="+state)...)
	}
	return []string{"--state=" + state, "--config=" + conf}
}

// TestLinkCommand links by flag, by dataset.yaml, and by neither.
func TestLinkCommand(t *testing.T) {
	place := linkPlace(t)
	wantManifest(t, place)
	for _, tt := range []struct {
		args, want, wantErr string
	}{
		{"--calendar 4 --dry", "  0 calendar          4 train", ""},
		{"--dry", "ledger has no dataset and is left out", ""},
		{"--dry --desktop 0", "  6 train    1 val    2 test", ""},
		{"--dry", "500 were wanted for training", ""},
		{"--dry --test-samples 40", "no pictures to hold out: it has no more than 40", ""},
		{"--require-all", "", "no dataset of expert ledger"},
		{"--experts dance", "", `expert "dance", want some of calendar, ledger, desktop, seed`},
		{"--ledger=-1", "", "--ledger -1, want 0 or more"},
		{"--test-samples=-1", "", "--test-samples -1, want 0 or more"},
		{"--appointment 3", "", "unknown flag --appointment"},
		{"--output-name a/b", "", "want one without a slash"},
		{"--output-name one --calendar 5", "Next: mole train --manifest one\n", ""},
		{"--output-name one --calendar 5", "is there already", ""},
		{"--output-name one --calendar 6", "", "another manifest of that name"},
		{"--output-name one --calendar 6 --force", "6 train", ""},
	} {
		var out, errs bytes.Buffer
		status := run(append(append([]string{"link"}, place...), strings.Fields(tt.args)...), &out, &errs)
		if (status == statusOK) != (tt.wantErr == "") || !strings.Contains(out.String(), tt.want) || !strings.Contains(errs.String(), tt.wantErr) {
			t.Errorf("%s: got status %d, %s%s, want %q, %q", tt.args, status, &out, &errs, tt.want, tt.wantErr)
		}
	}
}

// wantManifest prints a manifest, and asks for one that is not there.
func wantManifest(t *testing.T, place []string) {
	t.Helper()
	out := must(t, append([]string{"link", "--json", "--calendar", "3"}, place...)...)
	var m dataset.LinkManifest
	if err := json.Unmarshal([]byte(out), &m); err != nil || m.Experts["calendar"].TrainCount != 3 || m.Experts["desktop"].Label != 2 {
		t.Errorf("got %s, error %v", out, err)
	}
	for args, want := range map[string]string{
		"train --manifest nothing":            "--manifest nothing: not there; mole link makes one",
		"train --manifest x --dataset-name y": "neither --dataset-name nor --expert",
		"eval":                                "or --manifest NAME",
		"eval --run-name nobody":              "no run of that name on a manifest",
		"eval --manifest x --dataset-name y":  "can't be used together",
		"eval --manifest " + m.Name:           "not there; train it first",
		"preprocess --dataset-name other":     "upload it first",
	} {
		var errs bytes.Buffer
		if status := run(append(strings.Fields(args), place...), &bytes.Buffer{}, &errs); status != statusFailed || !strings.Contains(errs.String(), want) {
			t.Errorf("%s: got status %d, %s, want %q", args, status, &errs, want)
		}
	}
}
