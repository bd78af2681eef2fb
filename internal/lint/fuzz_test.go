package lint

import (
	"go/ast"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// reader is the name of a function that makes something of foreign bytes.
var reader = regexp.MustCompile(`^(Parse|Read|Decode|Load|Open)`)

// withoutFuzz are the packages whose readers need no fuzz target of their own.
var withoutFuzz = map[string]string{
	"route": "reads with package bundle, and runs what it read",
}

// TestFuzzTargets is acceptance scenario 20 of the specification mole: a package
// that reads bytes of others, in an exported function that takes a slice, a
// reader or a file system, has a fuzz target.
func TestFuzzTargets(t *testing.T) {
	tree, err := load(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range tree.packages {
		readers, targets := readersOf(p)
		why, free := withoutFuzz[p.path]
		switch {
		case len(readers) > 0 && len(targets) == 0 && !free:
			t.Errorf("%s: %s: no fuzz target", p.path, strings.Join(readers, ", "))
		case free && (len(readers) == 0 || len(targets) > 0):
			t.Errorf("%s: it needs no exception any more (%s)", p.path, why)
		}
	}
}

// TestFuzzTargetsFound makes sure that targets and readers are recognised: these
// have been there from the beginning.
func TestFuzzTargetsFound(t *testing.T) {
	tree, err := load(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"safetensors": "Parse FuzzParse", "tokenizer": "Parse FuzzParse", "vision": "Decode FuzzDecode", "lora": "Decode FuzzDecode", "dataset": "Read FuzzRead",
		"shard": "Open FuzzShards", "store": "ParseTree FuzzParseTree", "bundle": "Read FuzzRead", "config": "LoadGenerator FuzzLoad", "history": "Read FuzzParse",
		"tbevents": "Load FuzzReader", "model/qwen3vl": "ParseConfig FuzzParseConfig", "stage": "ParseMetadata FuzzParseMetadata", "router": "ParseLinear FuzzParse",
	}
	for _, p := range tree.packages {
		readers, targets := readersOf(p)
		read, target, ok := strings.Cut(want[p.path], " ")
		if ok && (!slices.Contains(readers, read) || !slices.Contains(targets, target)) {
			t.Errorf("%s: got %q and %q, want %s and %s", p.path, readers, targets, read, target)
		}
		delete(want, p.path)
	}
	if len(want) > 0 {
		t.Errorf("there are no packages %v", want)
	}
}

// readersOf returns the exported readers of a package and its fuzz targets.
func readersOf(p *goPackage) (readers, targets []string) {
	for _, f := range p.files {
		for _, d := range f.syntax.Decls {
			fn, ok := d.(*ast.FuncDecl)
			switch {
			case !ok || fn.Recv != nil:
			case f.test && strings.HasPrefix(fn.Name.Name, "Fuzz"):
				targets = append(targets, fn.Name.Name)
			case !f.test && reader.MatchString(fn.Name.Name) && takesBytes(fn.Type):
				readers = append(readers, fn.Name.Name)
			}
		}
	}
	return readers, targets
}

// takesBytes reports whether a parameter is a []byte, an io.Reader or an fs.FS.
func takesBytes(f *ast.FuncType) bool {
	return slices.ContainsFunc(f.Params.List, func(p *ast.Field) bool {
		switch e := p.Type.(type) {
		case *ast.ArrayType:
			name, ok := e.Elt.(*ast.Ident)
			return ok && name.Name == "byte"
		case *ast.SelectorExpr:
			return e.Sel.Name == "Reader" || e.Sel.Name == "FS"
		}
		return false
	})
}
