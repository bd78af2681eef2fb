package train_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mole/lora"
	"mole/tensor"
	"mole/train"
)

// in returns a run of 12 steps on a new network with checkpoints in dir, and
// its log.
func in(t *testing.T, dir string) (*train.Trainer, *bytes.Buffer) {
	t.Helper()
	r := trainer(t, 1)
	log := &bytes.Buffer{}
	r.Dir, r.Log = dir, slog.New(slog.NewTextHandler(log, nil))
	r.Options.Settings = map[string]string{"base_model": "9f2c"}
	return r, log
}

// stopAfter runs r until it has done the given number of steps.
func stopAfter(t *testing.T, r *train.Trainer, steps int) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	r.Report = func(s train.Step) {
		if s.Index+1 == steps {
			cancel()
		}
	}
	if steps == 0 {
		cancel()
	}
	result, err := r.Run(ctx)
	if !errors.Is(err, train.ErrStopped) || result.Steps != steps {
		t.Fatalf("got %+v, error %v, want %d steps and ErrStopped", result, err, steps)
	}
}

// file returns the path of a checkpoint.
func file(dir string, step int) string {
	return filepath.Join(dir, fmt.Sprintf("step-%06d.safetensors", step))
}

// contents returns the bytes of a file.
func contents(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// checkpoints returns the names of the files in dir, but for the lock.
func checkpoints(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if e.Name() != "lock" {
			names = append(names, e.Name())
		}
	}
	return names
}

// uninterrupted returns the last checkpoint and the losses of a whole run.
func uninterrupted(t *testing.T) ([]byte, []train.Step) {
	t.Helper()
	r, _ := in(t, t.TempDir())
	steps := finish(t, r)
	if got, want := fmt.Sprint(checkpoints(t, r.Dir)), "[step-000009.safetensors step-000012.safetensors]"; got != want {
		t.Errorf("got files %v, want %v", got, want)
	}
	return contents(t, file(r.Dir, 12)), steps
}

// TestResume stops a run after each step and continues it with a new network:
// every byte and every report must be as if nothing had happened.
func TestResume(t *testing.T) {
	want, wantSteps := uninterrupted(t)
	for stop := range 12 {
		t.Run(fmt.Sprint(stop), func(t *testing.T) {
			dir := t.TempDir()
			r, _ := in(t, dir)
			stopAfter(t, r, stop)
			r, log := in(t, dir)
			steps := finish(t, r)
			if got := contents(t, file(dir, 12)); !bytes.Equal(got, want) {
				t.Errorf("other bytes than without a stop")
			}
			for i, s := range steps {
				w := wantSteps[stop+i]
				s.Duration, w.Duration = 0, 0
				if s != w {
					t.Errorf("got %+v, want %+v", s, w)
				}
			}
			if message := fmt.Sprintf("msg=continue step=%d steps=12 skipped=0", stop); !strings.Contains(log.String(), message) {
				t.Errorf("got log %q, want %q in it", log, message)
			}
		})
	}
}

// TestResumeAtEachStep stops after every single step of one run.
func TestResumeAtEachStep(t *testing.T) {
	want, _ := uninterrupted(t)
	dir := t.TempDir()
	for stop := range 12 {
		r, _ := in(t, dir)
		stopAfter(t, r, stop)
		if got := len(checkpoints(t, dir)); got > 2 {
			t.Errorf("got %d checkpoints, want at most 2", got)
		}
	}
	r, _ := in(t, dir)
	finish(t, r)
	if got := contents(t, file(dir, 12)); !bytes.Equal(got, want) {
		t.Errorf("other bytes than without stops")
	}
}

// TestResumeAfterSkip checks that a skipped step before the stop does not change
// what comes after it: it is no step of Adam's.
func TestResumeAfterSkip(t *testing.T) {
	bad := func(r *train.Trainer) {
		r.Options.PassTokens = 1000
		r.Network = &poisoned{network: r.Network.(*network), loss: map[int]float32{3: nan}}
	}
	whole, _ := in(t, t.TempDir())
	bad(whole)
	finish(t, whole)
	r, _ := in(t, t.TempDir())
	bad(r)
	stopAfter(t, r, 6)
	rest, _ := in(t, r.Dir)
	rest.Options.PassTokens = 1000
	finish(t, rest)
	if !bytes.Equal(contents(t, file(r.Dir, 12)), contents(t, file(whole.Dir, 12))) {
		t.Errorf("other bytes than without a stop")
	}
}

// TestResumeSkips checks that skipped steps are counted across a stop, and that
// two before it and one after it end the run.
func TestResumeSkips(t *testing.T) {
	dir := t.TempDir()
	r, _ := in(t, dir)
	r.Options.PassTokens = 1000
	r.Network = &poisoned{network: r.Network.(*network), loss: map[int]float32{3: nan, 4: nan}}
	stopAfter(t, r, 5)

	r, _ = in(t, dir)
	r.Options.PassTokens = 1000
	clean := r.Network.(*network)
	r.Network = &poisoned{network: clean, loss: map[int]float32{0: nan}}
	result, err := r.Run(context.Background())
	checkErr(t, err, "not finite: 3 steps in a row skipped; step 5: loss NaN, example ")
	if want := (train.Result{First: 5, Steps: 6, Skipped: 3}); result != want {
		t.Errorf("got %+v, want %+v", result, want)
	}

	r.Network = clean
	result, err = r.Run(context.Background())
	if want := (train.Result{First: 5, Steps: 12, Skipped: 2}); result != want || err != nil {
		t.Errorf("got %+v, error %v, want %+v", result, err, want)
	}
}

