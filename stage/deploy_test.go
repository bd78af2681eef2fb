package stage_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mole/bundle"
	"mole/eval"
	"mole/route/routetest"
	"mole/router"
	"mole/stage"
	"mole/store"
	"mole/store/file"
	"mole/store/storetest"
)

// placeIn returns a place whose volumes have their usual names.
func placeIn(t *testing.T, s store.Store) *stage.Place {
	return &stage.Place{State: t.TempDir(), Store: s, Volumes: stage.Volumes{}.WithDefaults(), Experts: routetest.Experts()}
}

// trained publishes a router without an adapter, as training does. Day tells
// its age.
func trained(t *testing.T, p *stage.Place, run string, day, right int) {
	t.Helper()
	b := routetest.Bundle(t, router.Prototype)
	b.Run, b.Created = run, time.Date(2026, 1, day, 0, 0, 0, 0, time.UTC).Format(time.RFC3339)
	b.Weights, b.Config = nil, nil
	b.Calibrations = map[router.Rung]*router.Calibration{router.Linear: b.Calibrations[router.Linear], router.Prototype: b.Calibrations[router.Prototype]}
	b.Report = nil
	if right > 0 {
		b.Report = routetest.Report(t, b, right, 100)
	}
	publishRouter(t, p, b)
}

func publishRouter(t *testing.T, p *stage.Place, b *bundle.Bundle) {
	t.Helper()
	tree, err := store.Add(t.Context(), p.Store, os.DirFS(routetest.Write(t, b)), store.AddOptions{})
	if err != nil {
		t.Fatal(err)
	}
	v := store.Volume{Store: p.Store, Name: p.Volumes.Data}
	if err := v.Publish(t.Context(), stage.CheckpointPath(b.Dataset, b.Run), tree, store.Always); err != nil {
		t.Fatal(err)
	}
}

// deploy deploys and fails the test if that fails.
func deploy(t *testing.T, d *stage.Deploy) *stage.Deployed {
	t.Helper()
	out, err := d.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// releases returns what releases there are, oldest first.
func releases(t *testing.T, p *stage.Place) []string {
	t.Helper()
	var out []string
	for e, err := range (store.Volume{Store: p.Store, Name: p.Volumes.Inference}).List(t.Context(), "routing/releases/") {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, strings.TrimPrefix(e.Path, "routing/releases/"))
	}
	return out
}

// wantDeployed checks which run is deployed, and that its bundle is whole.
func wantDeployed(t *testing.T, p *stage.Place, run string) *stage.Deployed {
	t.Helper()
	d, err := p.Deployed(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b, err := bundle.Read(d.Tree.FS(t.Context(), p.Store))
	if err != nil || b.Run != d.Metadata.Run || run != "" && b.Run != run {
		t.Fatalf("got run %q of metadata %q, error %v, want %q", b.Run, d.Metadata.Run, err, run)
	}
	return d
}

func TestDeploy(t *testing.T) {
	p := placeIn(t, storetest.Memory())
	_, err := p.Deployed(t.Context())
	wantError(t, err, "moe-inference:routing/adapter: no router is deployed")
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want ErrNotExist", err)
	}
	trained(t, p, "newer", 9, 98)
	trained(t, p, "older", 5, 99)
	first := deploy(t, &stage.Deploy{Place: p, Latest: true})
	release := first.Metadata.Release
	if got := wantDeployed(t, p, "newer"); got.Version != first.Version || got.Metadata.Release != release {
		t.Errorf("got %+v, want %+v", got, first)
	}
	if again := deploy(t, &stage.Deploy{Place: p, Latest: true}); !again.Done || again.Metadata.Release != release {
		t.Errorf("again: got %+v, want that nothing was done", again.Metadata)
	}
	second := deploy(t, &stage.Deploy{Place: p, Name: "older"})
	if second.Metadata.Previous != release || second.Version == first.Version {
		t.Errorf("got %+v, want previous %s", second.Metadata, release)
	}
	back := deploy(t, &stage.Deploy{Place: p, Rollback: true})
	if back.Metadata.Release != release {
		t.Errorf("rollback: got %+v, want release %s", back.Metadata, release)
	}
	wantDeployed(t, p, "newer")
	_, err = (&stage.Deploy{Place: p, Rollback: true}).Run(t.Context())
	wantError(t, err, "no release before it is known")
	wantDeployed(t, p, "newer")
}

