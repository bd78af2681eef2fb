package dataset

import (
	"regexp"
	"slices"
	"strings"
)

// asked is what an instruction on a picture asked for, and where.
type asked struct {
	at     place
	action string
}

// clickWords tells the action that an instruction names outright.
var clickWords = []struct {
	words  *regexp.Regexp
	action string
}{
	{regexp.MustCompile(`(?i)\bdouble[- ]click`), "double_click"},
	{regexp.MustCompile(`(?i)\btriple[- ]click`), "triple_click"},
	{regexp.MustCompile(`(?i)\bright[- ]click`), "right_click"},
	{regexp.MustCompile(`(?i)\bmiddle[- ]click`), "middle_click"},
	{regexp.MustCompile(`(?i)\bleft[- ]click`), "left_click"},
}

var scrollWords = regexp.MustCompile(`(?i)\bscroll (up|down|left|right)\b`)

// contradiction checks that an instruction and its answer do not contradict
// each other, nor another record of the same picture (5.14, K-34).
func (v *validator) contradiction(a *answer, prompt string) {
	if len(a.calls) == 0 {
		return
	}
	actions := make([]string, len(a.calls))
	for i, c := range a.calls {
		actions[i] = c.Action()
	}
	now := asked{a.at, strings.Join(actions, ", ")}
	key := [2]string{a.picture, fold(prompt)}
	first, ok := v.asked[key]
	if !ok {
		v.asked[key] = now
	} else if first.action != now.action {
		v.add(a.at, Error, "instruction %s asks for %s here and for %s in %s, on the same picture", abridged(quote(prompt)), now.action, first.action, first.at)
	}
	v.words(a, actions, prompt)
}

// declines lists the actions that answer an instruction without doing it.
var declines = []string{"answer", "wait", "terminate", "ocr", GetBox, TextVerification}

// words checks the actions that an instruction names.
func (v *validator) words(a *answer, actions []string, prompt string) {
	if slices.ContainsFunc(actions, func(s string) bool { return slices.Contains(declines, s) }) ||
		slices.ContainsFunc(a.calls, func(c ToolCall) bool { return c.Check() != nil }) {
		return
	}
	var named []string
	for _, w := range clickWords {
		if w.words.MatchString(prompt) {
			named = append(named, w.action)
		}
	}
	if named != nil && !slices.ContainsFunc(actions, func(s string) bool { return slices.Contains(named, s) }) {
		v.add(a.at, v.ours(), "instruction %s names %s, the answer is %s", abridged(quote(prompt)), strings.Join(named, ", "), strings.Join(actions, ", "))
	}
	if m := scrollWords.FindStringSubmatch(prompt); m != nil && !slices.ContainsFunc(a.calls, func(c ToolCall) bool { return c.scrolls(strings.ToLower(m[1])) }) {
		v.add(a.at, v.ours(), "instruction %s names %q, the answer scrolls elsewhere", abridged(quote(prompt)), m[0])
	}
}

// scrolls reports whether a call scrolls in a direction.
func (c ToolCall) scrolls(direction string) bool {
	pixels, err := asFloat(c.Arg("pixels"))
	if err != nil {
		return false
	}
	switch direction {
	case "up":
		return c.Action() == "scroll" && pixels < 0
	case "down":
		return c.Action() == "scroll" && pixels > 0
	case "left":
		return c.Action() == "hscroll" && pixels < 0
	}
	return c.Action() == "hscroll" && pixels > 0
}
