package serve

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"mole/route/routetest"
)

// scripted starts a server for a program that is run from outside, and a folder
// with a picture.
func scripted(t *testing.T) (url, dir string) {
	t.Helper()
	_, url, _ = start(t, Options{Source: fixed(speaking(t, &fake{answer: sure}, &speaker{pieces: []string{"Hello ", "world"}}))})
	ready(t, url)
	dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "screenshot.png"), routetest.Picture(2, 1), 0o600); err != nil {
		t.Fatal(err)
	}
	return url, dir
}

// TestCurl runs the calls of docs/serving.md as they are printed.
func TestCurl(t *testing.T) {
	for _, name := range []string{"bash", "curl", "base64"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skip("this machine's operating system came without ", name)
		}
	}
	page, err := os.ReadFile(filepath.Join("..", "docs", "serving.md"))
	if err != nil {
		t.Fatal(err)
	}
	url, dir := scripted(t)
	blocks := regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	if len(blocks) != 2 {
		t.Fatalf("got %d calls, want 2", len(blocks))
	}
	for i, want := range []string{`"content":"Hello world"`, `"output":"Hello world"`} {
		c := exec.CommandContext(t.Context(), "bash", "-c", strings.ReplaceAll(blocks[i][1], "http://127.0.0.1:8080", url))
		c.Dir = dir
		if out, err := c.CombinedOutput(); err != nil || !strings.Contains(string(out), want) {
			t.Errorf("%s: got %s and %v, want %s", blocks[i][1], out, err, want)
		}
	}
}

// TestScript runs the script with OpenAI's client for Python, where that is
// installed for the python3 of the path.
func TestScript(t *testing.T) {
	if os.Getenv("MOLE_TEST_HEAVY") == "" {
		t.Skip("MOLE_TEST_HEAVY=1 runs it")
	}
	if err := exec.CommandContext(t.Context(), "python3", "-c", "import openai").Run(); err != nil {
		t.Skip("MOLE_TEST_HEAVY=1 runs it where this machine's operating system has python3 with openai")
	}
	url, dir := scripted(t)
	out, err := exec.CommandContext(t.Context(), "python3", filepath.Join("..", "scripts", "openai_client.py"), filepath.Join(dir, "screenshot.png"), "--url", url+"/v1").CombinedOutput()
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
	wantTold(t, string(out), []string{
		"models: auto, base, calendar, desktop", "headers: desktop 0.8000 false", "answer: 'Hello world' stop", "stream: 'Hello world'", "error: model_not_found model",
	}, nil)
}
