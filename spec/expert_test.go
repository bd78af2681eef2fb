package spec

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"
)

func anExpert() Expert {
	return Expert{
		Version: 1, Expert: "calendar", PromptID: "cua-v1", Prompt: "ab",
		Image: Image{Patch: 16, Merge: 2, MinTokens: 4, MaxTokens: 1024, Resample: "bicubic-torchvision"}, Tokenizer: "cd", Base: "ef",
	}
}

func TestExpert(t *testing.T) {
	text, err := json.Marshal(anExpert())
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseExpert(text)
	if err != nil || got != anExpert() || got.Hash() != anExpert().Hash() || len(got.Hash()) != 64 {
		t.Errorf("got %+v, %v, want %+v", got, err, anExpert())
	}
	if _, err := ParseExpert([]byte(`{"version": "one"}`)); err == nil {
		t.Error("a version that is no number was read")
	}
}

// TestCheckExpert changes every field: it is named.
func TestCheckExpert(t *testing.T) {
	if err := CheckExpert("x", anExpert(), anExpert()); err != nil {
		t.Error(err)
	}
	got := anExpert()
	got.Image.MaxTokens, got.Base = 256, "zz"
	err := CheckExpert("run-1", got, anExpert())
	const want = "expert specification of run-1: image.max_tokens is 256, want 1024; base_model is zz, want ef"
	var mismatch *MismatchError
	if err == nil || err.Error() != want || !errors.As(err, &mismatch) || mismatch.Labels {
		t.Errorf("got %v, want %s", err, want)
	}
}

// FuzzParseExpert looks for input that is read and does not come out the same.
func FuzzParseExpert(f *testing.F) {
	text, err := json.Marshal(anExpert())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"image": null, "x": 1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := ParseExpert(data)
		if err != nil {
			return
		}
		text, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := ParseExpert(text); err != nil || !reflect.DeepEqual(again, e) {
			t.Errorf("got %+v, %v, want %+v", again, err, e)
		}
	})
}
