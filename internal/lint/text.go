package lint

import (
	"bytes"
	"go/ast"
	"path"
	"regexp"
)

// The patterns are spelt so that this file does not match them.
var (
	unfinished  = regexp.MustCompile(`\b(TO[D]O|FIX[M]E|X[X]X)\b`)
	suppression = regexp.MustCompile(`^//\s*(no[l]int|lint:ignore|lint:file-ignore)\b|^//\s*#nosec\b`)
	// A path of somebody's machine. In "a/work/b" it is not one.
	machinePath = regexp.MustCompile(`(^|[^\w.)\]}*-])/(work|farm|root|tmp|home|Users)/`)
	// A test may be skipped for want of hardware, of an operating system's
	// feature, or of a MOLE_TEST_ variable that asks for it.
	skipReason = regexp.MustCompile(`\bMOLE_TEST_[A-Z]+\b|\b(processor|operating system)\b`)
)

// text checks the lines of a file. What is unfinished is looked for in the
// comments of Go files only, by another rule.
func (c *checker) text(f text) {
	isGo := path.Ext(f.path) == ".go"
	n := 0
	for line := range bytes.Lines(f.data) {
		n++
		if m := machinePath.FindSubmatch(line); m != nil {
			c.add(f.path, n, "names a path of one machine: /%s/", m[2])
		}
		if m := unfinished.Find(line); m != nil && !isGo {
			c.add(f.path, n, "%s: finish it, or write an issue", m)
		}
	}
}

// comments checks the comments of a Go file.
func (c *checker) comments(f *goFile) {
	for _, group := range f.syntax.Comments {
		for _, comment := range group.List {
			if m := unfinished.FindString(comment.Text); m != "" {
				c.at(comment.Pos(), "%s: finish it, or write an issue", m)
			}
			if m := suppression.FindStringSubmatch(comment.Text); m != nil {
				c.at(comment.Pos(), "silences a linter: mend what it says instead")
			}
		}
	}
}

// skip checks that a skipped test says what the machine lacks.
func (c *checker) skip(call *ast.CallExpr) {
	switch callee(call) {
	case "t.SkipNow", "b.SkipNow", "f.SkipNow":
		c.at(call.Pos(), "skips without a reason")
	case "t.Skip", "b.Skip", "f.Skip", "t.Skipf", "b.Skipf", "f.Skipf":
		if !skipExplained(call.Args) {
			c.at(call.Pos(), "skips for a reason that is not the machine's: name the MOLE_TEST_ variable or what the processor lacks")
		}
	}
}

// skipExplained reports whether a literal argument of Skip names a lack.
func skipExplained(args []ast.Expr) bool {
	for _, a := range args {
		if s, ok := literal(a); ok && skipReason.MatchString(s) {
			return true
		}
	}
	return false
}
