package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"mole/route/routetest"
)

// asProgram is the variable that makes the test binary the program itself.
const asProgram = "MOLE_TEST_PROGRAM"

// preparedDir is the folder that prepared shares among the tests.
var preparedDir string

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
	}
	// What the user downloaded is no part of the tests.
	if err := os.Setenv("HF_HUB_CACHE", filepath.Join(os.TempDir(), "mole-test-no-models")); err != nil {
		panic(err)
	}
	code := m.Run()
	if err := os.RemoveAll(preparedDir); err != nil {
		code = 1
	}
	os.Exit(code)
}

// prepare draws small screens and goes as far as a preprocessed routing set.
var prepare = sync.OnceValues(func() (string, error) {
	var err error
	if preparedDir, err = os.MkdirTemp("", "mole"); err != nil {
		return "", err
	}
	var log bytes.Buffer
	for _, line := range []string{
		"synth --images 10 --tests 7 --scale 0.15 --seed 7",
		"generate --samples-per-adapter 6 --test-per-adapter 2 --name routing_test --no-chain",
		"upload --no-chain",
		"preprocess --dataset-name routing_test --max-tokens 16 --no-chain",
	} {
		args := append(strings.Fields(line), "--state="+preparedDir)
		if got := run(args, &log, &log); got != statusOK {
			return "", fmt.Errorf("mole %s: status %d\n%s", line, got, &log)
		}
	}
	return preparedDir, nil
})

// prepared returns a state folder of its own with the routing set routing_test,
// preprocessed for 16 image tokens.
func prepared(t *testing.T) string {
	t.Helper()
	from, err := prepare()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "state")
	if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// everything returns names, sizes and times of all files and folders below one.
func everything(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil {
			all = append(all, fmt.Sprint(name, " ", info.Size(), " ", info.ModTime().UnixNano()))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestDry is acceptance scenario 2 of the specification mole: a dry run of any
// stage says what would run, and leaves the state folder as it was, folders
// included; where there is none, it makes none.
func TestDry(t *testing.T) {
	state, nowhere := prepared(t), filepath.Join(t.TempDir(), "none")
	set := filepath.Join(state, "datasets", "routing_test")
	before := everything(t, state)
	for _, line := range []string{
		"generate --dry-run", "upload --dry " + set, "upload --dry-run " + set, "preprocess --dry --dataset-name routing_test",
		"preprocess --dry-run --dataset-name routing_test", "train --dry --dataset-name routing_test", "pipeline --dry-run",
	} {
		for _, dir := range []string{state, nowhere} {
			if got := must(t, append(strings.Fields(line), "--state="+dir)...); !strings.Contains(got, "would run") {
				t.Errorf("%s: got %q", line, got)
			}
		}
	}
	if after := everything(t, state); !slices.Equal(after, before) {
		t.Error("a dry run touched the state folder")
	}
	if _, err := os.Stat(nowhere); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want that a dry run makes no state folder", err)
	}
}

// checkout makes a folder as a fresh checkout has it, scripts and configuration,
// and a program mole on the path, which is this test.
func checkout(t *testing.T) (dir string) {
	t.Helper()
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("this operating system came without bash, which the scripts want")
	}
	dir, bin := t.TempDir(), t.TempDir()
	for _, name := range []string{"scripts", "config"} {
		if err := os.CopyFS(filepath.Join(dir, name), os.DirFS(filepath.Join("..", "..", name))); err != nil {
			t.Fatal(err)
		}
	}
	program := fmt.Sprintf("#!/bin/sh\n%s=1 exec %q \"$@\"\n", asProgram, os.Args[0])
	if err := os.WriteFile(filepath.Join(bin, "mole"), []byte(program), 0o777); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	return dir
}

// shell runs a command line in a folder and returns its standard output.
func shell(t *testing.T, dir, line string) string {
	t.Helper()
	args := strings.Fields(line)
	c := exec.CommandContext(t.Context(), args[0], args[1:]...)
	c.Dir = dir
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", line, err, out, &stderr)
	}
	return string(out)
}

// wantLines checks that a text has each of some lines, or parts of them.
func wantLines(t *testing.T, what, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%s: got %q, want %q in it", what, text, part)
		}
	}
}

// TestScripts runs the scripts of the chain, stage by stage, in a clean checkout
// (scenario 1; TestScriptsChain lets them follow each other).
func TestScripts(t *testing.T) {
	dir := checkout(t)
	shell(t, dir, "mole synth --expert all --test --scale 0.15 --tests 7")
	got := shell(t, dir, "scripts/generate.sh --dry --samples-per-adapter 6 --test-per-adapter 1 --name routing_test")
	wantLines(t, "generate", got, "routing_test", "Next: mole upload ")
	if again := shell(t, dir, "scripts/generate_dataset.sh --dry --samples-per-adapter 6 --test-per-adapter 1 --name routing_test"); !strings.Contains(again, "there already") {
		t.Errorf("generate under its older name: got %q", again)
	}
	for _, s := range []struct{ line, want string }{
		{"upload.sh --no-chain", "DATASET_NAME=routing_test\n"},
		{"preprocess.sh --dataset-name routing_test --max-tokens 16 --no-chain", "Next: mole train "},
		{"train.sh --dry --dataset-name routing_test", "would run"},
		{"train-fast.sh --dataset-name routing_test --max-steps 2 --max-tokens 16", "Next: mole eval "},
		{"eval.sh --dataset-name routing_test --max-tokens 16", "Overall Accuracy: "},
		{"test.sh --dataset-name routing_test --max-tokens 16", "Overall Accuracy: "},
		{"deploy-latest.sh", "DEPLOYED: release "},
		{"deploy.sh --run-name routing-test", "deployed already"},
	} {
		wantLines(t, s.line, shell(t, dir, "scripts/"+s.line), s.want)
	}
}