// TestDeployElsewhere checks that the pointer is where the settings say, and
// that it does not stand among the releases.
func TestDeployElsewhere(t *testing.T) {
	p := placeIn(t, storetest.Memory())
	p.Pointer = "live/router"
	trained(t, p, "one", 1, 98)
	deploy(t, &stage.Deploy{Place: p, Latest: true})
	wantDeployed(t, p, "one")
	v := store.Volume{Store: p.Store, Name: p.Volumes.Inference}
	if _, err := v.Tree(t.Context(), "live/router"); err != nil {
		t.Error(err)
	}
	if _, err := v.Tree(t.Context(), "routing/adapter"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the usual place: got %v", err)
	}
	for _, path := range []string{"routing", "routing/releases", "routing/releases/x"} {
		p.Pointer = path
		_, err := (&stage.Deploy{Place: p, Latest: true}).Run(t.Context())
		wantError(t, err, "not a place for the deployed router")
	}
}

// wantError checks what an error says.
func wantError(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
}

// TestDeployMetadata checks deploy_metadata.json as other programs read it.
func TestDeployMetadata(t *testing.T) {
	p := placeIn(t, storetest.Memory())
	trained(t, p, "run-1", 1, 97)
	d := deploy(t, &stage.Deploy{Place: p, Latest: true})
	m := d.Metadata
	got := fmt.Sprint(m.Run, " ", m.Previous, " ", *m.Accuracy, " ", m.Base, " ", m.Labels["desktop"], " ", m.Checkpoint, " ", len(m.SHA256[bundle.MetaFile]))
	if want := "run-1  0.97 tiny 3 moe-lora-data:checkpoints/datasets/routing_20260105_110000/run-1 64"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	text, err := fs.ReadFile(d.Tree.FS(t.Context(), p.Store), "deploy_metadata.json")
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(text, &fields); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"eval_accuracy", "dataset_name", "run_name", "checkpoint", "deployed_at", "labels", "router_spec", "base_model", "sha256", "release"} {
		if fields[key] == nil {
			t.Errorf("no %s in %s", key, text)
		}
	}
}

func TestParseMetadata(t *testing.T) {
	tests := []struct {
		text string
		want float64 // -1 for none
		run  string
		ok   bool
	}{
		{`{"eval_accuracy":0.98,"run_name":"a"}`, 0.98, "a", true},
		{`{"eval_accuracy":98,"run_name":"a"}`, 0.98, "a", true},
		{`{"eval_accuracy":"good","run_name":"a"}`, -1, "a", true},
		{`{"labels":7,"run_name":"a"}`, -1, "a", true},
		{`{}`, -1, "", true},
		{`{"run_name"`, -1, "", false},
		{`[]`, -1, "", true},
	}
	for _, tt := range tests {
		m, err := stage.ParseMetadata([]byte(tt.text))
		got := -1.0
		if m.Accuracy != nil {
			got = *m.Accuracy
		}
		if (err == nil) != tt.ok || got != tt.want || m.Run != tt.run {
			t.Errorf("%s: got %+v and accuracy %v, error %v", tt.text, m, got, err)
		}
	}
}

