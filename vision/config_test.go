package vision_test

import (
	"strings"
	"testing"

	"mole/vision"
)

// released is a preprocessor_config.json as published, with the keys that other
// versions of the reference write.
const released = `{
	"size": {"longest_edge": 16777216, "shortest_edge": 65536},
	"patch_size": 16, "temporal_patch_size": 2, "merge_size": 2,
	"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5],
	"processor_class": "Qwen3VLProcessor", "image_processor_type": "Qwen2VLImageProcessorFast",
	"do_resize": true, "do_rescale": true, "do_normalize": true, "do_convert_rgb": true, "do_center_crop": null,
	"resample": 3, "rescale_factor": 0.00392156862745098, "device": null, "data_format": "channels_first"
}`

func TestParseOptions(t *testing.T) {
	want := vision.DefaultOptions()
	got, err := vision.ParseOptions([]byte(released))
	if err != nil || got != want {
		t.Errorf("released: got %+v, %v, want %+v", got, err, want)
	}
	old := strings.Replace(released, `"patch_size"`, `"min_pixels": 4096, "max_pixels": 1310720, "patch_size"`, 1)
	want.MinPixels, want.MaxPixels = 4096, 1310720
	if got, err = vision.ParseOptions([]byte(old)); err != nil || got != want {
		t.Errorf("older names beside size: got %+v, %v, want %+v", got, err, want)
	}
	alone := strings.Replace(old, `"size"`, `"Size"`, 1)
	if got, err = vision.ParseOptions([]byte(alone)); err != nil || got != want {
		t.Errorf("older names alone: got %+v, %v, want %+v", got, err, want)
	}
}

func TestParseOptionsErrors(t *testing.T) {
	tests := []struct{ old, new, wantErr string }{
		{released, ``, "preprocessor config: unexpected end of JSON input"},
		{released, `[]`, "cannot unmarshal array"},
		{released, `null`, `"patch_size" is missing`},
		{released, strings.Repeat(`{"a":`, 20000), "exceeded max depth"},
		{`"do_resize": true`, `"do_resize": false`, `"do_resize" is false, supported: [true]`},
		{`"do_rescale": true`, `"do_rescale": {}`, `"do_rescale" is {}, supported: [true]`},
		{`"do_center_crop": null`, `"do_center_crop": true`, `"do_center_crop" is true, supported: [false]`},
		{`"resample": 3`, `"resample": 2`, `"resample" is 2, supported: [3]`},
		{`0.00392156862745098`, `0.0039`, `"rescale_factor" is 0.0039`},
		{`Qwen2VLImageProcessorFast`, strings.Repeat("x", 99), `"image_processor_type" is "xxxx`},
		{`"patch_size": 16, `, ``, `"patch_size" is missing`},
		{`"patch_size": 16`, `"patch_size": null`, `"patch_size" is missing`},
		{`"patch_size": 16`, `"patch_size": 16.5`, `"patch_size": json: cannot unmarshal number 16.5`},
		{`"patch_size": 16`, `"patch_size": 0`, "patch size 0, want 1 to 256"},
		{`"merge_size": 2`, `"merge_size": "2"`, `"merge_size": json: cannot unmarshal string`},
		{`"shortest_edge"`, `"height"`, `size: "shortest_edge" is missing`},
		{`"size"`, `"crop_size"`, `size: "shortest_edge" is missing`},
		{`{"longest_edge": 16777216, "shortest_edge": 65536}`, `448`, `"size": json: cannot unmarshal number`},
		{`65536`, `99999999`, "smallest number of pixels 99999999"},
		{`16777216`, `1e400`, `"longest_edge": json: cannot unmarshal number 1e400`},
		{`"resample"`, `"max_pixels": 5, "resample"`, "largest number of pixels 5, want 65536 to"},
		{`"image_mean": [0.5, 0.5, 0.5]`, `"image_mean": [0.5]`, `"image_mean" has 1 numbers, want 3`},
		{`"image_mean": [0.5, 0.5, 0.5], `, ``, `"image_mean" is missing`},
		{`"image_std": [0.5, 0.5, 0.5]`, `"image_std": [0.5, 0, 0.5]`, "channel 1 by mean 0.5 and standard deviation 0"},
	}
	for _, tt := range tests {
		in := strings.Replace(released, tt.old, tt.new, 1)
		if in == released {
			t.Errorf("%q is not in the file", tt.old)
		}
		_, err := vision.ParseOptions([]byte(in))
		wantError(t, err, tt.wantErr)
	}
}