func TestFinishedAlready(t *testing.T) {
	dir := t.TempDir()
	r, _ := in(t, dir)
	finish(t, r)
	want := weights(r.Network)
	r, log := in(t, dir)
	r.Report = func(s train.Step) { t.Errorf("step %d taken", s.Index) }
	result, err := r.Run(context.Background())
	if err != nil || result != (train.Result{First: 12, Steps: 12}) {
		t.Errorf("got %+v, error %v, want 12 steps before and none now", result, err)
	}
	if got := weights(r.Network); !slices.Equal(got, want) {
		t.Errorf("got weights %v, want those of the finished run", got)
	}
	if !strings.Contains(log.String(), "finished before, nothing to do") {
		t.Errorf("got log %q", log)
	}
}

// TestDamage damages the newest checkpoint in one way after the other: the run
// must continue from the one before, say so, and end as if nothing had happened.
func TestDamage(t *testing.T) {
	want, _ := uninterrupted(t)
	tests := []struct {
		name   string
		damage func(b []byte) []byte
		log    string
	}{
		{"empty", func([]byte) []byte { return nil }, "0 bytes, want at least 8"},
		{"cut in the header", func(b []byte) []byte { return b[:100] }, "header length"},
		{"cut in the data", func(b []byte) []byte { return b[:len(b)-1] }, "outside the"},
		{"longer", func(b []byte) []byte { return append(b, 0) }, "after the data of the last tensor"},
		{"last byte", func(b []byte) []byte { b[len(b)-1] ^= 1; return b }, "contents have the checksum"},
		{"other step", func(b []byte) []byte { return bytes.Replace(b, []byte(`"step":"9"`), []byte(`"step":"8"`), 1) }, "contents have the checksum"},
		{"no checksum", func(b []byte) []byte { return bytes.Replace(b, []byte(`"checksum"`), []byte(`"checkSum"`), 1) }, "contents have the checksum"},
		{"other file", func([]byte) []byte { return []byte("\x08\x00\x00\x00\x00\x00\x00\x00{}      ") }, "contents have the checksum"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			r, _ := in(t, dir)
			stopAfter(t, r, 9)
			b := contents(t, file(dir, 9))
			if err := os.WriteFile(file(dir, 9), tt.damage(b), 0o666); err != nil {
				t.Fatal(err)
			}
			r, log := in(t, dir)
			finish(t, r)
			if got := contents(t, file(dir, 12)); !bytes.Equal(got, want) {
				t.Errorf("other bytes than without damage")
			}
			for _, message := range []string{"checkpoint damaged", "step-000009", tt.log, "msg=continue step=6"} {
				if !strings.Contains(log.String(), message) {
					t.Errorf("got log %q, want %q in it", log, message)
				}
			}
		})
	}
}

// TestDamageEverywhere flips each byte of a checkpoint in turn, in steps that
// keep the test quick: none may be used as if it were sound.
func TestDamageEverywhere(t *testing.T) {
	dir := t.TempDir()
	r, _ := in(t, dir)
	stopAfter(t, r, 1)
	good := contents(t, file(dir, 1))
	for i := 0; i < len(good); i += 37 {
		b := slices.Clone(good)
		b[i] ^= 0x10
		if err := os.WriteFile(file(dir, 1), b, 0o666); err != nil {
			t.Fatal(err)
		}
		_, err := r.Run(context.Background())
		checkErr(t, err, "no sound checkpoint in "+dir)
	}
}

func TestDamageAll(t *testing.T) {
	dir := t.TempDir()
	r, _ := in(t, dir)
	stopAfter(t, r, 9)
	for _, step := range []int{6, 9} {
		if err := os.Truncate(file(dir, step), 50); err != nil {
			t.Fatal(err)
		}
	}
	r, _ = in(t, dir)
	_, err := r.Run(context.Background())
	for _, want := range []string{"no sound checkpoint in " + dir, "move these away", "step-000009", "step-000006"} {
		checkErr(t, err, want)
	}
	if got := len(checkpoints(t, dir)); got != 2 {
		t.Errorf("got %d checkpoints, want 2: nothing may be deleted", got)
	}
}

// renamed is a network with other names or shapes of parameters.
type renamed struct {
	*network
	change func(ps []lora.Param) []lora.Param
}

// Params implements train.Network.
func (r renamed) Params() []lora.Param { return r.change(r.network.Params()) }