func TestDeployRefuses(t *testing.T) {
	p := placeIn(t, storetest.Memory())
	trained(t, p, "good", 1, 98)
	trained(t, p, "other", 2, 96)
	trained(t, p, "unjudged", 3, 0)
	bad := routetest.Bundle(t, router.LoRA)
	bad.Run, bad.Weights = "bad", bad.Weights[:1000]
	publishRouter(t, p, bad)
	foreign := routetest.Bundle(t, router.Linear)
	foreign.Run, foreign.Spec.Base = "foreign", strings.Repeat("ab", 32)
	foreign.Report = routetest.Report(t, foreign, 99, 100)
	publishRouter(t, p, foreign)
	seen := routetest.Bundle(t, router.Linear)
	seen.Run, seen.Report = "seen", bytes.Replace(seen.Report, []byte(`"seen_in_training": "none"`), []byte(`"seen_in_training": "train"`), 1)
	publishRouter(t, p, seen)
	swapped := routetest.Bundle(t, router.Linear)
	swapped.Run, swapped.Report = "swapped", foreign.Report
	publishRouter(t, p, swapped)
	deploy(t, &stage.Deploy{Place: p, Name: "good"})
	for _, tt := range []struct {
		deploy stage.Deploy
		want   string
	}{
		{stage.Deploy{}, "no router is named"},
		{stage.Deploy{Name: "unjudged"}, "unjudged: no held-out report (report.json"},
		{stage.Deploy{Name: "other", MinAccuracy: 0.97}, "held-out accuracy 0.96 (96 of 100), want 0.97 or more"},
		{stage.Deploy{Name: "bad"}, "adapter: "},
		{stage.Deploy{Name: "foreign"}, "made for the base model with digest abababababab"},
		{stage.Deploy{Name: "seen"}, "which training saw (train)"},
		{stage.Deploy{Name: "swapped"}, "about a router with specification"},
		{stage.Deploy{Name: "none"}, "moe-lora-data:checkpoints: no trained router of run none; train one first"},
		{stage.Deploy{Dataset: "datasets/routing_20260105_110000"}, "7 routers of dataset routing_20260105_110000"},
		{stage.Deploy{Checkpoint: "checkpoints/x"}, "checkpoints/x"},
	} {
		tt.deploy.Place = p
		if _, err := tt.deploy.Run(t.Context()); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: got %v, want %q", tt.deploy, err, tt.want)
		}
		wantDeployed(t, p, "good")
	}
	forced := deploy(t, &stage.Deploy{Place: p, Name: "unjudged", Force: true})
	if forced.Metadata.Accuracy != nil {
		t.Errorf("got accuracy %v without a report", *forced.Metadata.Accuracy)
	}
	deploy(t, &stage.Deploy{Place: p, Checkpoint: stage.CheckpointPath("routing_20260105_110000", "good")})
	wantDeployed(t, p, "good")
}

// TestDeployKeeps checks which releases stay.
func TestDeployKeeps(t *testing.T) {
	p := placeIn(t, storetest.Memory())
	var made []string
	for i := range 5 {
		trained(t, p, fmt.Sprint("run-", i), i+1, 90)
		made = append(made, deploy(t, &stage.Deploy{Place: p, Latest: true}).Metadata.Release)
	}
	if got := releases(t, p); !slices.Equal(got, made[2:]) {
		t.Errorf("got %q, want the last three of %q", got, made)
	}
	for _, want := range []string{"run-3", "run-2"} {
		deploy(t, &stage.Deploy{Place: p, Rollback: true})
		wantDeployed(t, p, want)
	}
	_, err := (&stage.Deploy{Place: p, Rollback: true}).Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "is gone; the last 3 are kept") {
		t.Errorf("got %v", err)
	}
	trained(t, p, "run-9", 9, 90)
	last := deploy(t, &stage.Deploy{Place: p, Latest: true}).Metadata.Release
	if got, want := releases(t, p), []string{made[2], last}; !slices.Equal(got, want) {
		t.Errorf("after going back and on: got %q, want %q", got, want)
	}
}

