package lora

import (
	"fmt"
	"strings"
)

// matrix says which of the two matrices of a pair a tensor is.
type matrix uint8

const (
	matrixA matrix = iota
	matrixB
)

// suffixes are what the keys of each matrix end in. The second spelling holds
// the name that PEFT gives an adapter in memory and leaves out in files; some
// programs save it all the same.
var suffixes = [2][2]string{
	matrixA: {suffixA, ".lora_A.default.weight"},
	matrixB: {suffixB, ".lora_B.default.weight"},
}

// spellings map the beginnings of module paths that are met in practice to
// those of the network (specification qwen3-vl 2.3 and 9.3; mole 4.12). The
// first is for paths that are right as they are.
var spellings = []struct{ from, to string }{
	{"", ""},
	{"language_model.model.", "model.language_model."}, // serving engines
	{"language_model.", "model.language_model."},       // without the outer "model."
	{"visual.", "model.visual."},
	{"model.layers.", "model.language_model.layers."}, // trained on the text model alone
	{"layers.", "model.language_model.layers."},
}

// directory finds sites by the keys of a file.
type directory struct {
	sites []Site
	index map[string]int // by name
}

func newDirectory(sites []Site) *directory {
	d := &directory{sites, make(map[string]int, len(sites))}
	for i, s := range sites {
		d.index[s.Name] = i
	}
	return d
}

// find returns the index of the site that a key belongs to, and which of its
// matrices the key names.
func (d *directory) find(key string) (int, matrix, error) {
	path, kind, ok := cutSuffix(strings.TrimPrefix(key, keyPrefix))
	if !ok {
		return 0, 0, fmt.Errorf("tensor %.200q: not a matrix of an adapter, whose keys end in %s or %s", key, suffixA, suffixB)
	}
	for _, s := range spellings {
		if rest, ok := strings.CutPrefix(path, s.from); ok {
			if i, ok := d.index[s.to+rest]; ok {
				return i, kind, nil
			}
		}
	}
	return 0, 0, fmt.Errorf("tensor %.200q: the network has no such layer; the nearest is %q", key, d.nearest(path))
}

// cutSuffix takes the end that says which matrix it is off a key.
func cutSuffix(key string) (string, matrix, bool) {
	for kind, ends := range suffixes {
		for _, end := range ends {
			if path, ok := strings.CutSuffix(key, end); ok {
				return path, matrix(kind), true
			}
		}
	}
	return key, 0, false
}

// nearest returns the name of the site whose spelling differs least from path.
func (d *directory) nearest(path string) string {
	path = path[:min(len(path), maxCompared)]
	best, least := "", 0
	for i, s := range d.sites {
		if n := distance(path, s.Name); i == 0 || n < least {
			best, least = s.Name, n
		}
	}
	return best
}

// maxCompared bounds the work for a message about a hostile key.
const maxCompared = 200

// distance returns how many bytes must be put in, taken out or changed to make
// b of a (Levenshtein, "Binary codes capable of correcting deletions,
// insertions and reversals", 1966).
func distance(a, b string) int {
	row := make([]int, len(b)+1) // distances of a's beginning to each of b's
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
