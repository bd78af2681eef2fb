package config

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
)

// TestWrongFiles checks the messages that people read.
func TestWrongFiles(t *testing.T) {
	tests := []struct{ file, text, want string }{
		{"dataset.yaml", "seed: 1\nsede: 2\n", `config/dataset.yaml:2:1: dataset: unknown key "sede", the nearest is "seed"`},
		{"dataset.yaml", "splits: {train: 0.8, vall: 0.2}", `config/dataset.yaml:1:22: dataset.splits: unknown key "vall", the nearest is "val"`},
		{"dataset.yaml", "zzzzzzzzzz: 1", `config/dataset.yaml:1:1: dataset: unknown key "zzzzzzzzzz"`},
		{"dataset.yaml", "seed: 1\nseed: 2\n", `config/dataset.yaml:2:1: dataset: key "seed" occurs twice, first on line 1`},
		{"dataset.yaml", "seed: many", `config/dataset.yaml:1:7: dataset.seed: found the text "many", want an integer of 0 or more`},
		{"dataset.yaml", "seed: -1", `config/dataset.yaml:1:7: dataset.seed: found "-1", want an integer of 0 or more`},
		{"dataset.yaml", "seed: 1.5", `dataset.seed: found the number "1.5", want an integer of 0 or more`},
		{"dataset.yaml", "seed: [1]", `dataset.seed: found a list, want an integer of 0 or more`},
		{"dataset.yaml", "seed:", `config/dataset.yaml:1:6: dataset.seed: no value, want an integer of 0 or more`},
		{"dataset.yaml", "name_prefix: 7", `dataset.name_prefix: found the number "7", want a text`},
		{"dataset.yaml", "- 1", `config/dataset.yaml:1:1: dataset: found a list, want keys and values`},
		{"dataset.yaml", "splits: {train: 0.9}", `config/dataset.yaml:1:9: dataset.splits: train 0.9 and val 0.2 add up to 1.1, want more than 0 and at most 1`},
		{"dataset.yaml", "splits: {train: 1.9}", `config/dataset.yaml:1:17: dataset.splits.train: found 1.9, want at most 1`},
		{"dataset.yaml", "splits: {train: .nan}", `dataset.splits.train: found ".nan", want a number`},
		{"dataset.yaml", "adapters: {desktp: {count: 1}}", `config/dataset.yaml:1:20: dataset.adapters.desktp: unknown expert "desktp", the nearest is "desktop"`},
		{"dataset.yaml", "output: {image_format: pgn}", `dataset.output.image_format: unknown value "pgn", the nearest is "png", want one of jpg,png`},
		{"dataset.yaml", "a: 1\n---\nb: 2", `config/dataset.yaml:3:1: a second document, want one`},
		{"dataset.yaml", "a: [1\nb: 2", `config/dataset.yaml:2:`},
		{"dataset.yaml", "splits: &s {train: 0.5}", `config/dataset.yaml:1:9: dataset.splits: anchor &s, want a value without`},
		{"dataset.yaml", "seed: &s 1\ntest_samples_per_adapter: *s", `config/dataset.yaml:2:27: dataset.test_samples_per_adapter: alias *s, want the value itself`},
		{"dataset.yaml", "<<: {seed: 1}", `unknown key "<<"`},
		{"dataset.yaml", "? [1]\n: 2", `found a list as a key, want a word`},
		{"adapters.yaml", "experts: {a: {label: 1}, b: {label: 1}}", `config/adapters.yaml:1:37: adapters.experts.b.label: label 1 is that of "a", too`},
		{"adapters.yaml", "experts: {a: {kind: lora}}", `config/adapters.yaml:1:14: adapters.experts.a: key "label" is missing`},
		{"adapters.yaml", "experts: {a: {label: null}}", `adapters.experts.a: key "label" is missing`},
		{"adapters.yaml", "experts: [{label: 1}]", `config/adapters.yaml:1:11: adapters.experts: entry without "name"`},
		{"adapters.yaml", "experts: [{name: a, label: 1}, {name: a, label: 2}]", `key "a" occurs twice`},
		{"adapters.yaml", "experts: {A b: {label: 1}}", `adapters.experts: key "A b": a name must match ^[a-z0-9][a-z0-9-]*$`},
		{"adapters.yaml", "experts: {}", `config/adapters.yaml:1:10: adapters.experts: no experts, want at least one`},
		{"adapters.yaml", "experts: {a: {label: 1, kind: lorry}}", `unknown value "lorry", the nearest is "lora", want one of lora,ocr`},
		{"adapters.yaml", "version: 2", `adapters.version: found 2, want at most 1`},
		{"adapters.yaml", "volumes: {moe_date: {name: x}}", `adapters.volumes: unknown key "moe_date", the nearest is "moe_data"`},
		{"adapters.yaml", "models: {base_vlm: ''}", `adapters.models.base_vlm: found nothing, want a text`},
		{"adapters.yaml", "router: {mask_user_text: 1}", `adapters.router.mask_user_text: found the number "1", want true or false`},
		{"loras.json", "{\n  \"loras\": {,}}", `config/loras.json:2:13: invalid character ','`},
		{"loras.json", `{"loras": {"a": {"volume": "v"}}}`, `config/loras.json:1:17: loras.a: key "path" is missing`},
		{"loras.json", `{"loras": {"a": {"volume": "v", "path": "p", "saved_at": "now"}}}`, `loras.a.saved_at: found "now", want a text that matches`},
		{"generators.yaml", "frame: mix:2", `generators.frame: found "mix:2", want a text that matches`},
		{"generators.yaml", "scale: 0", `generators.scale: found 0, want more than 0`},
		{"generators.yaml", "experts: {desktop: {tasks: {a: 0.5, b: 0.2}}}", `generators.experts.desktop.tasks: sum is 0.7, want shares with sum 1 or numbers of pictures`},
		{"generators.yaml", "experts: {desktop: {task_distributions: {a: {x: 0.5}}}}", `task_distributions.a: sum is 0.5, want 1`},
		{"generators.yaml", "experts: {desktop: {test: {tolerance: [1, 2, 3]}}}", `test.tolerance: found 3 numbers, want 2`},
		{"generators.yaml", "experts: {desktop: {splits: {train: 1}}}", `config/generators.yaml:1:37: generators.experts.desktop.splits.train: found 1, want less than 1`},
		{"dataset.yaml", "adapters: {desktop: {source: ocr-generated}}", `dataset.adapters.desktop.source: ocr-generated, and expert desktop is of kind lora, want kind ocr`},
		{"adapters.yaml", "volumes: {training_data: {name: x}}", `config/adapters.yaml:1:33: adapters.volumes.training_data.name: "x", want "claimhawk-lora-training": it is another name of lora_training`},
		{"profiles.yaml", "profiles: {trian: {cpu: 1}}", `profiles.trian: unknown job "trian", the nearest is "train"`},
		{"profiles.yaml", "profiles: {train: {timeout: 24}}", `profiles.train.timeout: found the number "24", want a duration such as "90s" or "4h"`},
		{"profiles.yaml", "profiles: {train: {timeout: -2h}}", `profiles.train.timeout: found -2h0m0s, want at least 0`},
	}
	for _, tt := range tests {
		_, err := Load(Options{FS: files(tt.file, tt.text)})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %s\n got %v\nwant %s", tt.file, tt.text, err, tt.want)
		}
	}
}

