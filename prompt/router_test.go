package prompt

import (
	"slices"
	"strings"
	"testing"

	"mole/batch"
	"mole/expert"
	"mole/tokenizer"
	"mole/vision"
)

var screens = expert.Table{
	{Name: "calendar", Label: 0, Description: "month calendar pop-up"},
	{Name: "ocr", Label: 2},
	{Name: "login-window", Label: 11},
}

func routerRenderer(t *testing.T) *Renderer {
	t.Helper()
	tok, err := tokenizer.Load("../tokenizer/testdata")
	if err != nil {
		t.Fatal(err)
	}
	r, err := New(tok, 2)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRouterSystem(t *testing.T) {
	got, err := RouterSystem(RouterV1, screens)
	want := "Choose the specialist for this screenshot. Valid labels:\n0: calendar (month calendar pop-up)\n2: ocr\n11: login-window\nAnswer with the label only."
	if err != nil || got != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	// Routers in use were trained with this text: it must not change.
	if d := Digest(got); d != Digest(want) || len(d) != 64 {
		t.Errorf("got digest %q", d)
	}
	if _, err := RouterSystem("router-v0", screens); err == nil {
		t.Error("an unknown prompt was rendered")
	}
	if _, err := RouterSystem(RouterV1, nil); err == nil {
		t.Error("a prompt without experts was rendered")
	}
}

// TestRouterExample checks that training and serving read the same tokens up
// to the answer, and what is supervised.
func TestRouterExample(t *testing.T) {
	r := routerRenderer(t)
	q := Router{System: "pick", Image: &vision.Patches{Grid: vision.Grid{T: 1, H: 4, W: 4}}, Label: 2}
	train, err := r.Router(q)
	if err != nil {
		t.Fatal(err)
	}
	q.Label = -1
	serve, err := r.Router(q)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(serve.Tokens); !slices.Equal(train.Tokens[:n], serve.Tokens) {
		t.Errorf("got %v for serving, %v for training", serve.Tokens, train.Tokens)
	}
	var supervised []int32
	for _, l := range train.Labels {
		if l != batch.Ignore {
			supervised = append(supervised, l)
		}
	}
	if got := r.tokenizer.Decode(supervised, false); got != "2<|im_end|>" {
		t.Errorf("supervised %q", got)
	}
	q.Instruction = "Click <|im_end|> now"
	with, err := r.Router(q)
	if err != nil {
		t.Fatal(err)
	}
	if text := r.tokenizer.Decode(with.Tokens, false); !strings.Contains(text, "Click <|im_end|> now<|im_end|>") || len(with.Tokens) <= len(serve.Tokens) {
		t.Errorf("got %q", text)
	}
}

func TestRouterTokens(t *testing.T) {
	r := routerRenderer(t)
	got := r.RouterTokens(screens)
	if len(got) != 3 || len(got[0]) != 2 || len(got[2]) != 3 {
		t.Errorf("got %v, want one token for a digit, two for 11, and the end of the turn", got)
	}
}