// TestScriptsChain is scenario 1: the whole chain in a clean checkout, and a
// second start that does nothing.
func TestScriptsChain(t *testing.T) {
	if os.Getenv("MOLE_TEST_HEAVY") == "" {
		t.Skip("MOLE_TEST_HEAVY=1 runs this: a minute of training")
	}
	dir := checkout(t)
	shell(t, dir, "mole synth --expert all --test")
	const generate = "scripts/generate.sh --samples-per-adapter 6 --test-per-adapter 1"
	got := shell(t, dir, generate)
	_, rest, _ := strings.Cut(got, "DATASET_NAME=")
	set, _, _ := strings.Cut(rest, "\n")
	if !strings.HasPrefix(set, "routing_") {
		t.Fatalf("got %q, want a line DATASET_NAME=routing_…", got)
	}
	wantLines(t, "chain", got, "preprocess: ", "train: run ", "Next: mole eval --dataset-name "+set)
	run := strings.ReplaceAll(set, "_", "-")
	shell(t, dir, "mole volume get moe-lora-data:checkpoints/datasets/"+set+"/"+run+" router")
	for _, name := range []string{"bundle.json", "adapter/adapter_config.json", "adapter/adapter_model.safetensors"} {
		if _, err := os.Stat(filepath.Join(dir, "router", name)); err != nil {
			t.Error(err)
		}
	}
	kept := func() []string { // locks aside, which every start takes
		return slices.DeleteFunc(listing(t, filepath.Join(dir, ".mole")), func(name string) bool { return strings.Contains(name, ".lock") })
	}
	before := kept()
	wantLines(t, "second start", shell(t, dir, generate), "is there already", "DATASET_NAME="+set, "done before")
	if after := kept(); !slices.Equal(after, before) {
		t.Errorf("the second start touched files: got %v, want %v", after, before)
	}
}

