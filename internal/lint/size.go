package lint

import (
	"go/ast"
	"go/token"
)

// The caps. A function is counted from its first line to its closing brace.
const (
	maxFileLines = 600
	maxFuncLines = 60
	maxNesting   = 3 // if, for, switch and select inside one another
)

// size checks the caps on one file.
func (c *checker) size(f *goFile) {
	if n := c.line(f.syntax.FileEnd - 1); n > maxFileLines {
		c.add(f.path, 0, "%d lines, at most %d", n, maxFileLines)
	}
	for _, d := range f.syntax.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok {
			if n := c.line(fn.End()) - c.line(fn.Pos()) + 1; n > maxFuncLines {
				c.at(fn.Pos(), "%s has %d lines, at most %d", fn.Name, n, maxFuncLines)
			}
		}
		ast.Walk(nesting{c, 0}, d)
	}
}

// line returns the line of a position.
func (c *checker) line(pos token.Pos) int { return c.tree.fset.Position(pos).Line }

// nesting walks over statements that stand inside depth others. A function
// literal begins anew: it is read by itself.
type nesting struct {
	check *checker
	depth int
}

// Visit implements [ast.Visitor].
func (v nesting) Visit(n ast.Node) ast.Visitor {
	switch n := n.(type) {
	case *ast.FuncLit:
		return nesting{v.check, 0}
	case *ast.IfStmt:
		v.ifStmt(n)
		return nil
	case *ast.ForStmt, *ast.RangeStmt, *ast.SwitchStmt, *ast.TypeSwitchStmt, *ast.SelectStmt:
		return v.deeper(n)
	}
	return v
}

// ifStmt walks over an if. The next condition of an else-if chain is as deep
// as the first.
func (v nesting) ifStmt(n *ast.IfStmt) {
	in := v.deeper(n)
	if n.Init != nil {
		ast.Walk(in, n.Init)
	}
	ast.Walk(in, n.Cond)
	ast.Walk(in, n.Body)
	switch e := n.Else.(type) {
	case *ast.IfStmt:
		ast.Walk(v, e)
	case *ast.BlockStmt:
		ast.Walk(in, e)
	}
}

// deeper returns the visitor for what stands inside n, and adds a finding if n
// is the first statement that is too deep.
func (v nesting) deeper(n ast.Node) nesting {
	if v.depth == maxNesting {
		v.check.at(n.Pos(), "nested more than %d deep", maxNesting)
	}
	return nesting{v.check, v.depth + 1}
}
