package serve

import (
	"bytes"
	_ "embed" // the description of the interface
	"encoding/json"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// description is the interface in OpenAPI's form. A test holds it against the
// table of addresses and what is answered.
//
//go:embed openapi.json
var description []byte

// openAPI answers GET /openapi.json.
func openAPI(x *exchange, _ *http.Request) {
	x.Header().Set("Content-Type", "application/json")
	if _, err := x.Write(description); err != nil {
		x.attrs = append(x.attrs, "gone", err.Error())
	}
}

// operation is one row of the page.
type operation struct {
	Method, Path string
	Summary      string `json:"summary"`
	Description  string `json:"description"`
}

// page shows the description.
var page = template.Must(template.New("docs").Parse(`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>mole serve</title>
<style>body{font:16px/1.5 sans-serif;max-width:50em;margin:2em auto;padding:0 1em}code{background:#eee;padding:.1em .3em}dt{margin-top:1em}</style></head>
<body><h1>{{.Title}}</h1><p>{{.About}}</p><p>All of it for programs: <a href="/openapi.json">openapi.json</a></p>
<dl>{{range .Operations}}<dt><code>{{.Method}} {{.Path}}</code> {{.Summary}}</dt><dd>{{.Description}}</dd>
{{end}}</dl></body></html>
`))

// docs is the page.
var docs = func() []byte {
	var d struct {
		Info struct {
			Title       string `json:"title"`
			Description string `json:"description"`
		} `json:"info"`
		Paths map[string]map[string]operation `json:"paths"`
	}
	if err := json.Unmarshal(description, &d); err != nil {
		panic(err) // the file is part of the program
	}
	var list []operation
	for _, path := range slices.Sorted(maps.Keys(d.Paths)) {
		for _, method := range slices.Sorted(maps.Keys(d.Paths[path])) {
			o := d.Paths[path][method]
			o.Method, o.Path = strings.ToUpper(method), path
			list = append(list, o)
		}
	}
	var out bytes.Buffer
	if err := page.Execute(&out, map[string]any{"Title": d.Info.Title, "About": d.Info.Description, "Operations": list}); err != nil {
		panic(err)
	}
	return out.Bytes()
}()

// docsPage answers GET /docs.
func docsPage(x *exchange, _ *http.Request) {
	h := x.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
	if _, err := x.Write(docs); err != nil {
		x.attrs = append(x.attrs, "gone", err.Error())
	}
}
