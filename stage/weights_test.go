package stage

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"mole/base"
	"mole/batch"
	"mole/prompt"
	"mole/view"
	"mole/vision"
)

func TestParseLossWeights(t *testing.T) {
	tests := []struct{ text, mode, want string }{
		{"", "", "base 0, action 0, arg 0 ()"},
		{"1,1.5,2", "", "base 1, action 1.5, arg 2 (json)"},
		{" 0, 0 ,1e1", "legacy", "base 0, action 0, arg 10 (legacy)"},
		{"", "legacy", "none, but the mode legacy of weights; want both or neither"},
		{"1,2", "", `found "1,2", want three numbers for base, action and arguments, such as 1,1.5,2`},
		{"1,2,3,4", "", `found "1,2,3,4", want three numbers`},
		{"1,,2", "", `found "1,,2", want a number in place of ""`},
		{"1,2,NaN", "", "arg NaN, want a finite number, at least 0"},
		{"1,-2,3", "", "action -2, want a finite number, at least 0"},
		{"1e39,2,3", "", "base 1e+39, want a finite number, at least 0"},
		{"0,0,0", "", "0 for everything, want a number above 0"},
		{"1,1,1", "xml", `division "xml", want "json" or "legacy"`},
	}
	for _, tt := range tests {
		w, err := ParseLossWeights(tt.text, tt.mode)
		got := w.String()
		if err != nil {
			got = err.Error()
		}
		if !strings.HasPrefix(got, tt.want) {
			t.Errorf("%q, %q: got %s, want %s", tt.text, tt.mode, got, tt.want)
		}
	}
	bad := Settings{Preset: "tiny", Loss: LossWeights{Arg: math.Inf(1)}}
	if _, err := bad.Resolve(9); err == nil || !strings.Contains(err.Error(), "loss weights: arg +Inf, want a finite number") {
		t.Errorf("got %v", err)
	}
}

// weighed renders an answer as an expert learns it and returns its tokens with
// what they count: a line for each run of tokens that count the same.
func weighed(t *testing.T, w LossWeights, answer string) string {
	t.Helper()
	b, err := base.Open(t.Context(), base.Tiny)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.Close() }()
	v, err := view.NewExpert(view.ExpertOptions{Expert: "calendar", Tokenizer: b.Tokenizer, Base: b.Digest, Vision: b.Vision})
	if err != nil {
		t.Fatal(err)
	}
	e, err := v.Lesson(&vision.Patches{Grid: vision.Grid{T: 1, H: 4, W: 4}}, "open it", answer)
	if err != nil {
		t.Fatal(err)
	}
	l := &lessons{Train: &Train{expert: v}, settings: Settings{Loss: w}}
	if err := l.parting()(&e); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	last := float32(-1)
	for i, weight := range e.Weights {
		switch {
		case e.Labels[i] == batch.Ignore && weight != 0:
			t.Errorf("token %d is of the question and counts %v", i, weight)
		case e.Labels[i] == batch.Ignore:
			continue
		case weight != last:
			fmt.Fprintf(&out, "\n%v:", weight)
		}
		fmt.Fprintf(&out, " %q", b.Tokenizer.Token(e.Tokens[i]))
		last = weight
	}
	return strings.TrimPrefix(out.String(), "\n")
}

// byJSON and byLength are the weights of all tokens of a real answer by both rules
// (specification mole, 8.6), the second of 32 tokens.
const (
	byJSON = `1: "<tool_call>" "\n" "{\"" "name" "\":" " \"" "computer" "_use" "\"," " \"" "arguments" "\":" " {\"" "action" "\":" " \""
1.5: "left" "_click"
1: "\"," " \"" "coordinate" "\":" " ["
2: "4" "1" "2"
1: "," " "
2: "6" "5" "5"
1: "]}}\n" "</tool_call>"
0: "<|im_end|>"`
	byLength = `1.5: "<tool_call>" "\n" "{\"" "name" "\":" " \""
2: "computer" "_use" "\"," " \"" "arguments" "\":" " {\"" "action" "\":" " \"" "left" "_click" "\"," " \"" "coordinate" "\":" " [" "4" "1" "2" "," " " "6" "5" "5" "]}}\n" "</tool_call>"
0: "<|im_end|>"`
)

func TestWeighedTokens(t *testing.T) {
	const answer = "<tool_call>\n{\"name\": \"computer_use\", \"arguments\": {\"action\": \"left_click\", \"coordinate\": [412, 655]}}\n</tool_call>"
	for mode, want := range map[prompt.Division]string{prompt.ByJSON: byJSON, prompt.ByLength: byLength} {
		if got := weighed(t, LossWeights{Base: 1, Action: 1.5, Arg: 2, Mode: mode}, answer); got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", mode, got, want)
		}
	}
}

// TestLossOf checks the loss by which runs with weights stop.
func TestLossOf(t *testing.T) {
	type parts = map[batch.Part][2]float64 // sum and count
	for want, in := range map[float64]parts{
		0.1*4 + 0.1*2 + 0.8*2:   {batch.CallBase: {8, 4}, batch.CallAction: {8, 2}, batch.CallArg: {2, 1}, batch.NoPart: {1000, 3}},
		0.1*3 + 0.9*2:           {batch.CallAction: {6, 2}, batch.CallArg: {2, 1}},
		0.1*1 + 0.9*2:           {batch.CallBase: {4, 4}, batch.CallArg: {2, 1}},
		2:                       {batch.CallArg: {2, 1}},
		5:                       {batch.CallBase: {10, 2}},
		0.1*3 + 0.1*1 + 0.8*1.5: {batch.CallBase: {6, 6}, batch.CallAction: {6, 2}},
	} {
		var l batch.Losses
		for p, s := range in {
			l[p].Sum, l[p].Count = s[0], int(s[1])
		}
		if got := (LossWeights{}).lossOf(&l); math.Abs(got-want) > 1e-12 {
			t.Errorf("%v: got %v, want %v", in, got, want)
		}
	}
}

// TestPartRoute tells labels, of one digit and of two, from the end of the answer.
func TestPartRoute(t *testing.T) {
	off := int32(batch.Ignore)
	for _, labels := range [][]int32{{off, off, 7, 2, off}, {off, 7, 8, 2, off}} {
		e := batch.Example{Tokens: make([]int32, len(labels)), Labels: labels}
		if err := partRoute(&e); err != nil {
			t.Fatal(err)
		}
		var got string
		for _, p := range e.Parts {
			got += "/" + p.String()
		}
		if want := map[int32]string{off: "///label/end/", 7: "//label/label/end/"}[labels[1]]; got != want {
			t.Errorf("%v: got %s, want %s", labels, got, want)
		}
	}
}
