package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"mole/config"
	"mole/route/routetest"
	"mole/router"
	"mole/stage"
	"mole/store"
	"mole/store/file"
)

// workplace makes a state folder with a trained router for each run, the last
// one the newest, and a folder with the configuration of its experts.
func workplace(t *testing.T, runs ...string) (state, conf string) {
	t.Helper()
	state, conf = t.TempDir(), t.TempDir()
	const adapters = `version: 1
experts:
  - {name: calendar, label: 0, description: a month of days}
  - {name: ocr, label: 2, kind: ocr, description: a strip of text}
  - {name: desktop, label: 3, description: icons on a background}
`
	if err := os.WriteFile(filepath.Join(conf, "adapters.yaml"), []byte(adapters), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := config.Load(config.Options{FS: os.DirFS(conf), Dir: conf}); err != nil {
		t.Fatal(err)
	}
	s, err := file.Open(filepath.Join(state, "store"))
	if err != nil {
		t.Fatal(err)
	}
	v := store.Volume{Store: s, Name: stage.Volumes{}.WithDefaults().Data}
	for i, run := range runs {
		b := routetest.Bundle(t, router.Linear)
		b.Run, b.Created = run, "2026-01-05T12:00:0"+string(rune('0'+i))+"Z"
		tree, err := store.Add(t.Context(), s, os.DirFS(routetest.Write(t, b)), store.AddOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if err := v.Publish(t.Context(), stage.CheckpointPath(b.Dataset, run), tree, store.Absent); err != nil {
			t.Fatal(err)
		}
	}
	return state, conf
}

// command runs a command with a command line, and returns what it printed.
func command(t *testing.T, c any, args ...string) (string, error) {
	t.Helper()
	p, err := kong.New(c, kong.Name("mole"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Parse(args); err != nil {
		return "", err
	}
	var out, errs bytes.Buffer
	switch c := c.(type) {
	case *deployCmd:
		err = c.Run(t.Context(), &out, errorWriter{&errs})
	case *inferCmd:
		err = c.Run(t.Context(), &out, errorWriter{&errs})
	default:
		t.Fatalf("%T is no command that is known here", c)
	}
	return out.String(), err
}

func TestDeployCommand(t *testing.T) {
	state, conf := workplace(t, "run-a", "run-b")
	place := []string{"--state", state, "--config", conf}
	for _, tt := range []struct {
		args, want, wantErr string
	}{
		{"", "", "no router is named"},
		{"--rollback", "", "nothing is deployed"},
		{"--latest --rollback", "", "can't be used together"},
		{"--latest --min-accuracy 101", "", "--min-accuracy 101, want 0 to 100"},
		{"--latest --min-accuracy 96", "", "held-out accuracy 0.95 (95 of 100), want 0.96 or more"},
		{"--run-name run-a --min-accuracy 95", "run run-a of routing_20260105_110000, held-out accuracy 95.0 %", ""},
		{"--latest", "DEPLOYED: release 2", ""},
		{"--latest", "deployed already: release 2", ""},
		{"--rollback", "run run-a", ""},
		{"--checkpoint checkpoints/datasets/routing_20260105_110000/run-b", "run run-b", ""},
		{"--dataset-name routing_1", "", "no trained router of dataset routing_1"},
	} {
		got, err := command(t, new(deployCmd), append(strings.Fields(tt.args), place...)...)
		if !strings.Contains(got, tt.want) || (err == nil) != (tt.wantErr == "") || err != nil && !strings.Contains(err.Error(), tt.wantErr) {
			t.Errorf("%s: got %q, error %v, want %q, %q", tt.args, got, err, tt.want, tt.wantErr)
		}
	}
	got, err := command(t, new(deployCmd), append(place, "--run-name", "run-a", "--json")...)
	if err != nil {
		t.Fatal(err)
	}
	var m stage.Metadata
	if err := json.Unmarshal([]byte(got), &m); err != nil || m.Run != "run-a" || m.Labels["ocr"] != 2 {
		t.Errorf("got %s, error %v", got, err)
	}
}
