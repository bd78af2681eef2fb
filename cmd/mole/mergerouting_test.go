package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// rows writes a file of 20 records of two task types, whose picture is not
// there.
func rows(t *testing.T, name string) {
	t.Helper()
	const line = `{"id":"r%d","image":"images/a.png","conversations":[{"from":"human","value":"<image>\nask"},{"from":"gpt","value":"x"}],"metadata":{"task_type":"t%d"}}` + "\n"
	var text strings.Builder
	for i := range 20 {
		fmt.Fprintf(&text, line, i, i%2)
	}
	if err := os.WriteFile(name, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestMergeRouting(t *testing.T) {
	in, merged := filepath.Join(t.TempDir(), "in.jsonl"), filepath.Join(t.TempDir(), "out.jsonl")
	rows(t, in)
	var out, errs bytes.Buffer
	source := "label=calendar,jsonl=" + in + ",tasks=t0+t1,limit=15"
	got := run([]string{"merge-routing", "--source", source, "--source", "label=1,tasks=t1,name=n,jsonl=" + in, "--output", merged, "--json"}, &out, &errs)
	var m mergedFile
	if err := json.Unmarshal(out.Bytes(), &m); err != nil || got != statusOK {
		t.Fatalf("got status %d, %v, %s%s", got, err, &out, &errs)
	}
	want := mergedFile{merged, 25, []mergedSource{{in, "calendar", 15}, {in, "1", 10}}, 25}
	if diff := cmp.Diff(want, m); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
	if strings.Count(errs.String(), "picture not found: "+in) != 10 || !strings.Contains(errs.String(), "and 15 more") {
		t.Errorf("got %s", &errs)
	}
	data, err := os.ReadFile(merged)
	if err != nil || strings.Count(string(data), "\n") != 25 || strings.Count(string(data), `"gpt","value":"1"`) != 10 {
		t.Errorf("got %v, %s", err, data)
	}
}

func TestMergeRoutingWrong(t *testing.T) {
	for args, want := range map[string]string{
		"--output x":                               "missing flags: --source",
		"--source label=a,jsonl=b":                 "missing flags: --output",
		"--source label=a --output x":              "no jsonl=",
		"--source label=cat,jsonl=none --output x": `label "cat"`,
		"--source label=0,jsonl=none --output x":   "no such file",
	} {
		var out, errs bytes.Buffer
		if got := run(append([]string{"merge-routing"}, strings.Fields(args)...), &out, &errs); got != statusFailed || out.Len() > 0 || !strings.Contains(errs.String(), want) {
			t.Errorf("%s: got status %d, %s%s, want %q", args, got, &out, &errs, want)
		}
	}
}
