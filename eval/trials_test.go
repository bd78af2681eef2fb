package eval

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
)

// trials are eleven failures of one task type and three passes of another.
func trials() []Trial {
	var list []Trial
	for range 11 {
		list = append(list, Trial{ID: "test_0001", Picture: "test/images/a.png", TaskType: "scroll", Prompt: "Go <down>", Got: "nothing", Reason: "no <tool_call>"})
	}
	for range 3 {
		list = append(list, Trial{TaskType: "click", Passed: true})
	}
	return list
}

func TestExpertReport(t *testing.T) {
	if _, err := NewExpertReport(ExpertRun{}, nil); err == nil {
		t.Error("a report about nothing was made")
	}
	r, err := NewExpertReport(ExpertRun{Expert: "calendar", Checkpoint: "v:p"}, trials())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]Count{"scroll": {0, 11}, "click": {3, 3}}
	if r.Results != (ExpertResults{3, 14}) || !reflect.DeepEqual(r.PerTask, want) || len(r.Failures) != 11 {
		t.Errorf("got %+v, %v, %d failures", r.Results, r.PerTask, len(r.Failures))
	}
	if i := Wilson(3, 14); r.Accuracy != (ExpertAccuracy{100 * i.Value, 100 * i.Low, 100 * i.High}) {
		t.Errorf("got %+v, want %+v", r.Accuracy, i)
	}
	if got, want := r.Line(), "Overall Accuracy: 3/14 (21.4%)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	wantText(t, r)
}

// wantText checks the report for a terminal.
func wantText(t *testing.T, r *ExpertReport) {
	t.Helper()
	var b bytes.Buffer
	if err := r.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"expert calendar, v:p: 3 of 14 tests passed, 21.4 % (95 %: 7.6 to 47.6)", "scroll", `"Go <down>": no <tool_call>`, "and 1 failures more"} {
		if !strings.Contains(b.String(), part) {
			t.Errorf("no %q in %s", part, &b)
		}
	}
}

func TestExpertReportJSON(t *testing.T) {
	r, err := NewExpertReport(ExpertRun{Expert: "calendar"}, trials())
	if err != nil {
		t.Fatal(err)
	}
	text, err := r.JSON()
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseExpertReport(text)
	if err != nil || !reflect.DeepEqual(got, r) || !bytes.Contains(text, []byte("no <tool_call>")) {
		t.Errorf("got %+v, %v from %s", got, err, text)
	}
	for _, wrong := range []string{`{"results": {"passed": 2, "total": 1}}`, `{}`, `[]`} {
		if _, err := ParseExpertReport([]byte(wrong)); err == nil {
			t.Errorf("%s was read", wrong)
		}
	}
}

// FuzzParseExpertReport looks for a report that is read and cannot be shown.
func FuzzParseExpertReport(f *testing.F) {
	f.Add([]byte(`{"results": {"passed": 1, "total": 2}, "per_task": {"a": {"correct": 1, "total": 2}}, "failures": [{"test_id": "x"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := ParseExpertReport(data)
		if err != nil {
			return
		}
		if err := r.WriteText(&bytes.Buffer{}); err != nil || r.Line() == "" {
			t.Error(err)
		}
	})
}