func TestResumeRefuses(t *testing.T) {
	dir := t.TempDir()
	r, _ := in(t, dir)
	stopAfter(t, r, 5)
	tests := []struct {
		name    string
		change  func(r *train.Trainer)
		wantErr string
	}{
		{"rate", func(r *train.Trainer) { r.Options.Rate = 0.01 }, `rate was "0.05", is "0.01"`},
		{"steps", func(r *train.Trainer) { r.Options.Steps = 13 }, `steps was "12", is "13"`},
		{"seed", func(r *train.Trainer) { r.Options.Seed = 4 }, `seed was "3", is "4"`},
		{"clipping", func(r *train.Trainer) { r.Options.Optimizer.ClipNorm = -1 }, `clip_norm was "1", is "-1"`},
		{"two settings", func(r *train.Trainer) { r.Options.Warmup, r.Options.Normalise = 3, train.SampleMean }, `normalise was "token-mean", is "sample-mean"; warmup was "2", is "3"`},
		{"examples", func(r *train.Trainer) { r.Examples = examples(21) }, `examples was "20", is "21"`},
		{"the caller's", func(r *train.Trainer) { r.Options.Settings["base_model"] = "41e0" }, `base_model was "9f2c", is "41e0"`},
		{"a new one of the caller's", func(r *train.Trainer) { r.Options.Settings["rank"] = "4" }, `rank was not set, is "4"`},
		{"parameter renamed", func(r *train.Trainer) {
			r.Network = renamed{r.Network.(*network), func(ps []lora.Param) []lora.Param { ps[1].Name = "z"; return ps }}
		}, `no tensor "weight.z"`},
		{"parameter missing", func(r *train.Trainer) {
			r.Network = renamed{r.Network.(*network), func(ps []lora.Param) []lora.Param { return ps[:1] }}
		}, `tensor "m.site.lora_B.weight" is of no parameter`},
		{"parameter of another shape", func(r *train.Trainer) {
			r.Network = renamed{r.Network.(*network), func(ps []lora.Param) []lora.Param {
				ps[0].Weight = ps[0].Weight.Reshape(tensor.Shape{width, rank})
				return ps
			}}
		}, `tensor "weight.site.lora_A.weight" is F32[4 16], want F32[16 4]`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, _ := in(t, dir)
			tt.change(r)
			before := checkpoints(t, dir)
			_, err := r.Run(context.Background())
			checkErr(t, err, tt.wantErr)
			checkErr(t, err, file(dir, 5))
			if after := checkpoints(t, dir); !slices.Equal(before, after) {
				t.Errorf("got files %v, want %v", after, before)
			}
		})
	}
}

// TestSaveEveryMayChange checks that what has no effect on the result does not
// keep a run from being continued.
func TestSaveEveryMayChange(t *testing.T) {
	want, _ := uninterrupted(t)
	dir := t.TempDir()
	r, _ := in(t, dir)
	stopAfter(t, r, 5)
	r, _ = in(t, dir)
	r.Options.SaveEvery = 1
	finish(t, r)
	if got := contents(t, file(dir, 12)); !bytes.Equal(got, want) {
		t.Errorf("other bytes than without a stop")
	}
}

func TestTwoRuns(t *testing.T) {
	dir := t.TempDir()
	r, _ := in(t, dir)
	r.Report = func(s train.Step) {
		if s.Index != 4 {
			return
		}
		second, _ := in(t, dir)
		_, err := second.Run(context.Background())
		checkErr(t, err, fmt.Sprintf("lock: locked by another run, process %d", os.Getpid()))
	}
	_, err := r.Run(context.Background())
	checkErr(t, err, "")
}

// TestLeftovers checks that what a killed run left half written is removed, and
// that files of others stay.
func TestLeftovers(t *testing.T) {
	dir := t.TempDir()
	names := []string{".step-000003.safetensors.77.safetensors-tmp", "notes.txt", "step-3.safetensors", "step-x.safetensors"}
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("half"), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	r, _ := in(t, dir)
	finish(t, r)
	want := "[notes.txt step-000009.safetensors step-000012.safetensors step-3.safetensors step-x.safetensors]"
	if got := fmt.Sprint(checkpoints(t, dir)); got != want {
		t.Errorf("got files %v, want %v", got, want)
	}
}

// TestUnwritable checks that a folder that cannot be used is found out before
// any training, and one that fails later leaves the checkpoints it has.
func TestUnwritable(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	r, _ := in(t, filepath.Join(dir, "file", "run"))
	r.Report = func(s train.Step) { t.Errorf("step %d taken", s.Index) }
	_, err := r.Run(context.Background())
	checkErr(t, err, "not a directory")

	dir = filepath.Join(dir, "run")
	if err := os.MkdirAll(filepath.Join(file(dir, 9), "taken"), 0o777); err != nil {
		t.Fatal(err)
	}
	r, log := in(t, dir)
	r.Options.Settings = nil
	_, err = r.Run(context.Background())
	checkErr(t, err, "no sound checkpoint") // a folder of that name counts as one
	if !strings.Contains(log.String(), "want a regular file") {
		t.Errorf("got log %q", log)
	}
}
