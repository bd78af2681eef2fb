package lint

import (
	"strconv"
	"strings"
)

// layers lists the packages from the bottom up. A package imports only from
// rows below its own; packages of one row do not import each other. Row 0
// holds the programs that generate code: nothing may depend on them but tests.
var layers = [][]string{
	0: {"internal/kernel/gen"},
	1: {"tensor", "internal/kernel", "internal/pixel", "internal/flock", "expert"},
	2: {"device", "safetensors", "tokenizer", "vision", "store", "spec", "metric", "hub"},
	3: {"device/cpu", "device/devicetest", "lora", "batch", "dataset", "store/file", "store/storetest", "tbevents", "history", "archive", "grammar"},
	4: {"prompt", "synth", "shard"},
	5: {"model/qwen3vl", "train", "router", "base/tiny", "view"},
	6: {"parity", "train/traintest", "eval", "bundle", "base", "evidence", "generate"},
	7: {"config", "route", "route/routetest", "answer", "bench"},
	8: {"stage", "serve", "tensorboard"},
	9: {"cmd/mole", "internal/lint"},
}

// layerOf returns the row of a package.
func layerOf(pkg string) (row int, ok bool) {
	for row, names := range layers {
		for _, name := range names {
			if name == pkg {
				return row, true
			}
		}
	}
	return 0, false
}

// layer checks the imports of a package. Tests may import upward.
func (c *checker) layer(p *goPackage) {
	row, ok := layerOf(p.path)
	if !ok {
		c.add(p.path, 0, "is in no layer: add it to the table")
		return
	}
	for _, f := range p.files {
		if !f.test {
			c.imports(p.path, row, f)
		}
	}
}

// imports checks the imports of one file of package pkg, which is in a row.
func (c *checker) imports(pkg string, row int, f *goFile) {
	for _, spec := range f.syntax.Imports {
		name, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue // the parser accepts string literals only
		}
		dep, ours := strings.CutPrefix(name, c.tree.module+"/")
		depRow, known := layerOf(dep)
		switch {
		case !ours || !known || depRow < row:
		case depRow == row:
			c.at(spec.Pos(), "%s imports %s: both are in layer %d, siblings do not import each other", pkg, dep, row)
		default:
			c.at(spec.Pos(), "%s (layer %d) imports %s (layer %d): only lower layers may be imported", pkg, row, dep, depRow)
		}
	}
}
