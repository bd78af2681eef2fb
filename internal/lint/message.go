package lint

import (
	"go/ast"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// message checks how the message of a new error or of a panic reads: it is
// the middle of a sentence, and it names the thing rather than the mishap.
func (c *checker) message(call *ast.CallExpr) {
	arg := messageArg(call)
	if arg == nil {
		return
	}
	begin, end := ends(arg)
	if s, ok := literal(begin); ok {
		c.begins(arg.Pos(), s)
	}
	if s, ok := literal(end); ok && strings.HasSuffix(s, ".") {
		c.at(arg.Pos(), "message ends with a dot: %q", s)
	}
}

// messageArg returns the message of a call that makes an error or panics, or
// nil if the call does neither.
func messageArg(call *ast.CallExpr) ast.Expr {
	if len(call.Args) == 0 {
		return nil
	}
	switch callee(call) {
	case "errors.New", "fmt.Errorf":
		return call.Args[0]
	case "panic":
		in, ok := call.Args[0].(*ast.CallExpr)
		if ok && strings.HasPrefix(callee(in), "fmt.Sprint") && len(in.Args) > 0 {
			return in.Args[0]
		}
		return call.Args[0]
	}
	return nil
}

// callee returns the function that a call names, with its package or
// receiver: "fmt.Errorf", "panic". It is "" for anything less plain.
func callee(call *ast.CallExpr) string {
	switch f := call.Fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		if x, ok := f.X.(*ast.Ident); ok {
			return x.Name + "." + f.Sel.Name
		}
	}
	return ""
}

// ends returns the first and the last operand of a sum of strings.
func ends(e ast.Expr) (first, last ast.Expr) {
	sum, ok := e.(*ast.BinaryExpr)
	if !ok || sum.Op != token.ADD {
		return e, e
	}
	first, _ = ends(sum.X)
	_, last = ends(sum.Y)
	return first, last
}

// literal returns the value of a string literal.
func literal(e ast.Expr) (string, bool) {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	s, err := strconv.Unquote(lit.Value)
	return s, err == nil
}

// begins checks the first word of a message.
func (c *checker) begins(pos token.Pos, s string) {
	word, _, _ := strings.Cut(s, " ")
	word = strings.TrimRight(word, ":,")
	switch {
	case word == "":
		c.at(pos, "message begins with no word: %q", s)
	case slices.Contains([]string{"failed", "unable", "error", "cannot"}, strings.ToLower(word)):
		c.at(pos, "message begins with %q, which every message could: %q", word, s)
	case isCapitalised(word):
		c.at(pos, "message begins with a capital: %q", s)
	}
}

// isCapitalised reports whether a word has a capital at its beginning and
// nowhere else. Others are names (PNG, RoPE, F32) and stay as they are.
func isCapitalised(word string) bool {
	for i, r := range word {
		if (i == 0) != unicode.IsUpper(r) || unicode.IsDigit(r) {
			return false
		}
	}
	return true
}
