package router

import (
	"fmt"
	"slices"
)

// Trie is the prefix tree of the allowed answers: one sequence of tokens for
// each expert, its label and the token that ends an answer. With labels of one
// token it has a single branch, and scoring is a softmax over the logits of the
// labels; longer labels share their beginnings. It is safe for concurrent use.
type Trie struct {
	answers  [][]int32
	branches []Branch
	at       map[string]int // prefix to branch
}

// Branch is a point where answers part: what was said so far, and the tokens
// that may follow, at least two, ascending.
type Branch struct {
	Prefix []int32
	Next   []int32
}

// NewTrie returns the tree of the answers, in the order of the table. No answer
// may be empty, occur twice, or be the beginning of another: end labels like 1
// and 10 with the token that ends an answer.
func NewTrie(answers [][]int32) (*Trie, error) {
	if len(answers) == 0 {
		return nil, fmt.Errorf("no answers to choose from")
	}
	t := &Trie{at: map[string]int{}}
	for _, a := range answers {
		t.answers = append(t.answers, slices.Clone(a))
	}
	sorted := slices.Clone(t.answers)
	slices.SortFunc(sorted, slices.Compare)
	if len(sorted[0]) == 0 {
		return nil, fmt.Errorf("an answer has no tokens")
	}
	for i, a := range sorted[1:] {
		// Sorted, a beginning stands right before what it begins.
		if p := sorted[i]; slices.Equal(p, a[:min(len(p), len(a))]) {
			return nil, fmt.Errorf("answer %v is the beginning of answer %v", p, a)
		}
	}
	t.grow(sorted, 0)
	return t, nil
}

// grow adds the branches of sorted answers that agree in their first depth
// tokens.
func (t *Trie) grow(answers [][]int32, depth int) {
	if len(answers) == 1 {
		return
	}
	first, last := answers[0], answers[len(answers)-1]
	for first[depth] == last[depth] {
		depth++
	}
	b := Branch{Prefix: first[:depth]}
	var groups [][][]int32
	for len(answers) > 0 {
		token := answers[0][depth]
		n := slices.IndexFunc(answers, func(a []int32) bool { return a[depth] != token })
		if n < 0 {
			n = len(answers)
		}
		b.Next = append(b.Next, token)
		groups = append(groups, answers[:n])
		answers = answers[n:]
	}
	t.at[key(b.Prefix)] = len(t.branches)
	t.branches = append(t.branches, b)
	for _, g := range groups {
		t.grow(g, depth+1)
	}
}

// key returns tokens as the key of a map.
func key(tokens []int32) string { return fmt.Sprint(tokens) }

// Branches returns the points where answers part, parents before children;
// none if there is one answer. The caller must not change them.
func (t *Trie) Branches() []Branch { return t.branches }

// Score returns the logarithm of the probability of each answer, in the order
// of NewTrie, for Evidence.Logits. It calls next once, with all branches, for
// the scores of their Next tokens (logits, or log-probabilities: a constant for
// a whole branch makes no difference), so that a network can answer with one
// pass over a tree of prefixes. At each branch only the tokens that lead to an
// answer compete, so the probabilities sum to 1.
func (t *Trie) Score(next func([]Branch) ([][]float64, error)) ([]float64, error) {
	out := make([]float64, len(t.answers))
	if len(t.branches) == 0 {
		return out, nil
	}
	scores, err := next(t.branches)
	if err != nil {
		return nil, fmt.Errorf("score answers: %w", err)
	}
	if err := t.checkScores(scores); err != nil {
		return nil, fmt.Errorf("score answers: %w", err)
	}
	for i, a := range t.answers {
		out[i] = t.walk(a, scores)
	}
	return out, nil
}

// checkScores refuses scores that do not fit the branches.
func (t *Trie) checkScores(scores [][]float64) error {
	if len(scores) != len(t.branches) {
		return fmt.Errorf("scores of %d branches, want %d", len(scores), len(t.branches))
	}
	for i, b := range t.branches {
		if len(scores[i]) != len(b.Next) || !finite(scores[i]) {
			return fmt.Errorf("after tokens %v: scores %v, want %d finite ones", b.Prefix, scores[i], len(b.Next))
		}
	}
	return nil
}

// walk sums the log-probabilities along one answer.
func (t *Trie) walk(answer []int32, scores [][]float64) float64 {
	sum := 0.0
	for depth, token := range answer {
		i, ok := t.at[key(answer[:depth])]
		if !ok {
			continue // nothing to choose here
		}
		k, _ := slices.BinarySearch(t.branches[i].Next, token)
		sum += scores[i][k] - logSum(scores[i])
	}
	return sum
}
