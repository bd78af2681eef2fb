package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// runLocal runs one command line of the commands of this file's neighbours.
func runLocal(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var commands struct {
		Config   configCmd   `cmd:""`
		History  historyCmd  `cmd:""`
		Backfill backfillCmd `cmd:""`
	}
	parser, err := kong.New(&commands)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	command, err := parser.Parse(args)
	if err == nil {
		command.BindTo(context.Background(), (*context.Context)(nil))
		command.BindTo(&out, (*io.Writer)(nil))
		err = command.Run()
	}
	return out.String(), err
}

// configFolder writes a folder with one file.
func configFolder(t *testing.T, name, text string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestConfigShow(t *testing.T) {
	dir := configFolder(t, "dataset.yaml", "splits: {train: 0.5}\n")
	t.Setenv("MOLE_SEED", "9")
	out, err := runLocal(t, "config", "show", "--config", dir)
	if err != nil {
		t.Fatal(err)
	}
	fields := map[string]string{}
	for line := range strings.Lines(out) {
		key, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		fields[key] = strings.Join(strings.Fields(rest), " ")
	}
	for key, want := range map[string]string{
		"dataset.seed":                        "9 MOLE_SEED",
		"dataset.splits.train":                "0.5 " + filepath.ToSlash(dir) + "/dataset.yaml:1",
		"dataset.splits.val":                  "0.2 default",
		"adapters.experts.desktop.label":      "3 default",
		"profiles.train.timeout":              "24h default",
		"adapters.experts.ocr.generator":      `"" default (not read: for people)`,
		filepath.ToSlash(dir) + "/loras.json": "is missing: defaults",
	} {
		if fields[key] != want {
			t.Errorf("%s: got %q, want %q", key, fields[key], want)
		}
	}
}

func TestConfigShowJSON(t *testing.T) {
	out, err := runLocal(t, "config", "show", "--json", "dataset.splits", "--config", configFolder(t, "x", ""))
	if err != nil {
		t.Fatal(err)
	}
	var got shown
	if err := json.Unmarshal([]byte(out), &got); err != nil || len(got.Files) != 5 || len(got.Values) != 2 || got.Values[0].Value != 0.8 {
		t.Errorf("got %+v, %v", got, err)
	}
	_, err = runLocal(t, "config", "show", "dataset.split", "--config", configFolder(t, "x", ""))
	if err == nil || !strings.Contains(err.Error(), `the nearest is "dataset.splits"`) || hint(err) == "" {
		t.Errorf("got %v", err)
	}
}

func TestConfigCheck(t *testing.T) {
	tests := []struct {
		file, text, want string
		wrong            bool
	}{
		{"dataset.yaml", "seed: 1\n", " values, 1 of them set; experts 0 calendar, 1 claim-window,", false},
		{"datasets.yaml", "seed: 1\n", "/datasets.yaml is not read by anything\n", false},
		{"dataset.yaml", "sead: 1\n", `/dataset.yaml:1:1: dataset: unknown key "sead", the nearest is "seed"`, true},
	}
	for _, tt := range tests {
		out, err := runLocal(t, "config", "check", configFolder(t, tt.file, tt.text))
		if err != nil {
			out += err.Error()
		}
		if !strings.Contains(out, tt.want) || (err != nil) != tt.wrong {
			t.Errorf("%s: got %s, want %s, wrong %v", tt.text, out, tt.want, tt.wrong)
		}
	}
	if _, err := runLocal(t, "config", "check", filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a missing folder is right")
	}
}

func TestConfigCheckJSON(t *testing.T) {
	out, err := runLocal(t, "config", "check", "--json", configFolder(t, "loras.json", "{}"))
	var got checked
	if jsonErr := json.Unmarshal([]byte(out), &got); err != nil || jsonErr != nil || len(got.Files) != 5 || got.Unread == nil {
		t.Errorf("got %+v, %v, %v", got, err, jsonErr)
	}
}
