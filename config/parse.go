package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"go.yaml.in/yaml/v4"
	"go.yaml.in/yaml/v4/plugin/loaderlimits"
)

// maxDepth is how deep a file may be nested.
const maxDepth = 32

// parse returns the first node of a file, nil if the file is empty. JSON is
// read as the YAML that it is, which knows lines and columns, after a check
// that it is JSON.
func parse(name string, data []byte, isJSON bool) (*yaml.Node, error) {
	if isJSON {
		if err := checkJSON(name, data); err != nil {
			return nil, err
		}
	}
	l, err := yaml.NewLoader(bytes.NewReader(data), yaml.WithPlugin(loaderlimits.New(loaderlimits.DepthValue(maxDepth))))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	var document, second yaml.Node
	err = l.Load(&document)
	if errors.Is(err, io.EOF) {
		return nil, nil
	}
	if err != nil {
		return nil, syntaxError(name, err)
	}
	if err := l.Load(&second); err == nil {
		return nil, &Error{Where: position(name, first(&second).Line, first(&second).Column), Reason: "a second document, want one"}
	} else if !errors.Is(err, io.EOF) {
		return nil, syntaxError(name, err)
	}
	root := first(&document)
	if root.Kind == yaml.ScalarNode && root.ShortTag() == nullTag {
		return nil, nil
	}
	return root, nil
}

// first returns what a document holds.
func first(document *yaml.Node) *yaml.Node {
	if document.Kind == yaml.DocumentNode && len(document.Content) > 0 {
		return document.Content[0]
	}
	return document
}

// position returns "name:line:column".
func position(name string, line, column int) string {
	return Source{File: name, Line: line, Column: column}.where()
}

// syntaxError puts the parser's error in our form.
func syntaxError(name string, err error) error {
	var e *yaml.LoadError
	if errors.As(err, &e) && e.Mark.Line > 0 {
		return &Error{Where: position(name, e.Mark.Line, e.Mark.Column+1), Reason: e.Message}
	}
	return fmt.Errorf("%s: %w", name, err)
}

// checkJSON returns an error unless data is JSON.
func checkJSON(name string, data []byte) error {
	var any json.RawMessage
	err := json.Unmarshal(data, &any)
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		before := data[:min(int(syntax.Offset), len(data))]
		line := bytes.Count(before, []byte("\n"))
		column := len(before) - bytes.LastIndexByte(before, '\n') - 1
		return &Error{Where: position(name, line+1, max(1, column)), Reason: err.Error()}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}