func TestDeployAdapters(t *testing.T) {
	p := placeIn(t, storetest.Memory())
	trained(t, p, "run-1", 1, 98)
	o, err := store.PutObject(t.Context(), p.Store, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	tree, err := store.NewTree([]store.File{{Path: "adapter_config.json", Digest: o.Digest, Size: o.Size}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := (store.Volume{Store: p.Store, Name: "lab"}).Publish(t.Context(), "calendar-tasks", tree, store.Absent); err != nil {
		t.Fatal(err)
	}
	d := deploy(t, &stage.Deploy{Place: p, Latest: true, Adapters: map[string]stage.Adapter{
		"calendar": {Volume: "lab", Path: "calendar-tasks"}, "desktop": {Volume: "lab", Path: "none"}, "retired": {Volume: "lab", Path: "x"},
	}})
	got := d.Metadata.Experts
	if len(got) != 1 || got["calendar"].Path != "calendar-tasks" || len(got["calendar"].Tree) != 64 {
		t.Errorf("got %+v, want calendar alone", got)
	}
}

// faulty is a store whose n-th operation fails.
type faulty struct {
	store.Store
	mu    sync.Mutex
	fails int // operations until then
}

var errFault = errors.New("disk on fire")

func (f *faulty) step() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fails--; f.fails == -1 {
		return errFault
	}
	return nil
}

func (f *faulty) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	if err := f.step(); err != nil {
		return nil, err
	}
	return f.Store.Get(ctx, name)
}

func (f *faulty) Put(ctx context.Context, name string, r io.Reader, when store.Condition) error {
	if err := f.step(); err != nil {
		return err
	}
	return f.Store.Put(ctx, name, r, when)
}

func (f *faulty) List(ctx context.Context, prefix string) iter.Seq2[store.Info, error] {
	if err := f.step(); err != nil {
		return func(yield func(store.Info, error) bool) { yield(store.Info{}, err) }
	}
	return f.Store.List(ctx, prefix)
}

func (f *faulty) Delete(ctx context.Context, name string) error {
	if err := f.step(); err != nil {
		return err
	}
	return f.Store.Delete(ctx, name)
}

// TestDeployFaults lets every operation of the store fail in turn: a failed
// deployment leaves the old router, one that succeeds the new one (scenario 13).
func TestDeployFaults(t *testing.T) {
	f := &faulty{Store: storetest.Memory(), fails: 1 << 30}
	p := placeIn(t, f)
	trained(t, p, "old", 1, 90)
	deploy(t, &stage.Deploy{Place: p, Latest: true})
	trained(t, p, "new", 2, 95)
	failed, step := 0, 3
	if os.Getenv("MOLE_TEST_HEAVY") != "" {
		step = 1
	}
	for n := 0; ; n += step {
		f.fails = n
		_, err := (&stage.Deploy{Place: p, Latest: true}).Run(t.Context())
		reached := f.fails < 0
		f.fails = 1 << 30
		if err == nil {
			wantDeployed(t, p, "new")
			if !reached {
				break
			}
			deploy(t, &stage.Deploy{Place: p, Rollback: true})
			continue
		}
		failed++
		d, lookErr := p.Deployed(t.Context())
		if lookErr != nil || d.Metadata.Run != "old" && !errors.Is(err, errFault) {
			t.Fatalf("operation %d: got %v deployed, error %v after %v", n, d, lookErr, err)
		}
		if wantDeployed(t, p, ""); d.Metadata.Run == "new" { // only looking at the new pointer failed
			deploy(t, &stage.Deploy{Place: p, Rollback: true})
		}
	}
	if failed < 10 {
		t.Errorf("got %d failures, want one for each operation", failed)
	}
	t.Logf("%d failures", failed)
}

// TestDeployTwice deploys two routers at once: one of them wins, and the other
// one says so or comes after it.
func TestDeployTwice(t *testing.T) {
	s, err := file.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	p := placeIn(t, s)
	trained(t, p, "base", 1, 90)
	deploy(t, &stage.Deploy{Place: p, Latest: true})
	for i := range 3 {
		a, b := fmt.Sprint("a-", i), fmt.Sprint("b-", i)
		trained(t, p, a, 2, 91)
		trained(t, p, b, 2, 92)
		before := wantDeployed(t, p, "").Metadata.Release
		deployBoth(t, p, before, a, b)
	}
}

// deployBoth deploys two routers at once where another release was deployed
// before.
func deployBoth(t *testing.T, p *stage.Place, before, a, b string) {
	t.Helper()
	var group sync.WaitGroup
	var errs [2]error
	for k, run := range []string{a, b} {
		group.Go(func() { _, errs[k] = (&stage.Deploy{Place: p, Name: run}).Run(t.Context()) })
	}
	group.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		} else if !errors.Is(err, store.ErrChanged) {
			t.Errorf("got %v, want ErrChanged", err)
		}
	}
	after := wantDeployed(t, p, "").Metadata
	if won == 0 || after.Release == before {
		t.Errorf("got %v, and release %s after %s: want that one of them won", errs, after.Release, before)
	}
	if won == 2 && after.Previous == before {
		t.Errorf("both won, and release %s knows nothing of the other one", after.Release)
	}
}

// killedDir is the variable that makes the test binary the process that is
// killed while it deploys.
const killedDir = "MOLE_TEST_DEPLOY_DIR"

// TestDeployKilled kills processes that deploy at random moments: what is
// deployed is always whole.
func TestDeployKilled(t *testing.T) {
	if dir := os.Getenv(killedDir); dir != "" {
		t.Fatal(deployForever(t, dir))
	}
	temp := t.TempDir()
	dir := filepath.Join(temp, "store")
	s, err := file.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	p := placeIn(t, s)
	trained(t, p, "a", 1, 90)
	trained(t, p, "b", 2, 91)
	deploy(t, &stage.Deploy{Place: p, Latest: true})
	kills := 4
	if os.Getenv("MOLE_TEST_HEAVY") != "" {
		kills = 50
	}
	random := rand.New(rand.NewPCG(420, 0))
	for range kills {
		child := exec.Command(os.Args[0], "-test.run=^TestDeployKilled$")
		child.Env = append(os.Environ(), killedDir+"="+dir, "TMPDIR="+temp) // a killed process leaves its temporary folders
		out, err := child.StdoutPipe()
		if err == nil {
			err = child.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(out, make([]byte, len("ready\n"))); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(random.IntN(250)) * time.Millisecond)
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = child.Wait() // it was killed
		wantDeployed(t, p, "")
	}
	deploy(t, &stage.Deploy{Place: p, Name: "a", Force: true})
	wantDeployed(t, p, "a")
	if got := releases(t, p); len(got) > 3 {
		t.Errorf("got releases %q, want 3 at most", got)
	}
}

