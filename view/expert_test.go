package view_test

import (
	"slices"
	"strings"
	"testing"

	"mole/prompt"
	"mole/route/routetest"
	"mole/spec"
	"mole/view"
)

// expertOptions returns those of a small view of an expert.
func expertOptions(t *testing.T) view.ExpertOptions {
	t.Helper()
	o := options(t)
	return view.ExpertOptions{Expert: "calendar", Tokenizer: o.Tokenizer, Base: o.Base, Vision: o.Vision, MaxTokens: 16}
}

// TestExpert compares a lesson with the question that it answers.
func TestExpert(t *testing.T) {
	v, err := view.NewExpert(expertOptions(t))
	if err != nil {
		t.Fatal(err)
	}
	patches, err := v.Look(routetest.Picture(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	if cells := patches.Grid.Tokens(v.Vision.MergeSize); cells > 16 {
		t.Errorf("got %d cells, want 16 at most", cells)
	}
	question, err := v.Question(patches, "open it")
	if err != nil {
		t.Fatal(err)
	}
	lesson, err := v.Lesson(patches, "open it", "\n<tool_call>\n{}\n</tool_call>\n")
	if err != nil {
		t.Fatal(err)
	}
	n := len(question.Tokens)
	if !slices.Equal(lesson.Tokens[:n], question.Tokens) || !slices.Contains(lesson.Tokens[n:], v.End()) {
		t.Error("the lesson is not the question and its answer")
	}
	if _, err := v.Lesson(patches, "open it", " \n"); err == nil {
		t.Error("a lesson without answer was made")
	}
	if _, err := v.Look([]byte("no picture")); err == nil {
		t.Error("a file that is no picture was read")
	}
}

// TestExpertOf opens the view of an adapter by what the adapter says, and refuses
// what this program, or the base network, cannot give.
func TestExpertOf(t *testing.T) {
	o := expertOptions(t)
	v, err := view.NewExpert(o)
	if err != nil {
		t.Fatal(err)
	}
	want := v.Spec
	if want.PromptID != prompt.ComputerV1 || want.Prompt != prompt.Digest(v.System) || want.Expert != "calendar" || want.Image.MaxTokens != 16 {
		t.Errorf("got %+v", want)
	}
	o.MaxTokens, o.Expert = 512, "other"
	got, err := view.ExpertOf(want, o)
	if err != nil || got.Spec != want || got.Vision != v.Vision {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	wantRefused(t, want, o)
}

// wantRefused changes one thing of a specification at a time.
func wantRefused(t *testing.T, want spec.Expert, o view.ExpertOptions) {
	t.Helper()
	for part, change := range map[string]func(*spec.Expert){
		"prompt_sha256 is 00":    func(s *spec.Expert) { s.Prompt = "00" },
		"base_model is 00":       func(s *spec.Expert) { s.Base = "00" },
		"tokenizer_sha256 is 00": func(s *spec.Expert) { s.Tokenizer = "00" },
		"version is 2":           func(s *spec.Expert) { s.Version = 2 },
		"image.patch is 14":      func(s *spec.Expert) { s.Image.Patch = 14 },
		`"cua-v0"`:               func(s *spec.Expert) { s.PromptID = "cua-v0" },
		"image.resample":         func(s *spec.Expert) { s.Image.Resample = "nearest" },
		"image tokens: 16 to 8":  func(s *spec.Expert) { s.Image.MinTokens, s.Image.MaxTokens = 16, 8 },
	} {
		s := want
		change(&s)
		if _, err := view.ExpertOf(s, o); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("got %v, want %q", err, part)
		}
	}
}
