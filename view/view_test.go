package view_test

import (
	"slices"
	"strings"
	"testing"

	"mole/base"
	"mole/batch"
	"mole/route/routetest"
	"mole/spec"
	"mole/view"
)

// options returns those of a small view.
func options(t *testing.T) view.Options {
	t.Helper()
	b, err := base.Open(t.Context(), base.Tiny)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return view.Options{Experts: routetest.Experts(), Tokenizer: b.Tokenizer, Base: b.Digest, Vision: b.Vision, MaxTokens: 16}
}

func newView(t *testing.T, o view.Options) *view.View {
	t.Helper()
	v, err := view.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestLesson compares a lesson with the question that it answers.
func TestLesson(t *testing.T) {
	v := newView(t, options(t))
	im, patches, err := v.Look(routetest.Picture(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	if cells := patches.Grid.Tokens(v.Vision.MergeSize); cells > 16 || im.W*im.H != cells*32*32 {
		t.Errorf("got %d by %d pixels, %d cells, want 16 at most", im.W, im.H, cells)
	}
	question, err := v.Question(patches, "open it")
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range v.Experts {
		lesson, err := v.Lesson(patches, "open it", e.Label)
		if err != nil {
			t.Fatal(err)
		}
		compareLesson(t, e.Name, lesson, question, v.Answers()[i])
	}
	if _, err := v.Lesson(patches, "", 1); err == nil || !strings.Contains(err.Error(), "label 1") {
		t.Errorf("a label of no expert: got %v", err)
	}
}

// compareLesson checks that a lesson is a question with its answer.
func compareLesson(t *testing.T, name string, lesson, question batch.Example, answer []int32) {
	t.Helper()
	n := len(question.Tokens)
	if !slices.Equal(lesson.Tokens[:n], question.Tokens) || !slices.Equal(lesson.Tokens[n:n+len(answer)], answer) {
		t.Errorf("%s: the lesson is not the question and its answer", name)
	}
	supervised := slices.DeleteFunc(slices.Clone(lesson.Labels), func(l int32) bool { return l == batch.Ignore })
	if !slices.Equal(supervised, answer) {
		t.Errorf("%s: got labels %v, want %v", name, supervised, answer)
	}
}

// TestInstruction is the mask of specification mole 7.5.
func TestInstruction(t *testing.T) {
	for _, text := range []bool{false, true} {
		o := options(t)
		o.UserText = text
		v := newView(t, o)
		_, patches, err := v.Look(routetest.Picture(1, 0))
		if err != nil {
			t.Fatal(err)
		}
		a, errA := v.Question(patches, "open the menu")
		b, errB := v.Question(patches, "read this aloud")
		if errA != nil || errB != nil || slices.Equal(a.Tokens, b.Tokens) == text {
			t.Errorf("instructions %v: equal questions %v, %v, %v", text, !text, errA, errB)
		}
		if v.Spec.MaskUserText == text {
			t.Errorf("instructions %v: the specification says mask_user_text %v", text, v.Spec.MaskUserText)
		}
	}
}

// TestSpec changes one thing at a time: the specification tells.
func TestSpec(t *testing.T) {
	want := newView(t, options(t)).Spec
	if err := spec.Check("the same", newView(t, options(t)).Spec, want); err != nil {
		t.Error(err)
	}
	for field, change := range map[string]func(*view.Options){
		"prompt_sha256":    func(o *view.Options) { o.Experts[0].Description += "." },
		"image.max_tokens": func(o *view.Options) { o.MaxTokens++ },
		"image.min_tokens": func(o *view.Options) { o.MinTokens = 5 },
		"base_model":       func(o *view.Options) { o.Base = strings.Repeat("0", 64) },
	} {
		o := options(t)
		change(&o)
		if err := spec.Check("other", newView(t, o).Spec, want); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: got %v", field, err)
		}
	}
}

func TestRefuses(t *testing.T) {
	for want, change := range map[string]func(*view.Options){
		"image tokens: 9 to 8":  func(o *view.Options) { o.MinTokens, o.MaxTokens = 9, 8 },
		"image tokens: -1 to 8": func(o *view.Options) { o.MinTokens, o.MaxTokens = -1, 8 },
		`"router-v0"`:           func(o *view.Options) { o.Prompt = "router-v0" },
	} {
		o := options(t)
		change(&o)
		if _, err := view.New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	v := newView(t, options(t))
	if _, _, err := v.Look([]byte("no picture")); err == nil {
		t.Error("a file that is no picture was read")
	}
	whole := routetest.Picture(0, 0)
	if _, _, err := v.Look(whole[:len(whole)/2]); err == nil {
		t.Error("half a picture was read")
	}
}