// deployForever deploys two routers by turns.
func deployForever(t *testing.T, dir string) error {
	s, err := file.Open(dir)
	if err != nil {
		return err
	}
	p := placeIn(t, s)
	fmt.Println("ready")
	for i := 0; ; i++ {
		if _, err := (&stage.Deploy{Place: p, Name: "ab"[i%2 : i%2+1], Force: true}).Run(t.Context()); err != nil {
			return err
		}
	}
}

func TestBetter(t *testing.T) {
	report := func(correct, total int, split string) *eval.Report {
		r := &eval.Report{Run: eval.Run{DatasetName: "d", Split: split}}
		r.Results.Correct, r.Results.Total = correct, total
		return r
	}
	tests := []struct {
		name            string
		rule            stage.Rule
		fresh, deployed *eval.Report
		c               *eval.Comparison
		want            bool
	}{
		{"better", stage.DeployIfBetter, report(96, 100, "test"), report(95, 100, "test"), nil, true},
		{"equal", stage.DeployIfBetter, report(95, 100, "test"), report(95, 100, "test"), nil, false},
		{"worse", stage.DeployIfBetter, report(94, 100, "test"), report(95, 100, "test"), nil, false},
		{"no report", stage.DeployIfBetter, nil, nil, nil, false},
		{"empty report", stage.DeployIfBetter, report(0, 0, "test"), nil, nil, false},
		{"nothing deployed", stage.DeployIfBetter, report(1, 100, "test"), nil, nil, true},
		{"nothing deployed, significant", stage.DeployIfSignificant, report(1, 100, "test"), nil, nil, true},
		{"deployed without figures", stage.DeployIfBetter, report(96, 100, "test"), report(0, 0, "test"), nil, false},
		{"other split", stage.DeployIfBetter, report(96, 100, "test"), report(95, 100, "val"), nil, false},
		{"other size", stage.DeployIfBetter, report(96, 100, "test"), report(95, 101, "test"), nil, false},
		{"paired", stage.DeployIfBetter, report(1, 1, "test"), report(1, 1, "test"), &eval.Comparison{OnlyA: 2, OnlyB: 1, P: 1}, true},
		{"paired, worse", stage.DeployIfBetter, report(1, 1, "test"), report(1, 1, "test"), &eval.Comparison{OnlyA: 1, OnlyB: 2, P: 1}, false},
		{"by chance", stage.DeployIfSignificant, report(1, 1, "test"), report(1, 1, "test"), &eval.Comparison{OnlyA: 2, OnlyB: 1, P: 1}, false},
		{"significant", stage.DeployIfSignificant, report(1, 1, "test"), report(1, 1, "test"), &eval.Comparison{OnlyA: 9, OnlyB: 1, P: 0.02}, true},
		{"significantly worse", stage.DeployIfSignificant, report(1, 1, "test"), report(1, 1, "test"), &eval.Comparison{OnlyA: 1, OnlyB: 9, P: 0.02}, false},
		{"not paired", stage.DeployIfSignificant, report(99, 100, "test"), report(1, 100, "test"), nil, false},
		{"always", stage.DeployAlways, nil, report(95, 100, "test"), nil, true},
		{"never", stage.DeployNever, report(95, 100, "test"), nil, nil, false},
	}
	for _, tt := range tests {
		got, why, err := stage.Better(tt.rule, tt.fresh, tt.deployed, tt.c)
		if got != tt.want || why == "" || err != nil {
			t.Errorf("%s: got %v, %q, error %v, want %v", tt.name, got, why, err, tt.want)
		}
	}
	if _, _, err := stage.Better("perhaps", nil, nil, nil); err == nil {
		t.Error("rule perhaps: got no error")
	}
}
