package vision

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
)

// ParseOptions reads a preprocessor_config.json (5.1). The fields that say what
// the patches are must be there, because the defaults of the reference's class
// are those of another network. A value that asks for something else than the
// steps of this package, do_resize false for example, is an error that names the
// key. Keys without influence are ignored. The file does not tell the rule: the
// reference chooses by what is installed.
func ParseOptions(data []byte) (Options, error) {
	o, err := parseOptions(data)
	if err != nil {
		return Options{}, fmt.Errorf("preprocessor config: %w", err)
	}
	return o, nil
}

func parseOptions(data []byte) (Options, error) {
	var f fields
	if err := json.Unmarshal(data, &f); err != nil {
		return Options{}, err
	}
	var o Options
	err := cmp.Or(f.fixed(), f.sizes(&o), f.limits(&o),
		f.colour("image_mean", &o.Mean), f.colour("image_std", &o.Std))
	if err != nil {
		return Options{}, err
	}
	return o, o.check()
}

// fields is a JSON object by exact key. (Decoding into a struct would take
// "Size" for "size".)
type fields map[string]json.RawMessage

// value decodes the value of key into dst and reports whether it is there. A
// null counts as absent.
func (f fields) value(key string, dst any) (bool, error) {
	raw, ok := f[key]
	if !ok || string(raw) == "null" {
		return false, nil
	}
	if err := json.Unmarshal(raw, dst); err != nil {
		return false, fmt.Errorf("%q: %w", key, err)
	}
	return true, nil
}

// need is value for a key that must be there.
func (f fields) need(key string, dst any) error {
	ok, err := f.value(key, dst)
	if err == nil && !ok {
		return fmt.Errorf("%q is missing", key)
	}
	return err
}

// fixed checks the keys that may be there but allow no choice.
func (f fields) fixed() error {
	for _, w := range []struct {
		key  string
		want []any // as encoding/json decodes them
	}{
		{"do_resize", []any{true}},
		{"do_rescale", []any{true}},
		{"do_normalize", []any{true}},
		{"do_convert_rgb", []any{true}},
		{"do_center_crop", []any{false}},
		{"do_pad", []any{false}},
		{"resample", []any{3.0}}, // bicubic
		{"rescale_factor", []any{1.0 / 255}},
		{"image_processor_type", []any{"Qwen2VLImageProcessor", "Qwen2VLImageProcessorFast", "Qwen2VLImageProcessorPil"}},
	} {
		var got any
		ok, err := f.value(w.key, &got)
		if err != nil {
			return err
		}
		if ok && !slices.ContainsFunc(w.want, func(v any) bool { return equal(got, v) }) {
			return fmt.Errorf("%q is %s, supported: %v", w.key, excerpt(f[w.key]), w.want)
		}
	}
	return nil
}

// equal compares scalars; lists and objects, which == would panic on, differ
// from every scalar.
func equal(got, want any) bool {
	switch got.(type) {
	case bool, float64, string:
		return got == want
	}
	return false
}

// excerpt returns the beginning of a value, for a message.
func excerpt(raw []byte) string {
	const most = 40
	if len(raw) > most {
		return string(raw[:most]) + "…"
	}
	return string(raw)
}

// sizes reads the sizes of a patch.
func (f fields) sizes(o *Options) error {
	return cmp.Or(
		f.need("patch_size", &o.PatchSize),
		f.need("temporal_patch_size", &o.TemporalPatchSize),
		f.need("merge_size", &o.MergeSize),
	)
}

// limits reads the two areas, which the files call edges. Where the older names
// min_pixels and max_pixels occur, they win.
func (f fields) limits(o *Options) error {
	var size fields
	if _, err := f.value("size", &size); err != nil {
		return err
	}
	for _, l := range []struct {
		key, old string
		dst      *int
	}{
		{"shortest_edge", "min_pixels", &o.MinPixels},
		{"longest_edge", "max_pixels", &o.MaxPixels},
	} {
		ok, err := f.value(l.old, l.dst)
		if err != nil {
			return err
		}
		if ok {
			continue
		}
		if err := size.need(l.key, l.dst); err != nil {
			return fmt.Errorf("size: %w", err)
		}
	}
	return nil
}

// colour reads one number per channel.
func (f fields) colour(key string, dst *[channels]float64) error {
	var v []float64
	if err := f.need(key, &v); err != nil {
		return err
	}
	if len(v) != channels {
		return fmt.Errorf("%q has %d numbers, want %d", key, len(v), channels)
	}
	copy(dst[:], v)
	return nil
}
