package lint

import (
	"go/ast"
	"strings"
)

// packageComment checks that one file of a package says what it is for, in
// the form that go doc expects.
func (c *checker) packageComment(p *goPackage) {
	name := ""
	for _, f := range p.files {
		if f.test {
			continue
		}
		name = f.syntax.Name.Name
		if isPackageComment(f.syntax) {
			return
		}
	}
	if name != "" {
		c.add(p.path, 0, "package %s has no package comment", name)
	}
}

// isPackageComment reports whether the comment above the package clause
// begins with "Package name", or "Command " for a program.
func isPackageComment(f *ast.File) bool {
	want := "Package " + f.Name.Name + " "
	if f.Name.Name == "main" {
		want = "Command "
	}
	return strings.HasPrefix(f.Doc.Text(), want)
}

// exported checks that every exported name of a file has a comment.
func (c *checker) exported(f *goFile) {
	for _, d := range f.syntax.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Name.IsExported() && receiverExported(d) && d.Doc == nil {
				c.at(d.Pos(), "exported %s has no comment", d.Name)
			}
		case *ast.GenDecl:
			for _, s := range d.Specs {
				c.spec(d, s)
			}
		}
	}
}

// receiverExported reports whether d is a function, or a method of an
// exported type.
func receiverExported(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	for t := d.Recv.List[0].Type; ; {
		switch e := t.(type) {
		case *ast.StarExpr:
			t = e.X
		case *ast.IndexExpr:
			t = e.X
		case *ast.IndexListExpr:
			t = e.X
		case *ast.Ident:
			return e.IsExported()
		default:
			return true
		}
	}
}

// spec checks one type, constant or variable. One comment serves a whole
// group of constants or variables; each type has its own.
func (c *checker) spec(d *ast.GenDecl, s ast.Spec) {
	switch s := s.(type) {
	case *ast.TypeSpec:
		if !s.Name.IsExported() {
			return
		}
		if s.Doc == nil && (d.Doc == nil || d.Lparen.IsValid()) {
			c.at(s.Pos(), "exported %s has no comment", s.Name)
		}
		c.members(s)
	case *ast.ValueSpec:
		if d.Doc == nil && s.Doc == nil && s.Comment == nil {
			c.undocumented("", s.Names)
		}
	}
}

// members checks the methods of an exported interface, which are a contract,
// and the fields of exported settings, whose comments hold unit and default.
func (c *checker) members(s *ast.TypeSpec) {
	var fields *ast.FieldList
	switch t := s.Type.(type) {
	case *ast.InterfaceType:
		fields = t.Methods
	case *ast.StructType:
		if isSettings(s.Name.Name) {
			fields = t.Fields
		}
	}
	if fields == nil {
		return
	}
	for _, f := range fields.List {
		if f.Doc == nil && f.Comment == nil {
			c.undocumented(s.Name.Name+".", f.Names)
		}
	}
}

// isSettings reports whether a type of this name holds settings.
func isSettings(name string) bool { return strings.HasSuffix(name, "Options") }

// undocumented adds a finding for each exported one of the names.
func (c *checker) undocumented(of string, names []*ast.Ident) {
	for _, n := range names {
		if n.IsExported() {
			c.at(n.Pos(), "exported %s%s has no comment", of, n.Name)
		}
	}
}
