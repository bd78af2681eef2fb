package prompt

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"mole/batch"
	"mole/expert"
	"mole/vision"
)

// RouterV1 is the id of the first router prompt. The text of an id never
// changes: routers were trained with it.
const RouterV1 = "router-v1"

// RouterSystem returns the system prompt of a router over the experts of t:
// its job, the labels in their order, and what to answer with.
func RouterSystem(id string, t expert.Table) (string, error) {
	if id != RouterV1 {
		return "", fmt.Errorf("router prompt %q, want %q", id, RouterV1)
	}
	if len(t) == 0 {
		return "", fmt.Errorf("router prompt %q: no experts", id)
	}
	var b strings.Builder
	b.WriteString("Choose the specialist for this screenshot. Valid labels:\n")
	for _, e := range t {
		fmt.Fprintf(&b, "%d: %s", e.Label, e.Name)
		if e.Description != "" {
			fmt.Fprintf(&b, " (%s)", e.Description)
		}
		b.WriteByte('\n')
	}
	b.WriteString("Answer with the label only.")
	return b.String(), nil
}

// Digest returns the SHA-256 of a prompt, in hexadecimal, for the router
// specification.
func Digest(system string) string {
	sum := sha256.Sum256([]byte(system))
	return hex.EncodeToString(sum[:])
}

// Router is what a router is asked about one screenshot, and the answer that
// it should give.
type Router struct {
	System string
	Image  *vision.Patches
	// Instruction is what the user wants done, "" where only the screen decides:
	// a masked instruction is one that is left out (specification mole, 7.5).
	Instruction string
	// Label is the answer, or negative where there is none yet: the example then
	// ends where the answer begins.
	Label int
}

// Router renders what a router reads, for training with its label, for serving
// without. The label and the end of the turn are supervised.
func (r *Renderer) Router(q Router) (batch.Example, error) {
	user := []Part{{Image: q.Image}}
	if q.Instruction != "" {
		user = append(user, Part{Text: q.Instruction})
	}
	c := Conversation{Messages: []Message{{Role: System, Parts: []Part{{Text: q.System}}}, {Role: User, Parts: user}}}
	if q.Label < 0 {
		return r.Example(c, Options{Generate: true})
	}
	answer := Message{Role: Assistant, Parts: []Part{{Text: RouterAnswer(q.Label)}}}
	c.Messages = append(c.Messages, answer)
	return r.Example(c, Options{Supervise: Answer})
}

// RouterAnswer returns the text that stands for a label.
func RouterAnswer(label int) string { return strconv.Itoa(label) }

// RouterTokens returns the tokens of the answer for each expert of t, the end of
// the turn included, so that none is the beginning of another.
func (r *Renderer) RouterTokens(t expert.Table) [][]int32 {
	answers := make([][]int32, len(t))
	for i, e := range t {
		answers[i] = append(r.tokenizer.EncodeText(RouterAnswer(e.Label)), r.ids[imEnd])
	}
	return answers
}
