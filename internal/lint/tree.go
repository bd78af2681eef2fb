package lint

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
)

// tree is a module as the rules see it.
type tree struct {
	module   string // its path, from go.mod
	fset     *token.FileSet
	packages []*goPackage // by path
	texts    []text       // every text file, Go ones included
	broken   []Finding    // files that do not parse
}

// goPackage is one folder of Go files.
type goPackage struct {
	path  string // relative to the module, "." for its root
	files []*goFile
}

// goFile is one parsed Go file.
type goFile struct {
	path      string
	syntax    *ast.File
	test      bool
	generated bool
}

// text is one file as it is.
type text struct {
	path string
	data []byte
}

// textSuffixes are the endings of the files that rules about text apply to.
// Files without a dot in their name are scripts or texts too.
var textSuffixes = []string{".go", ".s", ".md", ".sh", ".yml", ".yaml", ".mod"}

// load reads the module in fsys.
func load(fsys fs.FS) (*tree, error) {
	t := &tree{fset: token.NewFileSet()}
	folders := map[string]*goPackage{}
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && skipped(d.Name()):
			return fs.SkipDir
		case d.IsDir() || !isText(d.Name()):
			return nil
		}
		data, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		t.add(folders, name, data)
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, dir := range slices.Sorted(maps.Keys(folders)) {
		t.packages = append(t.packages, folders[dir])
	}
	if t.module == "" {
		return nil, fmt.Errorf("go.mod: no module line")
	}
	return t, nil
}

// skipped reports whether the rules leave out folders of this name.
func skipped(name string) bool {
	return name == ".git" || name == "testdata" || name == "dist" || strings.HasPrefix(name, "_")
}

// isText reports whether a file of this name holds text that people wrote.
func isText(name string) bool {
	return !strings.Contains(name, ".") || slices.Contains(textSuffixes, path.Ext(name))
}

// add puts one file into the tree, and into its folder if it is Go.
func (t *tree) add(folders map[string]*goPackage, name string, data []byte) {
	if bytes.IndexByte(data, 0) >= 0 {
		return // a program that was built in place
	}
	t.texts = append(t.texts, text{name, data})
	if name == "go.mod" {
		t.module = modulePath(string(data))
	}
	if path.Ext(name) != ".go" {
		return
	}
	syntax, err := parser.ParseFile(t.fset, name, data, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.broken = append(t.broken, syntaxError(name, err))
		return
	}
	dir := path.Dir(name)
	if folders[dir] == nil {
		folders[dir] = &goPackage{path: dir}
	}
	folders[dir].files = append(folders[dir].files, &goFile{
		path:      name,
		syntax:    syntax,
		test:      strings.HasSuffix(name, "_test.go"),
		generated: ast.IsGenerated(syntax),
	})
}

// syntaxError returns the finding for the first of the parser's errors.
func syntaxError(name string, err error) Finding {
	if list, ok := err.(scanner.ErrorList); ok && len(list) > 0 {
		return Finding{name, list[0].Pos.Line, "does not parse: " + list[0].Msg}
	}
	return Finding{name, 0, "does not parse: " + err.Error()}
}

// modulePath returns the module line of a go.mod file, "" if it has none.
func modulePath(mod string) string {
	for line := range strings.Lines(mod) {
		if p, ok := strings.CutPrefix(line, "module "); ok {
			return strings.TrimSpace(p)
		}
	}
	return ""
}
