package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

func TestParity(t *testing.T) {
	const dir = "../../parity/testdata/"
	tests := []struct {
		name    string
		args    []string
		want    int
		wantOut string // part of standard output
		wantErr string // part of standard error
	}{
		{"good", []string{"--strict", dir + "generate"}, statusOK, "1 case: 1 ok,", ""},
		{"every value", []string{"-v", dir + "generate"}, statusOK, "together, step 63", ""},
		{"no folder", []string{"nothing/here", dir + "generate"}, statusFailed, "case here: open case.json", "mole: 1 of 2 cases do not"},
		{"no case", []string{"."}, statusFailed, "case mole: open case.json", "mole: 1 of 1 cases do not"},
		{"same name", []string{dir + "generate", dir + "generate/"}, statusOK, "../../parity/testdata/generate  config", ""},
		{"unknown tier", []string{"--tier", "abacus", dir + "generate"}, statusFailed, "", "--tier must be one of"},
		{"unknown precision", []string{"--precision", "f8", dir + "generate"}, statusFailed, "", "--precision must be one of"},
		{"other workers", []string{"--workers=-1", dir + "generate"}, statusFailed, "", "-1 workers"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			if got := run(append([]string{"parity"}, tt.args...), &stdout, &stderr); got != tt.want {
				t.Errorf("got status %d, want %d: %s", got, tt.want, &stderr)
			}
			if !strings.Contains(stdout.String(), tt.wantOut) || !strings.Contains(stderr.String(), tt.wantErr) {
				t.Errorf("got\n%s%s\nwant %q and %q", &stdout, &stderr, tt.wantOut, tt.wantErr)
			}
		})
	}
}

func TestParityJSON(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if got := run([]string{"parity", "--json", "../../parity/testdata/generate"}, &stdout, &stderr); got != statusOK {
		t.Fatalf("got status %d: %s", got, &stderr)
	}
	var report struct {
		OK    bool
		Cases []struct{ Case, Status string }
	}
	if err := json.Unmarshal(stdout.Bytes(), &report); err != nil {
		t.Fatal(err)
	}
	if !report.OK || len(report.Cases) != 1 || report.Cases[0].Case != "generate" || report.Cases[0].Status != "ok" {
		t.Errorf("got %+v, want case generate, ok", report)
	}
}
