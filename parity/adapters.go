package parity

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"path"
	"reflect"
	"slices"
	"strings"

	"mole/batch"
	"mole/lora"
	"mole/model/qwen3vl"
	"mole/safetensors"
)

// The files of an adapter, in a folder of its own inside the case.
const (
	adapterConfigFile = "adapter_config.json"
	adapterModelFile  = "adapter_model.safetensors"
)

// checkAdapter checks adapters that PEFT itself wrote: that the strict reader
// takes all of each, and that the network then gives the recorded logits.
func (r *run) checkAdapter() {
	n := r.openNetwork()
	defer n.close()
	s := r.sample(n, r.meta.object("sample"))
	adapters := r.meta.object("adapters")
	r.build(n)
	b := r.alone(n, s, 1)
	if r.failed() {
		return
	}
	shape := []int{len(s.ids), n.config.Text.Vocab}
	base := r.floats("base.logits", shape...)
	r.checkAdapterLogits(n, b, "base", nil, base)
	if len(adapters.keys()) == 0 {
		r.fail(fmt.Errorf("%s: adapters: none", metaFile))
	}
	all := []*mixed{{name: "base", want: base}}
	for _, name := range adapters.keys() {
		want := r.floats(name+".logits", shape...)
		a := r.checkOneAdapter(n, b, name, adapters.object(name), base, want)
		all = append(all, &mixed{name: name, adapter: a, want: want})
	}
	r.checkMixed(n, s, all)
}

// mixed is one of several adapters that are at work at one time.
type mixed struct {
	name    string
	adapter *lora.Adapter // nil for none
	want    []float64     // recorded logits
}

// checkMixed compares the logits after the last token where sequences with
// different adapters are run in one pass.
func (r *run) checkMixed(n *network, s *sample, all []*mixed) {
	e := r.engine(n, len(all), len(s.ids))
	if r.failed() {
		return
	}
	defer e.Free()
	turns := make([]qwen3vl.Turn, len(all))
	for i, m := range all {
		id := 0
		var err error
		if m.adapter != nil {
			id, err = e.Attach(m.adapter)
		}
		if err == nil {
			turns[i].Rows = len(s.ids)
			turns[i].Sequence, _, err = e.Open(s.example(), id, 0)
		}
		if err != nil {
			r.fail(fmt.Errorf("%s: %w", m.name, err))
			return
		}
	}
	logits, err := e.Run(turns)
	r.fail(err)
	for i, m := range all {
		if !r.failed() {
			words := n.config.Text.Vocab
			r.values("mixed.logits", m.name, logits[i], m.want[len(m.want)-words:], r.limits.values)
		}
	}
}

// checkAdapterLogits compares all logits of b under an adapter, nil for none.
func (r *run) checkAdapterLogits(n *network, b *batch.Batch, name string, a *lora.Adapter, want []float64) {
	if r.failed() {
		return
	}
	net, err := n.model.With(a)
	if err != nil {
		r.fail(fmt.Errorf("%s: %w", name, err))
		return
	}
	defer net.Close()
	logits, err := net.Logits(b, nil)
	r.fail(err)
	r.values("logits", name, logits, want, r.limits.values)
}

// checkOneAdapter checks one folder and returns the adapter in it.
func (r *run) checkOneAdapter(n *network, b *batch.Batch, name string, m *record, base, want []float64) *lora.Adapter {
	change := m.number("largest_change")
	settings := readAdapter(m)
	preset := m.text("preset")
	config, weights := r.readFile(path.Join(name, adapterConfigFile)), r.readFile(path.Join(name, adapterModelFile))
	if r.failed() {
		return nil
	}
	largest := 0.0
	for i, x := range want {
		largest = max(largest, math.Abs(x-base[i]))
	}
	r.number("recorded", name+".largest_change", largest, change, selfConsistent)
	r.checkSettings(name, m, settings, preset, config)
	r.checkAdapterFill(n, name, m, weights)
	a, err := lora.Decode(config, weights, n.model.Sites())
	if err != nil {
		r.fail(fmt.Errorf("adapter %s: %w", name, err))
		return nil
	}
	r.checkAdapterLogits(n, b, name, a, want)
	return a
}

