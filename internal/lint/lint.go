// Package lint holds the rules of this tree that a program can check and that
// no ready-made linter knows: which package may import which, that everything
// exported is documented, how large things may be, and how messages read. Its
// test runs them over the whole tree.
//
// The rules read the files themselves instead of asking the go command. The go
// command decides whether a cached test result still holds by the files that
// the test opened, so a test that learns of the tree in any other way keeps
// passing after the tree has changed.
//
// Cyclomatic complexity is left to golangci-lint.
package lint

import (
	"fmt"
	"go/ast"
	"go/token"
	"io/fs"
	"slices"
	"strings"
)

// Finding is one place where the tree breaks a rule.
type Finding struct {
	Path    string // slash-separated, relative to the root of the module
	Line    int    // from 1, or 0 if the finding is about the whole file or package
	Message string
}

// String returns f as "path:line: message".
func (f Finding) String() string {
	if f.Line == 0 {
		return f.Path + ": " + f.Message
	}
	return fmt.Sprintf("%s:%d: %s", f.Path, f.Line, f.Message)
}

// Check returns every finding in the module whose root is fsys, in the order
// of path and line. Folders named testdata or dist, and folders that begin
// with an underscore, are not looked at. The error is of fsys, never of what
// the files hold.
func Check(fsys fs.FS) ([]Finding, error) {
	t, err := load(fsys)
	if err != nil {
		return nil, err
	}
	c := &checker{tree: t, findings: t.broken}
	for _, p := range t.packages {
		c.layer(p)
		c.packageComment(p)
		for _, f := range p.files {
			c.file(f)
		}
	}
	for _, f := range t.texts {
		c.text(f)
	}
	slices.SortFunc(c.findings, compare)
	return c.findings, nil
}

// compare orders findings by path, line and message.
func compare(a, b Finding) int {
	if c := strings.Compare(a.Path, b.Path); c != 0 {
		return c
	}
	if a.Line != b.Line {
		return a.Line - b.Line
	}
	return strings.Compare(a.Message, b.Message)
}

// checker collects findings.
type checker struct {
	tree     *tree
	findings []Finding
}

// at adds a finding at a position of a Go file.
func (c *checker) at(pos token.Pos, format string, args ...any) {
	p := c.tree.fset.Position(pos)
	c.add(p.Filename, p.Line, format, args...)
}

// add adds a finding.
func (c *checker) add(path string, line int, format string, args ...any) {
	c.findings = append(c.findings, Finding{path, line, fmt.Sprintf(format, args...)})
}

// file applies every rule that needs one Go file alone.
func (c *checker) file(f *goFile) {
	if !f.generated {
		c.size(f)
	}
	if !f.test {
		c.exported(f)
	}
	c.comments(f)
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			c.message(call)
			c.skip(call)
		}
		return true
	})
}
