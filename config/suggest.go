package config

import (
	"fmt"
	"slices"
)

// nearest returns the candidate that the fewest edits turn name into, or "" if
// all are far from it.
func nearest(name string, candidates []string) string {
	best, least := "", max(2, len(name)/3)+1
	for _, c := range slices.Sorted(slices.Values(candidates)) {
		if d := distance(name, c); d < least {
			best, least = c, d
		}
	}
	return best
}

// maxCompared is the longest name that is compared with others, in bytes.
const maxCompared = 100

// distance returns how many insertions, deletions, replacements and exchanges
// of neighbours turn a into b: the optimal string alignment distance.
func distance(a, b string) int {
	if max(len(a), len(b)) > maxCompared {
		return max(len(a), len(b))
	}
	above, row := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	var before []int // the row above the one above
	for i := range len(a) {
		before, above, row = above, row, make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			change := 1
			if a[i] == b[j] {
				change = 0
			}
			row[j+1] = min(row[j]+1, above[j+1]+1, above[j]+change)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
	}
	return row[len(b)]
}

// unknown says that a name is none of the candidates.
func unknown(what, name string, candidates []string) string {
	s := fmt.Sprintf("unknown %s %.100q", what, name)
	if n := nearest(name, candidates); n != "" {
		s += fmt.Sprintf(", the nearest is %q", n)
	}
	return s
}
