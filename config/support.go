package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"mole/prompt"
)

// use says what becomes of the settings that a pattern of keys names. The first
// pattern that fits a key counts.
type use struct {
	keys string // "*" stands for any one name
	by   string // commands that read them; "" for none
	// only are the values that are supported besides the built-in one, where not
	// all are, and why says why. An empty list supports the built-in one alone.
	only []string
	why  string
	at   string // the command that refuses others; "" for all that open the configuration to work by it
}

// Reasons that several settings have.
const (
	elsewhere = "this program starts jobs on this machine only, on its processor"
	noCommand = "no command does this job yet"
	noSource  = "for people"
)

// uses lists all settings. One that is missing here fails a test: whoever adds
// a setting says who reads it.
var uses = []use{
	{keys: "adapters.version", by: "all"},
	{keys: "adapters.models.base_vlm", by: "preprocess, train, test, eval, deploy, merge, pipeline"},
	{keys: "adapters.models.ocr", only: []string{"builtin"}, why: "no command runs a text-recognition model yet", at: "serve"},
	{keys: "adapters.volumes.moe_data.name", by: "link, upload, preprocess, train, eval, deploy, pipeline"},
	{keys: "adapters.volumes.lora_training.name", by: "link, upload, preprocess, train, test, deploy, merge"},
	{keys: "adapters.volumes.training_data.name", by: "upload, preprocess"},
	{keys: "adapters.volumes.training_history.name", by: "train, history, backfill"},
	{keys: "adapters.volumes.inference.name", by: "deploy, merge, pipeline, infer, serve"},
	{keys: "adapters.volumes.checkpoints.name", by: "save-lora"},
	{keys: "adapters.volumes.archives.name", by: "archive"},
	{keys: "adapters.volumes.model_cache.name", by: "preprocess, train, test, eval, deploy, merge, pipeline, save-lora, infer, serve, model"},
	{keys: "adapters.router.inference_path", by: "deploy, pipeline, infer, serve"},
	{keys: "adapters.router.prompt", by: "preprocess, train, eval, pipeline", only: []string{prompt.RouterV1}, why: "there is no other template"},
	{keys: "adapters.router.label_mode", by: "preprocess", only: []string{"digit"}, why: "routers learn digits; datasets with names are read all the same"},
	{keys: "adapters.router.mask_user_text", by: "preprocess, train, eval, pipeline"},
	{keys: "adapters.deploy.*", by: "deploy, pipeline"},
	{keys: "adapters.experts.*.generator", why: noSource},
	{keys: "adapters.experts.*.inference_path", by: "deploy, infer, merge, pipeline, serve"},
	{keys: "adapters.experts.*.*", by: "generate, preprocess, train, deploy, infer, serve"},
	{keys: "adapters.cost.gpu_hourly_usd.*", by: "train"},

	{keys: "dataset.output.image_format", only: []string{}, why: "a routing set names the experts' pictures and writes none; generators.output is about those"},
	{keys: "dataset.system_prompt", by: "preprocess, train, eval, pipeline", only: []string{routerPrompt, prompt.RouterV1}, why: "there is no other template"},
	{keys: "dataset.name_prefix", by: "generate, pipeline"},
	{keys: "dataset.seed", by: "generate, link, pipeline"},
	{keys: "dataset.splits.*", by: "generate, pipeline"},
	{keys: "dataset.test_samples_per_adapter", by: "generate, link, pipeline"},
	{keys: "dataset.adapters.*.source", by: "generate, pipeline"},
	{keys: "dataset.adapters.*.*", by: "generate, link, pipeline"},

	{keys: "loras.*.source_checkpoint", why: noSource},
	{keys: "loras.*.saved_at", why: noSource},
	{keys: "loras.*.*", by: "deploy, pipeline"},

	{keys: "generators.experts.*.system_prompt", by: "synth", only: []string{"", "computer-use"}, why: "there is no other template"},
	{keys: "generators.experts.*.*", by: "synth"},
	{keys: "generators.experts.*.*.*", by: "synth"},
	{keys: "generators.experts.*.*.*.*", by: "synth"},
	{keys: "generators.output.*", by: "synth"},
	{keys: "generators.*", by: "synth"},

	{keys: "profiles.*.device", only: []string{"", "cpu"}, why: elsewhere},
	{keys: "profiles.*.device_count", only: []string{"0"}, why: elsewhere},
	{keys: "profiles.*.warm_seconds", only: []string{"0"}, why: elsewhere},
	{keys: "profiles.train.*", by: "train"},
	{keys: "profiles.train-linked.*", by: "train"},
	{keys: "profiles.preprocess.*", by: "preprocess"},
	{keys: "profiles.preprocess-from-experts.*", by: "preprocess, train"},
	{keys: "profiles.link.*", by: "link"},
	{keys: "profiles.eval.*", by: "eval"},
	{keys: "profiles.generate.*", by: "generate"},
	{keys: "profiles.deploy.*", by: "deploy"},
	{keys: "profiles.history.*", by: "history"},
	{keys: "profiles.synth.*", by: "synth"},
	{keys: "profiles.serve.retries", only: []string{"0"}, why: "a server has no end to start it again at"},
	{keys: "profiles.serve.*", by: "serve"},
	{keys: "profiles.*.*", only: []string{}, why: noCommand},
	{keys: "backends.kubernetes.*.*", only: []string{"", "0", "0s"}, why: elsewhere},
	{keys: "backends.modal.*.*", only: []string{"", "0", "0s"}, why: elsewhere},

	{keys: "from_script", why: "accepted, and changes nothing"},
}

