package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

var update = flag.Bool("update", false, "rewrite golden files")

// commands are the names of all commands, "" for the program itself.
func commands(t *testing.T) []string {
	t.Helper()
	names := []string{""}
	for _, node := range parser(t).Model.Children {
		names = append(names, node.Name)
	}
	return names
}

// parser returns the parser of the program.
func parser(t *testing.T) *kong.Kong {
	t.Helper()
	p, err := newParser(nil, io.Discard, io.Discard, func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestHelp(t *testing.T) {
	for _, name := range commands(t) {
		t.Run("mole "+name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			args := append(strings.Fields(name), "--help")
			if got := run(args, &stdout, &stderr); got != statusOK || stderr.Len() > 0 {
				t.Errorf("got status %d and %q, want 0 and nothing", got, &stderr)
			}
			golden(t, filepath.Join("testdata", "help_"+name+".txt"), stdout.Bytes())
			if !strings.Contains(stdout.String(), exitHelp[2:]) {
				t.Error("help names no exit status")
			}
		})
	}
}

// golden compares got with a file, or rewrites the file under -update.
func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; run go test ./cmd/mole -update and read the diff\ngot:\n%s", file, got)
	}
}

// TestExamples checks that every command and flag that help texts and
// documents show exists.
func TestExamples(t *testing.T) {
	var texts []string
	for _, pattern := range []string{"testdata/help_*.txt", "../../*.md", "../../docs/*.md"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, names...)
	}
	flags := knownFlags(parser(t))
	for _, name := range texts {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, wrong := range unknownFlags(string(data), flags) {
			t.Errorf("%s shows mole %s, which does not exist", name, wrong)
		}
	}
}

// knownFlags returns the commands, and each with its flags and those of the
// commands below it.
func knownFlags(p *kong.Kong) map[string]bool {
	flags := map[string]bool{}
	for _, node := range p.Model.Children {
		flags[node.Name] = true
		for _, n := range append(node.Children, node) {
			for _, f := range slices.Concat(n.AllFlags(true)...) {
				flags[node.Name+" --"+f.Name] = true
				flags[node.Name+" -"+string(f.Short)] = true
			}
		}
	}
	return flags
}

var (
	// An example stands on an indented line, in back quotes or after a prompt.
	example = regexp.MustCompile("(?m)(?:^ {4,}(?:.*[ /])?|`|go run ./cmd/)mole ([a-z]+(?:-[a-z]+)*)\\b([^`#\n]*)")
	oneFlag = regexp.MustCompile(`(?:^|\s)(--?[a-z][a-z-]*)`)
)

// unknownFlags returns the commands and flags in the examples of a text that
// are not among the known ones.
func unknownFlags(text string, known map[string]bool) []string {
	var wrong []string
	for _, m := range example.FindAllStringSubmatch(text, -1) {
		if !known[m[1]] {
			wrong = append(wrong, m[1])
			continue
		}
		for _, f := range oneFlag.FindAllStringSubmatch(m[2], -1) {
			if name := m[1] + " " + f[1]; !known[name] {
				wrong = append(wrong, name)
			}
		}
	}
	return wrong
}

func TestUnknownFlags(t *testing.T) {
	const text = "    mole parity --loud\n    go run ./cmd/mole dance\n`mole doctor --json -x`\nthe mole ate --much"
	known := map[string]bool{"parity": true, "doctor": true, "doctor --json": true}
	got := strings.Join(unknownFlags(text, known), ", ")
	if want := "parity --loud, dance, doctor -x"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestStatus(t *testing.T) {
	tests := []struct {
		name, args string
		want       int
		wantErr    string // all of standard error
	}{
		{"no command", "", statusFailed, ""},
		{"version", "version", statusOK, ""},
		{"unknown command", "dance", statusFailed,
			"mole: unexpected argument dance\nhint: mole --help lists the commands\n"},
		{"unknown flag", "doctor --loud", statusFailed,
			"mole: unknown flag --loud\nhint: mole doctor --help lists its flags\n"},
		{"missing argument", "parity", statusFailed,
			"mole: expected \"<dir> ...\"\nhint: mole parity --help lists its flags\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			if got := run(strings.Fields(tt.args), &stdout, &stderr); got != tt.want {
				t.Errorf("got status %d, want %d", got, tt.want)
			}
			if tt.wantErr != "" && stderr.String() != tt.wantErr {
				t.Errorf("got %q, want %q", stderr.String(), tt.wantErr)
			}
		})
	}
}

func TestReport(t *testing.T) {
	cause := errors.New("no such tier")
	tests := []struct {
		err  error
		want string
	}{
		{cause, "mole: no such tier\n"},
		{hintedError{cause, "try generic"}, "mole: no such tier\nhint: try generic\n"},
	}
	for _, tt := range tests {
		var w bytes.Buffer
		report(&w, tt.err)
		if got := w.String(); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

func TestStopped(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("terminated signal received"))
	var stderr bytes.Buffer
	got := runUntil(ctx, []string{"parity", "../../parity/testdata/tiny-full"}, io.Discard, &stderr)
	if want := "mole: terminated signal received\n"; got != statusInterrupted || stderr.String() != want {
		t.Errorf("got status %d and %q, want %d and %q", got, &stderr, statusInterrupted, want)
	}
}
