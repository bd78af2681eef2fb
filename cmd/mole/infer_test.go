package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mole/route/routetest"
	"mole/router"
)

// screens writes pictures of each expert and of an unknown screen.
func screens(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, class := range map[string]int{"calendar.png": 0, "ocr.png": 1, "sub/desktop.PNG": 2, "unknown.png": routetest.Classes} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, routetest.Picture(class, 40), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "notes.txt"), []byte("no picture"), 0o666); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestInfer(t *testing.T) {
	dir := screens(t)
	place := []string{"--bundle", routetest.Write(t, routetest.Bundle(t, router.Linear))} // its own table counts
	calendar := filepath.Join(dir, "calendar.png")
	work := t.TempDir()
	tasks, broken := filepath.Join(work, "tasks.jsonl"), filepath.Join(work, "broken.jsonl")
	lines := fmt.Sprintf("{\"image\": %q}\n\n{\"image\": %q, \"expert\": \"base\", \"prompt\": \"say it\"}\n", calendar, calendar)
	for name, text := range map[string]string{tasks: lines, broken: "{\"image\": \"a.png\"}\n{\"prompt\": \"x\"}\n"} {
		if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name    string
		args    []string
		want    []string
		wantErr string
	}{
		{"one", []string{calendar}, []string{"calendar.png: calendar\n", "█", "%\n", "routed in"}, ""},
		{"by the old flag", []string{"--image", calendar, "--prompt", "open it", "--route-only"}, []string{"calendar.png: calendar\n"}, ""},
		{"no expert", []string{calendar, "--prompt", "open it"}, []string{"calendar.png: calendar\n", "no answer: expert calendar is known, but no adapter is deployed"}, "1 of 1 pictures have no answer"},
		{"no adapter", []string{calendar, "--prompt", "open it", "--direct", "--max-new-tokens", "3"}, []string{"calendar.png: base, as you chose\n"}, ""},
		{"tasks", []string{tasks, "--jsonl", "--max-new-tokens", "3"}, []string{`"adapter":"calendar"`, `"output":null`, `"prompt":"say it"`, `"adapter":"base"`}, ""},
		{"broken tasks", []string{broken}, nil, "broken.jsonl:2: no image"},
		{"prototype", []string{calendar, "--rung", "prototype"}, []string{"calendar.png: calendar\n"}, ""},
		{"folder", []string{dir}, []string{"calendar.png: calendar\n", "ocr.png: ocr\n", "desktop.PNG: desktop\n", "unknown.png: unsure ("}, ""},
		{"unsure", []string{dir, "--unsure-exit"}, []string{"unknown.png: unsure ("}, "1 of 4 decisions are unsure"},
		{"chosen", []string{calendar, "--expert", "3"}, []string{"calendar.png: desktop, as you chose\n"}, ""},
		{"wrong choice", []string{calendar, "--expert", "mail"}, nil, `expert "mail", want one of 0 calendar`},
		{"no picture", []string{filepath.Join(dir, "notes.txt"), calendar}, []string{"notes.txt: picture: image file begins with", "calendar.png: calendar\n"}, "1 of 2 pictures have no answer"},
		{"no file", []string{filepath.Join(dir, "none.png")}, []string{"no such file"}, "1 of 1 pictures have no answer"},
		{"nothing", nil, nil, "no picture is named"},
		{"empty folder", []string{t.TempDir()}, nil, "no pictures (png"},
	} {
		got, err := command(t, new(inferCmd), append(tt.args, place...)...)
		if (err == nil) != (tt.wantErr == "") || err != nil && !strings.Contains(err.Error(), tt.wantErr) {
			t.Errorf("%s: got error %v, want %q", tt.name, err, tt.wantErr)
		}
		for _, want := range tt.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: got %s, want %q", tt.name, got, want)
			}
		}
	}
}

func TestInferJSON(t *testing.T) {
	bundle := routetest.Write(t, routetest.Bundle(t, router.Linear))
	got, err := command(t, new(inferCmd), "--json", "--bundle", bundle, screens(t))
	if err != nil {
		t.Fatal(err)
	}
	var v struct {
		Answers []inferred
		Router  map[string]any
	}
	if err := json.Unmarshal([]byte(got), &v); err != nil || len(v.Answers) != 4 || v.Router["run_name"] != "run-1" {
		t.Fatalf("got %s, error %v", got, err)
	}
	var short []string
	for _, a := range v.Answers {
		short = append(short, fmt.Sprint(filepath.Base(a.Image), " ", a.Adapter, " ", a.Routed, " ", a.Unsure, " ", len(a.SHA256), " ", len(a.Scores)))
	}
	short[3] = short[3][:len("unknown.png")] // whatever is nearest
	want := []string{"calendar.png calendar true false 64 3", "ocr.png ocr true false 64 3", "desktop.PNG desktop true false 64 3", "unknown.png"}
	if !slices.Equal(short, want) {
		t.Errorf("got %q, want %q", short, want)
	}
}

// standardInputFrom makes a file standard input.
func standardInputFrom(t *testing.T, name string) {
	t.Helper()
	in, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	standard := os.Stdin
	os.Stdin = in
	t.Cleanup(func() {
		os.Stdin = standard
		if err := in.Close(); err != nil {
			t.Error(err)
		}
	})
}

// wantError checks what an error says.
func wantError(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
}

// TestInferDeployed routes with the deployed router, a picture from standard
// input.
func TestInferDeployed(t *testing.T) {
	state, conf := workplace(t, "run-a")
	place := []string{"--state", state, "--config", conf}
	standardInputFrom(t, filepath.Join(screens(t), "ocr.png"))
	_, err := command(t, new(inferCmd), append(place, "-")...)
	wantError(t, err, "no router is deployed")
	if hint(err) == "" {
		t.Error("got no hint")
	}
	if _, err := command(t, new(deployCmd), append(place, "--latest")...); err != nil {
		t.Fatal(err)
	}
	if got, err := command(t, new(inferCmd), append(place, "-")...); err != nil || !strings.HasPrefix(got, "-: ocr\n") {
		t.Errorf("got %s, error %v", got, err)
	}
	adapters := filepath.Join(conf, "adapters.yaml")
	text, err := os.ReadFile(adapters)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(adapters, []byte(strings.Replace(string(text), "label: 2", "label: 1", 1)), 0o666); err != nil {
		t.Fatal(err)
	}
	_, err = command(t, new(inferCmd), append(place, "-")...)
	wantError(t, err, `expert "ocr" has label 2, the configuration says 1`)
}

func TestBar(t *testing.T) {
	for _, tt := range []struct {
		p    float64
		want string
	}{{0, ""}, {1, strings.Repeat("█", 20)}, {0.5, strings.Repeat("█", 10)}, {0.00625, "▏"}, {2, strings.Repeat("█", 20)}, {-1, ""}} {
		if got := strings.TrimRight(bar(tt.p), " "); got != tt.want || len([]rune(bar(tt.p))) != 20 {
			t.Errorf("%v: got %q, want %q", tt.p, got, tt.want)
		}
	}
}