// useOf returns what becomes of a setting. What differs on this machine is read
// as the profile is.
func useOf(key string) (use, bool) {
	if rest, ok := strings.CutPrefix(key, "backends.local."); ok {
		key = "profiles." + rest
	}
	i := slices.IndexFunc(uses, func(u use) bool { return u.fits(key) })
	if i < 0 {
		return use{}, false
	}
	return uses[i], true
}

// fits reports whether a key fits the pattern.
func (u use) fits(key string) bool {
	pattern, names := strings.Split(u.keys, "."), strings.Split(key, ".")
	return slices.EqualFunc(pattern, names, func(p, n string) bool { return p == "*" || p == n })
}

// Supported returns an error for each setting that somebody gave a value that
// no command obeys. command is the one that asks, or "" for any: some settings
// matter to one command alone.
func (c *Config) Supported(command string) error {
	usual, err := builtin()
	if err != nil {
		return err
	}
	was := map[string]string{}
	for _, l := range usual.leaves() {
		was[l.key] = fmt.Sprint(plain(l.value))
	}
	var errs []error
	for _, l := range c.leaves() {
		u, _ := useOf(l.key)
		value, built := fmt.Sprint(plain(l.value)), was[l.key]
		if u.only == nil || u.at != "" && u.at != command || c.Source(l.key).IsDefault() || value == built || slices.Contains(u.only, value) {
			continue
		}
		errs = append(errs, c.wrong(l.key, "%s is not supported%s: %s", quoted(value), u.wanted(built), u.why))
	}
	return errors.Join(errs...)
}

// quoted returns a value as messages have it.
func quoted(value string) string {
	if value == "" {
		return `""`
	}
	return value
}

// wanted lists the values that are supported, the built-in one among them.
func (u use) wanted(built string) string {
	values := slices.Clone(u.only)
	if built != "" && !slices.Contains(values, built) {
		values = append(values, built)
	}
	if len(values) == 0 {
		return ""
	}
	for i, v := range values {
		values[i] = quoted(v)
	}
	return ", want " + strings.Join(values, " or ")
}

// Refuse returns an error about the value of a key, which says where it stands.
func (c *Config) Refuse(key, format string, args ...any) error { return c.wrong(key, format, args...) }
