package main

import (
	"fmt"
	"slices"
	"strings"
)

// A function is one routine in assembly, with its Go declaration.
type function struct {
	name     string
	doc      []string // comment lines; the first goes on after the name
	requires string   // instruction sets
	params   []param  // there are no results
	body     func(a *asm)
}

// A param is a parameter and its Go type.
type param struct{ name, kind string }

// size returns the bytes a parameter takes.
func (p param) size() int {
	switch p.kind {
	case "bool":
		return 1
	case "float32":
		return 4
	}
	return 8
}

// place returns the offset of parameter i in the frame; for i one behind the
// last, that is the size of all of them.
func (f *function) place(i int) int {
	end := 0
	for j, p := range f.params[:min(i+1, len(f.params))] {
		end = (end + p.size() - 1) &^ (p.size() - 1)
		if j == i {
			break
		}
		end += p.size()
	}
	return end
}

// offset returns the offset of a parameter in the frame.
func (f *function) offset(name string) int {
	i := slices.IndexFunc(f.params, func(p param) bool { return p.name == name })
	if i < 0 {
		panic(fmt.Sprintf("%s has no parameter %s", f.name, name))
	}
	return f.place(i)
}

// declaration returns the Go declaration.
func (f *function) declaration() string {
	words := make([]string, len(f.params))
	for i, p := range f.params {
		words[i] = p.name + " " + p.kind
	}
	return fmt.Sprintf("func %s(%s)", f.name, strings.Join(words, ", "))
}

// assembly returns the text of the routine.
func (f *function) assembly(on arch) string {
	a := &asm{fn: f, arch: on}
	fmt.Fprintf(&a.text, "// %s\n// Requires: %s\n", f.declaration(), f.requires)
	fmt.Fprintf(&a.text, "TEXT ·%s(SB), NOSPLIT, $0-%d\n", f.name, f.place(len(f.params)))
	f.body(a)
	return a.text.String()
}

// stub returns the declaration for the Go side, with its comment.
func (f *function) stub() string {
	var b strings.Builder
	for i, line := range f.doc {
		if i == 0 {
			line = f.name + " " + line
		}
		fmt.Fprintf(&b, "// %s\n", line)
	}
	fmt.Fprintf(&b, "//\n// Requires: %s\n//\n//go:noescape\n%s\n", f.requires, f.declaration())
	return b.String()
}

// choice returns the declaration of the function that chooses among the tiers.
func (f *function) choice(name string) string {
	return strings.Replace(f.declaration(), f.name+"(", name+"On(t Tier, ", 1)
}

// choiceUnused is choice with parameters that have no names.
func (f *function) choiceUnused(name string) string {
	kinds := []string{"t Tier"}
	for _, p := range f.params {
		kinds = append(kinds, "_ "+p.kind)
	}
	return fmt.Sprintf("func %sOn(%s)", name, strings.Join(kinds, ", "))
}

// arguments returns the names of the parameters.
func (f *function) arguments() string {
	names := make([]string, len(f.params))
	for i, p := range f.params {
		names[i] = p.name
	}
	return strings.Join(names, ", ")
}
