package vision_test

import (
	"math"
	"testing"

	"mole/vision"
)

func TestTargetSize(t *testing.T) {
	released := vision.DefaultOptions()
	small := released
	small.MinPixels, small.MaxPixels = 256*1024, 1280*1024
	tests := []struct {
		h, w         int
		o            vision.Options
		wantH, wantW int
	}{
		// The table of 5.2.
		{1080, 1920, released, 1088, 1920},
		{720, 1280, released, 704, 1280}, // 22.5 blocks, to even
		{768, 1366, released, 768, 1376},
		{853, 1155, released, 864, 1152},
		{1440, 2560, released, 1440, 2560},
		{2160, 3840, released, 2176, 3840},
		{4320, 7680, released, 3072, 5440},
		{600, 800, released, 608, 800},
		{200, 300, released, 224, 320},
		{64, 64, released, 256, 256},
		{30, 305, released, 96, 832},
		{5000, 100, released, 4992, 96},
		{1080, 1920, small, 832, 1504},
		{720, 1280, small, 704, 1280},
		{768, 1366, small, 768, 1376},
		{4320, 7680, small, 832, 1504},
		{200, 300, small, 448, 640},
		{64, 64, small, 512, 512},
		// Its text.
		{1, 1, released, 256, 256},
		{1, 200, released, 32, 3648},
		{200, 1, released, 3648, 32},
		{15, 15, released, 256, 256}, // less than half a block: a product of zero
		{16, 16, released, 256, 256}, // half a block, to even: zero too
	}
	for _, tt := range tests {
		h, w, err := vision.TargetSize(tt.h, tt.w, tt.o)
		if err != nil || h != tt.wantH || w != tt.wantW {
			t.Errorf("%dx%d (height x width): got %dx%d, %v, want %dx%d", tt.h, tt.w, h, w, err, tt.wantH, tt.wantW)
		}
	}
}

func TestTargetSizeErrors(t *testing.T) {
	with := func(change func(*vision.Options)) vision.Options {
		o := vision.DefaultOptions()
		change(&o)
		return o
	}
	o := vision.DefaultOptions()
	huge := with(func(o *vision.Options) { o.MaxPixels = math.MaxInt })
	tests := []struct {
		h, w    int
		o       vision.Options
		wantErr string
	}{
		{1, 201, o, "image of 201x1 pixels (width x height): one side is more than 200 times the other"},
		{40001, 200, o, "more than 200 times"},
		{0, 5, o, "image of 5x0 pixels (width x height), want sides of 1 to"},
		{5, -1, o, "image of -1x5 pixels"},
		{math.MaxInt, math.MaxInt, o, "want sides of 1 to"},
		{1 << 20, 1 << 20, huge, "would be resized to 1048576x1048576, more than 67108864 pixels"},
		{1 << 30, 1 << 30, huge, "more than 67108864 pixels"},
		{9, 9, vision.Options{}, "patch size 0"},
		{9, 9, with(func(o *vision.Options) { o.PatchSize = 257 }), "patch size 257, want 1 to 256"},
		{9, 9, with(func(o *vision.Options) { o.MergeSize = -1 }), "merge size -1, want 1 to 16"},
		{9, 9, with(func(o *vision.Options) { o.TemporalPatchSize = 17 }), "temporal patch size 17"},
		{9, 9, with(func(o *vision.Options) { o.MinPixels = 1 << 40 }), "smallest number of pixels 1099511627776"},
		{9, 9, with(func(o *vision.Options) { o.MaxPixels = 5 }), "largest number of pixels 5, want 65536 to"},
		{9, 9, with(func(o *vision.Options) { o.Std[1] = 0 }), "channel 1 by mean 0.5 and standard deviation 0"},
		{9, 9, with(func(o *vision.Options) { o.Std[1] = math.NaN() }), "standard deviation NaN"},
		{9, 9, with(func(o *vision.Options) { o.Mean[2] = math.NaN() }), "channel 2 by mean NaN"},
		{9, 9, with(func(o *vision.Options) { o.Mean[2] = math.Inf(1) }), "channel 2 by mean +Inf"},
		{9, 9, with(func(o *vision.Options) { o.Rule = 9 }), "resize rule 9, want 0 to 1"},
	}
	for _, tt := range tests {
		_, _, err := vision.TargetSize(tt.h, tt.w, tt.o)
		wantError(t, err, tt.wantErr)
	}
}