func TestWrongOverrides(t *testing.T) {
	tests := []struct {
		o    Options
		want string
	}{
		{Options{Environ: []string{"MOLE_SEED=x"}}, `MOLE_SEED: dataset.seed: found "x", want an integer of 0 or more`},
		{Options{Environ: []string{"MOLE_DATASET_SEDE=1"}}, `environment: unknown variable "MOLE_DATASET_SEDE", the nearest is "MOLE_DATASET_SEED"`},
		{Options{Environ: []string{"MOLE_ADAPTERS_EXPERTS_OCR_LABEL=9"}}, `unknown variable "MOLE_ADAPTERS_EXPERTS_OCR_LABEL"`},
		{Options{Environ: []string{"MOLE_DATASET_SPLITS_TRAIN=2"}}, `MOLE_DATASET_SPLITS_TRAIN: dataset.splits.train: found 2, want at most 1`},
		{Options{Flags: []Flag{{"dataset.sed", "1", "--seed"}}}, `--seed: unknown key "dataset.sed", the nearest is "dataset.seed"`},
		{Options{Flags: []Flag{{"generators.scale", "0", "--scale"}}}, `--scale: generators.scale: found 0, want more than 0`},
		{Options{Flags: []Flag{{"profiles.train.timeout", "soon", "--timeout"}}}, `--timeout: profiles.train.timeout: found "soon", want a duration`},
	}
	for _, tt := range tests {
		if _, err := Load(tt.o); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got %v, want %s", err, tt.want)
		}
	}
	c := load(t, Options{Environ: []string{"MOLE_STATE=x", "MOLE_DEBUG_CPU=generic", "HOME=/", "odd",
		"MOLE_ADAPTERS_COST_GPU_HOURLY_USD_H100=3", "MOLE_GENERATORS_EXPERTS_CLAIM_WINDOW_TEST_TOLERANCE=4, 5"}})
	if got := c.Generators.Experts["claim-window"].Test.Tolerance; len(got) != 2 || got[1] != 5 || c.Adapters.Cost.GPUHourlyUSD["H100"] != 3 {
		t.Errorf("got %v, %v", got, c.Adapters.Cost)
	}
}

