package config

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"mole/expert"
)

// load reads settings from files, variables and flags that have to be right.
func load(t *testing.T, o Options) *Config {
	t.Helper()
	c, err := Load(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// files makes a folder of name, content pairs.
func files(pairs ...string) fstest.MapFS {
	m := fstest.MapFS{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = &fstest.MapFile{Data: []byte(pairs[i+1])}
	}
	return m
}

// same compares one value.
func same[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func TestDefaults(t *testing.T) {
	c := load(t, Options{})
	same(t, "experts", c.Experts.String(), "0 calendar, 1 claim-window, 2 ocr, 3 desktop, 4 appointment, 5 login-window, 6 chart-screen")
	ocr, _ := c.Experts.ByName("ocr")
	same(t, "kind", ocr.Kind, expert.OCR)
	same(t, "seed", c.Dataset.Seed, 42)
	same(t, "splits", c.Dataset.Splits, Splits{0.8, 0.2})
	same(t, "test samples", c.Dataset.TestSamplesPerAdapter, 25)
	same(t, "adapters", len(c.Dataset.Counts()), 7)
	same(t, "count", c.Dataset.Counts()["ocr"], 1000)
	same(t, "source", c.Dataset.Adapters["ocr"].Source, OCRGenerated)
	same(t, "prompt", c.RouterPrompt(), "router-v1")
	same(t, "base model", c.Adapters.Models.BaseVLM, "tiny")
	same(t, "generator's seed", c.Generators.Seed, 420)
	same(t, "profile", c.Jobs.Profile("modal", "train"), Profile{Device: "H100", DeviceCount: 4, Timeout: 24 * time.Hour})
	usd, ok := c.Adapters.Cost.Rate("H100")
	same(t, "rate", usd, 4.5)
	same(t, "rate is known", ok, true)
	for key, name := range c.Adapters.Volumes.Names() {
		same(t, "volume "+key+" has a name", name != "", true)
	}
}

// TestFilesOfTheTree reads the files as a user's: they give the defaults, and
// hold every setting that has one.
func TestFilesOfTheTree(t *testing.T) {
	got, want := load(t, Options{FS: os.DirFS(".")}), load(t, Options{})
	for _, pair := range [][2]any{
		{got.Adapters, want.Adapters}, {got.Dataset, want.Dataset}, {got.Registry, want.Registry},
		{got.Generators, want.Generators}, {got.Jobs, want.Jobs}, {got.Experts, want.Experts},
	} {
		if !reflect.DeepEqual(pair[0], pair[1]) {
			t.Errorf("got %+v, want %+v", pair[0], pair[1])
		}
	}
	for _, f := range got.Files {
		if !f.Found {
			t.Errorf("%s was not found", f.Name)
		}
	}
	entry := regexp.MustCompile(`^(adapters\.experts|dataset\.adapters|generators\.experts|profiles|backends\.local)\.|^from_script$`)
	for _, l := range got.leaves() {
		if got.Source(l.key).IsDefault() && !entry.MatchString(l.key) {
			t.Errorf("%s is in no file", l.key)
		}
	}
}

func TestPrecedence(t *testing.T) {
	fsys := files("dataset.yaml", "name_prefix: routing\nseed: 7\nsplits:\n  train: 0.7\n")
	tests := []struct {
		name    string
		o       Options
		seed    uint64
		source  string
		imports string // source of splits.train
	}{
		{"default", Options{}, 42, "default", "default"},
		{"file", Options{FS: fsys}, 7, "config/dataset.yaml:2", "config/dataset.yaml:4"},
		{"environment", Options{FS: fsys, Environ: []string{"MOLE_SEED=8"}}, 8, "MOLE_SEED", "config/dataset.yaml:4"},
		{"long name", Options{FS: fsys, Environ: []string{"MOLE_DATASET_SEED=9", "MOLE_SEED=8"}}, 9, "MOLE_DATASET_SEED", "config/dataset.yaml:4"},
		{"flag", Options{FS: fsys, Environ: []string{"MOLE_SEED=8"}, Flags: []Flag{{"dataset.seed", "10", "--seed"}}}, 10, "--seed", "config/dataset.yaml:4"},
		{"twice", Options{Flags: []Flag{{"dataset.seed", "10", "--seed"}, {"dataset.seed", "11", "--seed"}}}, 11, "--seed", "default"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := load(t, tt.o)
			if c.Dataset.Seed != tt.seed || c.Source("dataset.seed").String() != tt.source || c.Source("dataset.splits.train").String() != tt.imports {
				t.Errorf("got %d from %s, %s", c.Dataset.Seed, c.Source("dataset.seed"), c.Source("dataset.splits.train"))
			}
		})
	}
}

func TestBothFormsOfExperts(t *testing.T) {
	for _, yaml := range []string{
		"experts:\n  menu: {label: 3}\n  page: {label: 1, kind: ocr, description: text}\n",
		"experts:\n- {name: menu, label: 3}\n- name: page\n  label: 1\n  kind: ocr\n  description: text\n",
	} {
		c := load(t, Options{FS: files("adapters.yaml", yaml)})
		same(t, "experts", c.Experts.String(), "1 page, 3 menu")
		page, _ := c.Experts.ByName("page")
		same(t, "page", page, expert.Expert{Name: "page", Label: 1, Kind: expert.OCR, Description: "text"})
		same(t, "adapters", len(c.Dataset.Adapters), 2)
		same(t, "page's draw", *c.Dataset.Adapters["page"], Draw{1000, OCRGenerated})
		same(t, "menu's draw", *c.Dataset.Adapters["menu"], Draw{1000, ""})
		same(t, "generators", len(c.Generators.Experts), 2)
		same(t, "menu's pictures", c.Generators.Experts["menu"].Images, 1100)
	}
}

func TestEntriesReplaceOrJoin(t *testing.T) {
	c := load(t, Options{FS: files(
		"dataset.yaml", "adapters:\n  desktop: {count: 5}\n  calendar: {}\n",
		"adapters.yaml", "cost: {gpu_hourly_usd: {A100: 2}}\nvolumes: {moe_data: {name: mine}}")})
	if got := c.Dataset.Counts(); len(got) != 2 || got["desktop"] != 5 || got["calendar"] != 1000 {
		t.Errorf("got %v", got)
	}
	if c.Adapters.Cost.GPUHourlyUSD["H100"] != 4.5 || c.Adapters.Cost.GPUHourlyUSD["A100"] != 2 {
		t.Errorf("got %v", c.Adapters.Cost)
	}
	if _, ok := c.Adapters.Cost.Rate("T4"); ok {
		t.Error("a GPU without a price has one")
	}
	if n := c.Adapters.Volumes.Names(); n["moe_data"] != "mine" || n["archives"] != "claimhawk-archives" {
		t.Errorf("got %v", n)
	}
}

func TestProfileOfAPlace(t *testing.T) {
	c := load(t, Options{FS: files("profiles.yaml", "profiles: {train: {retries: 2}}\nbackends: {local: {train: {cpu: 2, timeout: 90m}}}")})
	want := Profile{Device: "H100", DeviceCount: 4, CPU: 2, Timeout: 90 * time.Minute, Retries: 2}
	if got := c.Jobs.Profile("local", "train"); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := c.Jobs.Profile("modal", "train").Timeout; got != 24*time.Hour {
		t.Errorf("got %v", got)
	}
}

func TestFromScript(t *testing.T) {
	for _, name := range []string{"FROM_SCRIPT", "CUDAG_FROM_SCRIPT"} {
		c := load(t, Options{Environ: []string{name + "=1"}})
		if !c.Script.FromScript || c.Source("from_script").String() != name {
			t.Errorf("%s: got %+v", name, c.Script)
		}
	}
}

func TestRegistry(t *testing.T) {
	const text = `{
  "loras": {
    "calendar": {
      "volume": "moe-lora-checkpoints",
      "path": "calendar-tasks",
      "dataset": "calendar--demo--20260105_090000",
      "saved_at": "2026-01-05T09:30:00Z"
    },
    "long-gone": {
      "volume": "v",
      "path": "p"
    }
  }
}
`
	c := load(t, Options{FS: files("loras.json", strings.Replace(text, `"p"`, `"p", "dataset": null`, 1))})
	got, err := c.Registry.JSON()
	if err != nil || string(got) != text {
		t.Errorf("got %s, %v, want %s", got, err, text)
	}
	empty, err := (&Registry{}).JSON()
	if err != nil || string(empty) != "{\n  \"loras\": {}\n}\n" {
		t.Errorf("got %q, %v", empty, err)
	}
}

func TestValues(t *testing.T) {
	c := load(t, Options{FS: files("dataset.yaml", "seed: 1\n")})
	got, err := c.Values("dataset.seed")
	if want := []Value{{"dataset.seed", uint64(1), "config/dataset.yaml:1", ""}}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	if got, err := c.Values("profiles.train.timeout"); err != nil || got[0].Value != "24h" {
		t.Errorf("got %v, %v", got, err)
	}
	if got, err := c.Values("loras"); err != nil || len(got) != 0 {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := c.Values("dataset.sede"); err == nil || err.Error() != `settings: unknown key "dataset.sede", the nearest is "dataset.seed"` {
		t.Errorf("got %v", err)
	}
}

func TestAllValues(t *testing.T) {
	all, err := load(t, Options{}).Values("")
	if err != nil || len(all) < 200 {
		t.Errorf("got %d values, %v", len(all), err)
	}
}

func TestOneToleranceForBoth(t *testing.T) {
	c := load(t, Options{FS: files("generators.yaml", "experts: {desktop: {test: {tolerance: 5}}}")})
	if got := c.Generators.Experts["desktop"].Test.Tolerance; !slices.Equal(got, []int{5, 5}) {
		t.Errorf("got %v", got)
	}
}