// readFile reads a file whose name comes from the case.
func (r *run) readFile(name string) []byte {
	if !fs.ValidPath(name) {
		r.fail(fmt.Errorf("%s: %q is no name of a file inside the case", metaFile, name))
	}
	if r.failed() {
		return nil
	}
	data, err := fs.ReadFile(r.files, name)
	r.fail(err)
	return data
}

// checkSettings compares what the case says of an adapter with the
// adapter_config.json beside it.
func (r *run) checkSettings(name string, m *record, s adapterSettings, preset string, config []byte) {
	want := map[string]any{"r": float64(s.rank), "lora_alpha": s.alpha}
	targets, err := lora.Preset(preset)
	if err != nil || preset == "reference" {
		r.fail(m.errorf("preset: %q, want text or full", preset))
		return
	}
	want["target_modules"] = targets.List
	if m.has("extra") {
		var extra map[string]any
		m.read("extra", &extra, "an object")
		maps.Copy(want, extra)
	}
	if rewritten(want["target_modules"]) {
		delete(want, "target_modules")
	}
	var got map[string]any
	if err := json.Unmarshal(config, &got); err != nil {
		r.fail(fmt.Errorf("%s: %w", path.Join(name, adapterConfigFile), err))
		return
	}
	for _, key := range sortedKeys(want) {
		r.exact("settings", name+"."+key, unequal(true, reflect.DeepEqual(asSet(got[key]), asSet(want[key]))))
	}
}

// rewritten reports whether PEFT stores other targets than it was given: it
// expands all-linear, and shortens long lists to suffixes.
func rewritten(targets any) bool {
	if list, ok := targets.([]any); ok {
		return len(list) >= 20
	}
	text, ok := targets.(string)
	return ok && strings.EqualFold(text, "all-linear")
}

// asSet sorts lists of strings, whose order PEFT does not keep, and leaves
// other values alone.
func asSet(v any) any {
	list, ok := v.([]any)
	if !ok {
		if texts, ok := v.([]string); ok {
			return slices.Sorted(slices.Values(texts))
		}
		return v
	}
	out := []string{}
	for _, e := range list {
		out = append(out, fmt.Sprint(e))
	}
	slices.Sort(out)
	return out
}

// checkAdapterFill compares the stored tensors with the rule they were made
// by, bit by bit.
func (r *run) checkAdapterFill(n *network, name string, m *record, weights []byte) {
	place := path.Join(name, adapterModelFile)
	file, err := safetensors.Parse(weights)
	if err != nil {
		r.fail(fmt.Errorf("%s: %w", place, err))
		return
	}
	fill := n.fill
	if m.has("seed") {
		fill = hashFill{seed: m.seed("seed")}
	}
	for _, key := range file.Names() {
		off, err := fillDifferences(file, key, fill)
		if err != nil {
			r.fail(fmt.Errorf("%s: tensor %q: %w", place, key, err))
		}
		r.exact("adapter weights", name+"."+key, off)
	}
}

// fillDifferences counts the elements of a tensor that are not as the rule
// makes them.
func fillDifferences(file *safetensors.File, key string, fill filling) (float64, error) {
	t, err := file.Tensor(key)
	if err != nil {
		return 0, err
	}
	if len(t.Shape) < 2 {
		return 0, fmt.Errorf("shape %v, want at least 2 axes", t.Shape)
	}
	got, err := t.Float32s()
	if err != nil {
		return 0, err
	}
	want := make([]float32, len(got))
	err = fillMatrix(fill, key, t.Shape, want)
	return differences(got, want), err
}