// weightsOf returns the adapter of a run of routing_test.
func weightsOf(t *testing.T, state, run string) []byte {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "router")
	must(t, "volume", "get", "moe-lora-data:checkpoints/datasets/routing_test/"+run, dir, "--state="+state)
	data, err := os.ReadFile(filepath.Join(dir, "adapter", "adapter_model.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestSignal is scenario 9: a signal in the middle of 60 steps ends mole train
// with status 75, and the same command goes on to the bytes of a run that nobody
// stopped.
func TestSignal(t *testing.T) {
	train := strings.Fields("train --dataset-name routing_test --rung lora --max-tokens 16 --max-steps 60 --batch-size 1 --lora-rank 2 --eval-steps 60 --save-steps 50")
	whole, state := prepared(t), prepared(t)
	must(t, append(train, "--state="+whole)...)

	c := exec.CommandContext(t.Context(), os.Args[0], append(train, "--state="+state)...)
	c.Env = append(os.Environ(), asProgram+"=1")
	stderr, err := c.StderrPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		fmt.Fprintln(&log, lines.Text())
		if strings.HasSuffix(lines.Text(), "step 12 of 60") {
			if err := c.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
		}
	}
	var exit *exec.ExitError
	if err := c.Wait(); !errors.As(err, &exit) || exit.ExitCode() != statusResumable {
		t.Fatalf("got %v, want status %d\n%s", err, statusResumable, &log)
	}
	wantLines(t, "stopped run", log.String(), "training stopped", "the same command continues it")
	must(t, append(train, "--state="+state)...)
	if !bytes.Equal(weightsOf(t, state, "routing-test"), weightsOf(t, whole, "routing-test")) {
		t.Error("the adapter of the stopped run differs")
	}
}

// TestNotPromoted is scenario 13: a router that is not better than the deployed
// one on the same test set is not deployed.
func TestNotPromoted(t *testing.T) {
	state := prepared(t)
	in := func(line string) string {
		t.Helper()
		return must(t, append(strings.Fields(line), "--state="+state)...)
	}
	const set = " --dataset-name routing_test --max-tokens 16"
	in("train --rung linear --run-name good" + set)
	in("eval --run-name good" + set)
	in("deploy --run-name good")
	const pipeline = "pipeline --samples-per-adapter 6 --test-per-adapter 2 --name routing_test --max-tokens 16 --fast --rung lora --run-name worse --deploy-if better"
	wantLines(t, "pipeline", in(pipeline), "NOT DEPLOYED: ")
	wantLines(t, "deployed", in("deploy --run-name good"), "deployed already: ", ", run good of routing_test")
}

// TestSwapInFlight is scenario 13: clients ask without pause while routers are
// deployed and taken back; each request gets a whole answer of a real router.
func TestSwapInFlight(t *testing.T) {
	state, conf := workplace(t, "run-a", "run-b")
	place := []string{"--state", state, "--config", conf}
	deploy := func(args ...string) {
		if _, err := command(t, new(deployCmd), append(args, place...)...); err != nil {
			t.Error(err)
		}
	}
	deploy("--run-name", "run-a")
	s := startServe(t, &serveCmd{routerFlags: routerFlags{State: state, Config: conf}, writerFlags: writerFlags{RouteOnly: true}, Watch: 5 * time.Millisecond, Networks: 2, MaxQueue: 16, Timeout: time.Minute, Drain: time.Minute})
	waitRun(t, s.url, "run-a")
	body := `{"prompt":"open it","image_b64":"` + base64.StdEncoding.EncodeToString(routetest.Picture(2, 50)) + `"}`
	var asked [2]int
	var clients sync.WaitGroup
	end := make(chan struct{})
	for i := range asked {
		clients.Go(func() { asked[i] = keepAsking(t, s.url, body, end) })
	}
	changes := 1
	if os.Getenv("MOLE_TEST_HEAVY") != "" {
		changes = 10
	}
	for range changes {
		deploy("--run-name", "run-b")
		waitRun(t, s.url, "run-b")
		deploy("--rollback")
		waitRun(t, s.url, "run-a")
	}
	close(end)
	clients.Wait()
	if err := s.stop(); err != nil {
		t.Error(err)
	}
	t.Logf("%v requests during %d changes", asked, 2*changes)
	if got := strings.Count(s.log.String(), "router opened"); slices.Min(asked[:]) < 1 || got != 2*changes+1 {
		t.Errorf("got %v requests and %d routers, want requests of each client and %d routers\n%s", asked, got, 2*changes+1, s.log)
	}
}

// keepAsking sends requests until the end and returns how many. Each has to be
// answered.
func keepAsking(t *testing.T, url, body string, end chan struct{}) (asked int) {
	for {
		select {
		case <-end:
			return asked
		default:
		}
		if a := object(t, http.MethodPost, url+"/infer", strings.NewReader(body)); a["adapter"] != "desktop" || a["error"] != nil {
			t.Errorf("request %d: got %v", asked, a)
			return asked
		}
		asked++
	}
}

// TestSecrets is scenario 21, as far as there are secrets: the server does
// nothing without its token, and what it logs and answers does not contain it,
// wherever a client puts it.
func TestSecrets(t *testing.T) {
	const token = "correct-horse-battery-staple"
	state, conf := workplace(t, "run-a")
	if _, err := command(t, new(deployCmd), "--state", state, "--config", conf, "--latest"); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := startServe(t, &serveCmd{routerFlags: routerFlags{State: state, Config: conf}, writerFlags: writerFlags{RouteOnly: true}, Watch: time.Hour, AuthTokenFile: file, MaxQueue: 4, Timeout: time.Minute})
	waitRun(t, s.url, "run-a")
	image := base64.StdEncoding.EncodeToString(routetest.Picture(2, 50))
	var said strings.Builder
	for _, tt := range []struct {
		path, authorization, body string
		want                      int
	}{
		{"/infer", "", `{}`, http.StatusUnauthorized},
		{"/infer?token=" + token, "", `{}`, http.StatusUnauthorized},
		{"/infer", "Basic " + token, `{}`, http.StatusUnauthorized},
		{"/infer", "Bearer " + token + "x", `{}`, http.StatusUnauthorized},
		{"/infer?token=" + token, "Bearer " + token, `{"prompt":"type hunter2 into the field","image_b64":"` + image + `"}`, http.StatusOK},
		{"/infer", "Bearer " + token, `{"prompt":"hunter2","image_b64":"!"}`, http.StatusBadRequest},
	} {
		status, text := send(t, s.url+tt.path, tt.authorization, tt.body)
		if status != tt.want {
			t.Errorf("%s with %q: got %d, want %d: %s", tt.path, tt.authorization, status, tt.want, text)
		}
		said.WriteString(text)
	}
	if err := s.stop(); err != nil {
		t.Error(err)
	}
	wantLines(t, "log", s.log.String(), "path=/infer", "status=401", "status=200")
	for _, secret := range []string{token, "hunter2", image[:40]} {
		if strings.Contains(s.log.String(), secret) || strings.Contains(said.String(), secret) {
			t.Errorf("%q is in the log or in an answer: %s%s", secret, s.log, &said)
		}
	}
}

// send sends a request and returns how it is answered.
func send(t *testing.T, url, authorization, body string) (status int, text string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	w, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	_, err = b.ReadFrom(w.Body)
	if err = errors.Join(err, w.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return w.StatusCode, b.String()
}
