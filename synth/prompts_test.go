package synth

import (
	"slices"
	"strings"
	"testing"
)

func TestPromptTemplates(t *testing.T) {
	for _, s := range screens {
		for _, sh := range s.tasks {
			task := sh.task
			if s.name == "ocr" {
				task = "ocr"
			}
			list := prompts[task]
			if len(list) < 8 {
				t.Errorf("%s: %d templates, want 8 at least", task, len(list))
			}
			if sorted := slices.Compact(slices.Sorted(slices.Values(list))); len(sorted) != len(list) {
				t.Errorf("%s: a template occurs twice", task)
			}
		}
	}
	if n := len(prompts["ocr"]); n < 12 {
		t.Errorf("ocr: %d templates, want 12 at least", n)
	}
}

// TestPromptsNameNoExpert checks 13.2.10 on what is really asked.
func TestPromptsNameNoExpert(t *testing.T) {
	draws(func(s *screen, task string, sc *scene) {
		for _, it := range sc.items {
			low := strings.ToLower(it.prompt)
			for _, name := range Screens() {
				if strings.Contains(low, name) || strings.Contains(low, strings.ReplaceAll(name, "-", " ")) {
					t.Errorf("%s %s: prompt %q names %s", s.name, task, it.prompt, name)
				}
			}
			if strings.ContainsAny(it.prompt, "{}") || strings.TrimSpace(it.prompt) == "" {
				t.Errorf("%s %s: prompt %q is unfinished", s.name, task, it.prompt)
			}
		}
	})
}

func TestPoolsAreDisjoint(t *testing.T) {
	r := stream(1, "x", "", "", 0)
	train := map[string]bool{}
	for range 4000 {
		train[trainPool.family(r)] = true
	}
	for range 500 {
		if name := testPool.family(r); train[name] {
			t.Errorf("%s is in both pools", name)
		}
	}
	for i, d := range icons {
		if len(d.names) < 2 || slices.Contains(d.names[:len(d.names)-1], d.names[len(d.names)-1]) {
			t.Errorf("icon %d: names %v, want a last one for the tests", i, d.names)
		}
	}
}

func TestFit(t *testing.T) {
	l := lettering{libSans, 11}
	for _, tt := range []struct {
		s     string
		width int
		want  string
	}{
		{"short", 100, "short"},
		{"a rather long line of text", 60, "a rather l…"},
		{"x", 1, ""},
	} {
		if got := fit(tt.s, l, tt.width); got != tt.want {
			t.Errorf("fit(%q, %d): got %q, want %q", tt.s, tt.width, got, tt.want)
		}
	}
	for _, line := range wrap("one two three four five six seven", l, 60) {
		if measure(line, l) > 60 {
			t.Errorf("line %q is %d wide, want 60 at most", line, measure(line, l))
		}
	}
}

func TestOrdinal(t *testing.T) {
	for n, want := range map[int]string{1: "1st", 2: "2nd", 3: "3rd", 4: "4th", 11: "11th", 12: "12th", 13: "13th", 20: "20th", 21: "21st", 30: "30th", 31: "31st"} {
		if got := ordinal(n); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestClockText(t *testing.T) {
	for n, want := range map[int]string{0: "12:00 AM", 61: "1:01 AM", 720: "12:00 PM", 1439: "11:59 PM"} {
		if got := clockText(n); got != want {
			t.Errorf("%d: got %s, want %s", n, got, want)
		}
	}
}