func TestAllErrorsAtOnce(t *testing.T) {
	_, err := Load(Options{FS: files("dataset.yaml", "sede: 1\nsplits: {train: x}\n", "profiles.yaml", "profile: {}"), Environ: []string{"MOLE_SEED=-"}})
	if got := len(strings.Split(fmt.Sprint(err), "\n")); got != 5 { // MOLE_SEED sets two values
		t.Errorf("got %d lines: %v", got, err)
	}
}

func TestHostileFiles(t *testing.T) {
	var bomb strings.Builder
	bomb.WriteString("a0: &a0 [x, x]\n")
	for i := range 40 {
		fmt.Fprintf(&bomb, "a%d: &a%d [*a%d, *a%d]\n", i+1, i+1, i, i)
	}
	for name, text := range map[string]string{
		"flow depth":  "seed: " + strings.Repeat("[", 100_000),
		"block depth": strings.Repeat("- ", 100_000),
		"bomb":        bomb.String(),
		"loop":        "splits: &s {train: *s}",
		"long":        strings.Repeat("#", maxFile+1),
		"many keys":   strings.Repeat("x: 1\n", 50_000),
		"not text":    "\x00\xff\xfe",
		"long key":    strings.Repeat("k", 100_000) + ": 1",
	} {
		if _, err := Load(Options{FS: files("dataset.yaml", text)}); err == nil || len(err.Error()) > 10_000 {
			t.Errorf("%s: got %.200v", name, err)
		}
	}
	empty := load(t, Options{FS: files("dataset.yaml", "# nothing\n", "adapters.yaml", "")})
	if empty.Dataset.Seed != 42 || !empty.Files[1].Found || empty.Files[2].Found {
		t.Errorf("got %+v", empty.Files)
	}
	if _, err := Load(Options{FS: fstest.MapFS{"dataset.yaml": {Mode: fs.ModeDir}}}); err == nil {
		t.Error("a folder was read as a file")
	}
}

func TestLoadGenerator(t *testing.T) {
	const old = "name_prefix: desk\nseed: 420\ntasks: {iconlist: 2000, wait-loading: 100}\nsplits: {train: 0.8}\nsystem_prompt: x\n" +
		"output: {image_format: jpg, image_quality: 85}\ntest: {count: 20, tolerance: [10, 10], distribution: {iconlist: 1}}\n" +
		"annotation: {enabled: true, ratio: 0.1, per_type: {iconlist: 2}}\nheld_out: {enabled: false, ratio: 0.1}\n"
	c := load(t, Options{})
	if err := LoadGenerator(c, files("dataset.yaml", old), "dataset.yaml", "desktop"); err != nil {
		t.Fatal(err)
	}
	g := c.Generators.Experts["desktop"]
	if got := c.Source("generators.experts.desktop.seed").String(); got != "dataset.yaml:2" || len(c.Generators.Experts) != 1 {
		t.Errorf("got the seed from %s, %d experts", got, len(c.Generators.Experts))
	}
	shares, images := g.TaskShares()
	if images != 2100 || shares["wait-loading"] != 100.0/2100 || g.Output.ImageQuality != 85 {
		t.Errorf("got %v of %d, %+v", shares, images, g)
	}
	if shares, images := (&Generator{Images: 9}).TaskShares(); shares != nil || images != 9 {
		t.Errorf("got %v of %d", shares, images)
	}
}

func TestLoadGeneratorRefuses(t *testing.T) {
	c := load(t, Options{})
	for name, want := range map[string]string{"bad.yaml": "generators.experts.desktop.tasks: sum is 0.4", "odd.yaml": `the nearest is "tasks"`, "none.yaml": "file does not exist"} {
		if err := LoadGenerator(c, files("bad.yaml", "tasks: {a: 0.4}", "odd.yaml", "task: 1"), name, "desktop"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", name, err, want)
		}
	}
}

func TestNearest(t *testing.T) {
	tests := []struct{ name, want string }{
		{"sede", "seed"}, {"spltis", "splits"}, {"seed", "seed"}, {"colour", ""}, {"", ""}, {strings.Repeat("x", 1000), ""},
	}
	for _, tt := range tests {
		if got := nearest(tt.name, []string{"splits", "seed", "adapters"}); got != tt.want {
			t.Errorf("%.20s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func FuzzLoad(f *testing.F) {
	for _, text := range []string{"seed: 1", "experts: [{name: a, label: 1}]", "loras: {a: {volume: v, path: p}}", "profiles: {train: {timeout: 1h}}", "a: &a [*a]", "tasks: {a: 1}"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, s := range new(Config).sections() {
			c, err := Load(Options{FS: files(s.file, text)})
			if err == nil {
				_, err = c.Values("")
			}
			if err != nil && err.Error() == "" {
				t.Error("an error without a message")
			}
		}
		c := load(t, Options{})
		if err := LoadGenerator(c, files("project.yaml", text), "project.yaml", "desktop"); err == nil && c.Generators.Experts["desktop"] == nil {
			t.Error("no error and no generator")
		}
	})
}
