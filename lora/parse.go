package lora

import (
	"encoding/json"
	"fmt"
)

// ParseConfig reads PEFT's adapter_config.json. Settings that would change the
// arithmetic and that this package does not have (DoRA, biases, whole saved
// modules, ...) are errors that name the key; unknown keys are listed in
// Config.Unknown. Targets are not compiled: loading does not need them.
func ParseConfig(data []byte) (Config, error) {
	c := Config{Rank: defaultRank, Alpha: defaultAlpha, InitWeights: true}
	list, err := members(data)
	if err != nil {
		return Config{}, err
	}
	kind := "missing"
	for _, m := range list {
		if m.name == "peft_type" {
			kind = shown(m.value)
			continue
		}
		if err := c.set(m.name, m.value); err != nil {
			return Config{}, fmt.Errorf("%.100q: %w", m.name, err)
		}
	}
	if kind != `"LORA"` {
		return Config{}, fmt.Errorf("peft_type: %s, want \"LORA\"", kind)
	}
	if c.Rank == 0 || c.Alpha == 0 {
		return Config{}, fmt.Errorf("r %d, lora_alpha %v, want both above 0", c.Rank, c.Alpha)
	}
	if _, err := c.rules(); err != nil {
		return Config{}, err
	}
	return c, nil
}

// set takes one key of the file.
func (c *Config) set(key string, value json.RawMessage) error {
	if set, ok := fields[key]; ok {
		return set(c, value)
	}
	if isUnset(value) || ignored[key] {
		return nil
	}
	if unsupported[key] {
		return fmt.Errorf("%s is not supported", shown(value))
	}
	c.Unknown = append(c.Unknown, key)
	return nil
}

// fields holds what reads each key that a Config keeps, and the two that must
// have one value.
var fields = map[string]func(c *Config, v json.RawMessage) error{
	"r":                       func(c *Config, v json.RawMessage) error { return decode(v, &c.Rank, "a whole number") },
	"lora_alpha":              func(c *Config, v json.RawMessage) error { return decode(v, &c.Alpha, "a number") },
	"lora_dropout":            func(c *Config, v json.RawMessage) error { return decode(v, &c.Dropout, "a number") },
	"target_modules":          func(c *Config, v json.RawMessage) error { return decodeTargets(v, &c.Targets) },
	"exclude_modules":         func(c *Config, v json.RawMessage) error { return decodeTargets(v, &c.Exclude) },
	"layers_to_transform":     func(c *Config, v json.RawMessage) error { return decodeOneOrMore(v, &c.Layers, "layer numbers") },
	"layers_pattern":          func(c *Config, v json.RawMessage) error { return decodeOneOrMore(v, &c.LayerNames, "names") },
	"rank_pattern":            func(c *Config, v json.RawMessage) error { return decodeOverrides(v, &c.RankFor) },
	"alpha_pattern":           func(c *Config, v json.RawMessage) error { return decodeOverrides(v, &c.AlphaFor) },
	"use_rslora":              func(c *Config, v json.RawMessage) error { return decode(v, &c.RSLoRA, "true or false") },
	"base_model_name_or_path": func(c *Config, v json.RawMessage) error { return decode(v, &c.BaseModel, "a string") },
	"revision":                func(c *Config, v json.RawMessage) error { return decode(v, &c.Revision, "a string") },
	"init_lora_weights":       func(c *Config, v json.RawMessage) error { return decodeInit(v, &c.InitWeights) },
	"bias":                    func(_ *Config, v json.RawMessage) error { return checkBias(v) },
}

// unsupported are the keys that change what an adapter computes, or to which
// layers it belongs, unless they are null, false or empty.
var unsupported = keySet(
	"alora_invocation_tokens", "arrow_config", "fan_in_fan_out", "kasa_config", "layer_replication",
	"lora_bias", "megatron_config", "modules_to_save", "monteclora_config", "target_parameters",
	"trainable_token_indices", "use_bdlora", "use_dora", "use_qalora", "velora_config",
)

// ignored are the keys of PEFT that say how the adapter was made or what it is
// for, but not what it computes. Those that describe a way to start the
// weights count only with an init_lora_weights that is refused.
var ignored = keySet(
	"auto_mapping", "corda_config", "ensure_weight_tying", "eva_config", "inference_mode", "loftq_config",
	"lora_ga_config", "megatron_core", "peft_version", "qalora_group_size", "runtime_config", "task_type",
)

func keySet(keys ...string) map[string]bool {
	set := map[string]bool{}
	for _, key := range keys {
		set[key] = true
	}
	return set
}
