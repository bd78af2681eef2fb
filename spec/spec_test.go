package spec

import (
	"errors"
	"testing"

	"mole/expert"
)

func example() Router {
	return Router{
		Version: Version, PromptID: "router-v1", PromptSHA256: "ab", LabelMode: "digit",
		Labels: LabelsOf(expert.Table{{Name: "calendar"}, {Name: "ocr", Label: 2}}), MaskUserText: true, Supervise: "answer+eot",
		Image: Image{Patch: 16, Merge: 2, MinTokens: 4, MaxTokens: 64, Resample: "bicubic-torchvision"}, Tokenizer: "cd", Base: "ef",
	}
}

func TestHash(t *testing.T) {
	a, b := example(), example()
	if a.Hash() != b.Hash() || len(a.Hash()) != 64 {
		t.Errorf("got %s and %s", a.Hash(), b.Hash())
	}
	b.Image.MaxTokens++
	if a.Hash() == b.Hash() {
		t.Error("another image size has the same hash")
	}
}

func TestCheck(t *testing.T) {
	if err := Check("x", example(), example()); err != nil {
		t.Error(err)
	}
	got := example()
	got.Image.MaxTokens, got.PromptSHA256 = 256, "zz"
	err := Check("checkpoint run-1", got, example())
	want := "router specification of checkpoint run-1: prompt_sha256 is zz, want ab; image.max_tokens is 256, want 64"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	var mismatch *MismatchError
	if !errors.As(err, &mismatch) || mismatch.Labels {
		t.Errorf("got %+v, want a mismatch without labels", mismatch)
	}
	got.Labels["ocr"] = 3
	if errors.As(Check("x", got, example()), &mismatch); !mismatch.Labels {
		t.Error("other labels were not seen")
	}
}
