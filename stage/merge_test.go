package stage_test

import (
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mole/base"
	"mole/batch"
	"mole/lora"
	"mole/model/qwen3vl"
	"mole/route/routetest"
	"mole/stage"
)

// noisy writes an adapter of the preset full whose B is not zero.
func noisy(t *testing.T, sites []lora.Site) (dir string, a *lora.Adapter) {
	t.Helper()
	targets, err := lora.Preset("full")
	if err != nil {
		t.Fatal(err)
	}
	if a, err = lora.New(lora.Config{Rank: 3, Alpha: 6, BaseModel: "tiny", Targets: targets}, sites, 1); err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(3, 4))
	for _, p := range a.Pairs {
		for i := range p.B {
			p.B[i] = float32(0.4 * r.NormFloat64())
		}
	}
	dir = t.TempDir()
	if err := a.Save(dir); err != nil {
		t.Fatal(err)
	}
	return dir, a
}

// says returns the logits after a question about a picture.
func (c *calendarCase) says(t *testing.T, b *base.Base, a *lora.Adapter) []float32 {
	t.Helper()
	m, err := qwen3vl.New(c.dev, b.Config, b.Weights)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	net, err := m.With(a)
	if err != nil {
		t.Fatal(err)
	}
	defer net.Close()
	_, patches, err := c.view.Look(routetest.Picture(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	question, err := c.view.Question(patches, "")
	if err != nil {
		t.Fatal(err)
	}
	packed, err := batch.Pack(net.Layout(), []batch.Example{question})
	if err != nil {
		t.Fatal(err)
	}
	logits, err := net.Logits(packed, packed.Ends)
	if err != nil {
		t.Fatal(err)
	}
	return logits
}

// TestMerge merges an adapter of every layer, in files of a megabyte: the
// checkpoint opens as a base network, and says what base and adapter say, up to
// the rounding of its weights.
func TestMerge(t *testing.T) {
	c := openCalendar(t)
	dir, a := noisy(t, c.sites)
	out := filepath.Join(t.TempDir(), "merged")
	m := &stage.Merge{Place: c.Place, Adapter: dir, Out: out, Base: c.base, Device: c.dev, Shard: 1 << 20}
	done, err := m.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if done.Params != 4127232 || done.Files < 5 || done.Layers != len(a.Pairs) {
		t.Errorf("got %+v", done)
	}
	merged, err := base.Open(t.Context(), out)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = merged.Close() }()
	plain, want, got := c.says(t, c.base, nil), c.says(t, c.base, a), c.says(t, merged, nil)
	if d := distance(got, want); !(d < 2e-2) {
		t.Errorf("merged and adapted logits differ by %.3g, want 0.02 at most", d)
	}
	if d := distance(plain, want); d < 0.1 {
		t.Errorf("the adapter changes the logits by %.3g only", d)
	}
	if text := string(read(t, os.DirFS(out), "merge_metadata.json")); !strings.Contains(text, `"total_params": 4127232`) {
		t.Errorf("got %s", text)
	}
	_, err = m.Run(t.Context())
	wantError(t, err, "there is something already")
}

// TestMergeRefuses leaves nothing where the adapter does not fit.
func TestMergeRefuses(t *testing.T) {
	c := openCalendar(t)
	out := filepath.Join(t.TempDir(), "merged")
	for _, adapter := range []string{"nowhere", "../lora/testdata/text"} {
		_, err := (&stage.Merge{Place: c.Place, Adapter: adapter, Out: out, Base: c.base, Device: c.dev}).Run(t.Context())
		if err == nil {
			t.Errorf("%s was merged", adapter)
		}
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("something was written")
	}
}

// distance returns the norm of the difference over the norm.
func distance(got, want []float32) float64 {
	var diff, all float64
	for i, w := range want {
		d := float64(got[i] - w)
		diff, all = diff+d*d, all+float64(w)*float64(w)
	}
	return math.Sqrt(diff / all)
}
