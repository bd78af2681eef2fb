package lora

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// configLayout is adapter_config.json with every key that PEFT 0.21.2 writes,
// in its order and its spacing. What this package does not have is at the
// default of PEFT.
const configLayout = `{
  "alora_invocation_tokens": null,
  "alpha_pattern": %s,
  "arrow_config": null,
  "auto_mapping": null,
  "base_model_name_or_path": %s,
  "bias": "none",
  "corda_config": null,
  "ensure_weight_tying": false,
  "eva_config": null,
  "exclude_modules": %s,
  "fan_in_fan_out": false,
  "inference_mode": true,
  "init_lora_weights": %t,
  "kasa_config": null,
  "layer_replication": null,
  "layers_pattern": %s,
  "layers_to_transform": %s,
  "loftq_config": {},
  "lora_alpha": %s,
  "lora_bias": false,
  "lora_dropout": %s,
  "lora_ga_config": null,
  "megatron_config": null,
  "megatron_core": "megatron.core",
  "modules_to_save": null,
  "monteclora_config": null,
  "peft_type": "LORA",
  "peft_version": "0.21.2",
  "qalora_group_size": 16,
  "r": %d,
  "rank_pattern": %s,
  "revision": %s,
  "target_modules": %s,
  "target_parameters": null,
  "task_type": "CAUSAL_LM",
  "trainable_token_indices": null,
  "use_bdlora": null,
  "use_dora": false,
  "use_qalora": false,
  "use_rslora": %t,
  "velora_config": null
}`

// Encode returns c as adapter_config.json. Equal configurations give equal
// bytes; lists and patterns keep their order.
func (c Config) Encode() ([]byte, error) {
	r, err := c.rules()
	if err != nil {
		return nil, err
	}
	targets, err := targetsText(c.Targets)
	if err != nil {
		return nil, fmt.Errorf("target_modules: %w", err)
	}
	exclude, err := targetsText(c.Exclude)
	if err != nil {
		return nil, fmt.Errorf("exclude_modules: %w", err)
	}
	return fmt.Appendf(nil, configLayout,
		overridesText(c.AlphaFor), stringText(c.BaseModel), exclude, c.InitWeights,
		listText(c.LayerNames, quote), listText(c.Layers, strconv.Itoa), numberText(r.Alpha),
		floatText(c.Dropout), r.Rank, overridesText(c.RankFor), stringText(c.Revision), targets, c.RSLoRA), nil
}

// targetsText returns a list, a string, or null if t is empty.
func targetsText(t Targets) (string, error) {
	if len(t.List) == 0 {
		return stringText(t.Regexp), nil
	}
	if t.Regexp != "" {
		return "", errors.New("both a list and a regular expression")
	}
	var items []string
	for _, entry := range t.List {
		items = append(items, quote(entry))
	}
	return block("[", items, "]"), nil
}

// listText returns a list, or null if it is empty.
func listText[T any](list []T, text func(T) string) string {
	if len(list) == 0 {
		return "null"
	}
	var items []string
	for _, v := range list {
		items = append(items, text(v))
	}
	return block("[", items, "]")
}

// overridesText returns an object that keeps the order.
func overridesText(list []Override) string {
	var items []string
	for _, o := range list {
		items = append(items, quote(o.Key)+": "+numberText(o.Value))
	}
	return block("{", items, "}")
}

// block returns a list or an object of the second level, an item a line.
func block(begin string, items []string, end string) string {
	if len(items) == 0 {
		return begin + end
	}
	return begin + "\n    " + strings.Join(items, ",\n    ") + "\n  " + end
}

// stringText returns s quoted, or null if it is empty.
func stringText(s string) string {
	if s == "" {
		return "null"
	}
	return quote(s)
}

// quote returns s as a JSON string of ASCII characters, which readers
// understand whatever encoding they assume.
func quote(s string) string {
	var text strings.Builder
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // strings always encode
	var out []byte
	for _, r := range strings.TrimSuffix(text.String(), "\n") {
		switch {
		case r < utf8.RuneSelf:
			out = append(out, byte(r))
		case r <= math.MaxUint16:
			out = fmt.Appendf(out, "\\u%04x", r)
		default:
			high, low := utf16.EncodeRune(r)
			out = fmt.Appendf(out, "\\u%04x\\u%04x", high, low)
		}
	}
	return string(out)
}

// numberText writes whole numbers as integers, which PEFT's types ask for.
func numberText(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// floatText writes whole numbers with a fraction, as PEFT does.
func floatText(v float64) string {
	if v == math.Trunc(v) {
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}
