package route_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mole/bundle"
	"mole/expert"
	"mole/route"
	"mole/route/routetest"
	"mole/router"
	"mole/vision"
)

// open opens a bundle and closes the router after the test.
func open(t testing.TB, b *bundle.Bundle, o route.Options) *route.Router {
	t.Helper()
	r, err := route.Open(t.Context(), os.DirFS(routetest.Write(t, b)), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func TestRoute(t *testing.T) {
	for _, rung := range router.Rungs() {
		t.Run(string(rung), func(t *testing.T) {
			r := open(t, routetest.Bundle(t, rung), route.Options{})
			got := []string{string(r.Rung), r.Base, r.Spec, r.Digest}
			if want := []string{string(rung), "tiny", r.Bundle.Spec.Hash(), r.Bundle.Spec.Base}; !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
			for class, e := range routetest.Experts() {
				a := answer(t, r, routetest.Picture(class, 20))
				if rung != router.LoRA && (a.Expert != e.Name || a.Unsure) { // the adapter learnt nothing
					t.Errorf("got %+v, want %s for sure", a.Decision, e.Name)
				}
			}
			unknown := answer(t, r, routetest.Picture(routetest.Classes, 0))
			if rung != router.LoRA && (!unknown.Unsure || unknown.Reason == "") {
				t.Errorf("unknown screen: got %+v, want unsure", unknown.Decision)
			}
		})
	}
}

// answer routes a picture, and checks what every answer has.
func answer(t *testing.T, r *route.Router, file []byte) route.Answer {
	t.Helper()
	a, err := r.Route(t.Context(), file, "open it")
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Probs) != routetest.Classes || len(a.Image) != 64 || a.Timings.Decode <= 0 || a.Timings.Route <= 0 {
		t.Errorf("got %+v", a)
	}
	return a
}

// TestMasked checks that an instruction changes nothing where the screen alone
// decides (specification mole, 20.4).
func TestMasked(t *testing.T) {
	r := open(t, routetest.Bundle(t, router.LoRA), route.Options{})
	first, err := r.Route(t.Context(), routetest.Picture(0, 0), "book a day")
	if err != nil {
		t.Fatal(err)
	}
	second, err := r.Route(t.Context(), routetest.Picture(0, 0), "read the text")
	if err != nil || !reflect.DeepEqual(first.Decision, second.Decision) {
		t.Errorf("got %+v and %+v, error %v, want the same", first.Decision, second.Decision, err)
	}
}

func TestRungOverride(t *testing.T) {
	r := open(t, routetest.Bundle(t, router.LoRA), route.Options{Rung: router.Prototype})
	a, err := r.Route(t.Context(), routetest.Picture(2, 20), "")
	if err != nil || r.Rung != router.Prototype || a.Expert != "desktop" {
		t.Errorf("got %+v by %s, error %v", a.Decision, r.Rung, err)
	}
}

// TestConcurrent routes the same pictures by one network and by two at once.
func TestConcurrent(t *testing.T) {
	for _, networks := range []int{1, 2} {
		r := open(t, routetest.Bundle(t, router.Linear), route.Options{Networks: networks})
		var group sync.WaitGroup
		for i := range 12 {
			group.Go(func() {
				a, err := r.Route(t.Context(), routetest.Picture(i%3, i), "")
				if want := routetest.Experts()[i%3].Name; err != nil || a.Expert != want {
					t.Errorf("%d networks: got %q, error %v, want %q", networks, a.Expert, err, want)
				}
			})
		}
		group.Wait()
	}
}

func TestRouteRefuses(t *testing.T) {
	r := open(t, routetest.Bundle(t, router.Linear), route.Options{})
	whole := routetest.Picture(0, 0)
	for _, tt := range []struct {
		name string
		file []byte
		want string
	}{
		{"empty", nil, "picture: image file is empty"},
		{"cut off", whole[:len(whole)/2], "picture: decode PNG"},
		{"other format", []byte("GIF89a"), "image file is GIF"},
	} {
		_, err := r.Route(t.Context(), tt.file, "")
		if !errors.Is(err, route.ErrImage) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want ErrImage with %q", tt.name, err, tt.want)
		}
		if _, err := r.Check(t.Context(), tt.file); !errors.Is(err, route.ErrImage) {
			t.Errorf("%s: Check: got %v, want ErrImage", tt.name, err)
		}
	}
	if d, err := r.Check(t.Context(), whole); err != nil || d <= 0 {
		t.Errorf("got %v, error %v", d, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Route(ctx, whole, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that it was cancelled", err)
	}
}

func TestClosed(t *testing.T) {
	r := open(t, routetest.Bundle(t, router.Prototype), route.Options{})
	if err := errors.Join(r.Close(), r.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Route(t.Context(), routetest.Picture(0, 0), ""); !errors.Is(err, route.ErrClosed) {
		t.Errorf("got %v, want ErrClosed", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	other, err := expert.NewTable([]expert.Expert{{Name: "calendar", Label: 0}, {Name: "ocr", Label: 1}, {Name: "desktop", Label: 3}})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name    string
		change  func(b *bundle.Bundle)
		options route.Options
		want    string // in the error; "" for none
	}{
		{"as it is", func(*bundle.Bundle) {}, route.Options{Experts: routetest.Experts()}, ""},
		{"more experts configured", func(*bundle.Bundle) {}, route.Options{Experts: append(routetest.Experts(), expert.Expert{Name: "new", Label: 9})}, ""},
		{"other labels configured", func(*bundle.Bundle) {}, route.Options{Experts: other, Force: true}, `expert "ocr" has label 2, the configuration says 1`},
		{"fewer experts configured", func(*bundle.Bundle) {}, route.Options{Experts: other[:1]}, `expert "ocr", label 2, is not in the configuration`},
		{"other prompt", func(b *bundle.Bundle) { b.Spec.PromptSHA256 = "ab" }, route.Options{}, "bundle of run run-1: router specification of bundle.json: prompt_sha256 is ab, want "},
		{"other prompt, forced", func(b *bundle.Bundle) { b.Spec.PromptSHA256 = "ab" }, route.Options{Force: true}, ""},
		{"other description", func(b *bundle.Bundle) { b.Experts[0].Description = "x" }, route.Options{}, "prompt_sha256 is"},
		{"other base", func(b *bundle.Bundle) { b.Spec.Base = "cafe" }, route.Options{}, "made for the base model with digest cafe, tiny has 6f3"},
		{"no such base", func(*bundle.Bundle) {}, route.Options{Base: "nowhere"}, "there is no such directory"},
		{"tokenizer", func(b *bundle.Bundle) { b.Spec.Tokenizer = "x" }, route.Options{}, "tokenizer_sha256 is x, want "},
		{"resize", func(b *bundle.Bundle) { b.Spec.Image.Resample = "nearest" }, route.Options{}, `resample: resize rule "nearest"`},
		{"other resize", func(b *bundle.Bundle) { b.Spec.Image.Resample = "bicubic-pillow" }, route.Options{}, ""},
		{"picture size", func(b *bundle.Bundle) { b.Spec.Image.MaxTokens = 1 << 40 }, route.Options{Force: true}, "max_tokens: 1099511627776, want at most"},
		{"negative size", func(b *bundle.Bundle) { b.Spec.Image.MinTokens = -1 }, route.Options{}, "image tokens: -1"},
		{"rung", func(b *bundle.Bundle) { b.Weights, b.Calibrations = nil, without(b, router.LoRA) }, route.Options{Rung: router.LoRA}, `rung "lora" is not in it, want one of ["linear" "prototype"]`},
		{"features", func(b *bundle.Bundle) { b.Features = "smell" }, route.Options{}, `features "smell"`},
		{"narrow features", func(b *bundle.Bundle) { b.Features = router.Pooled }, route.Options{}, "rung linear: 768 features"},
		{"adapter", func(b *bundle.Bundle) { b.Rung, b.Weights = router.LoRA, b.Weights[:100] }, route.Options{}, "adapter: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := routetest.Bundle(t, router.Linear)
			b.Experts = append([]bundle.Expert(nil), b.Experts...)
			tt.change(b)
			r, err := route.Open(t.Context(), os.DirFS(routetest.Write(t, b)), tt.options)
			if r != nil {
				if err := r.Close(); err != nil {
					t.Error(err)
				}
			}
			if got := err == nil; got != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// without returns the calibrations of b but for one rung.
func without(b *bundle.Bundle, r router.Rung) map[router.Rung]*router.Calibration {
	out := map[router.Rung]*router.Calibration{}
	for rung, c := range b.Calibrations {
		if rung != r {
			out[rung] = c
		}
	}
	return out
}

// TestOpenDamaged checks that no broken file makes Open panic.
func TestOpenDamaged(t *testing.T) {
	files, err := routetest.Bundle(t, router.LoRA).Files()
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range files {
		if name == bundle.ReportFile {
			continue // it is for people
		}
		for _, damaged := range [][]byte{{}, []byte("null"), data[:len(data)/2]} {
			dir := routetest.Write(t, routetest.Bundle(t, router.LoRA))
			if err := os.WriteFile(filepath.Join(dir, filepath.FromSlash(name)), damaged, 0o666); err != nil {
				t.Fatal(err)
			}
			if _, err := route.Open(t.Context(), os.DirFS(dir), route.Options{}); err == nil {
				t.Errorf("%s of %d bytes: got no error", name, len(damaged))
			}
		}
	}
}

// TestLabelsNeverForced checks that Force does not cover the labels.
func TestLabelsNeverForced(t *testing.T) {
	dir := routetest.Write(t, routetest.Bundle(t, router.Linear))
	path := filepath.Join(dir, bundle.MetaFile)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var meta map[string]any
	if err := json.Unmarshal(text, &meta); err != nil {
		t.Fatal(err)
	}
	meta["router_spec"].(map[string]any)["labels"].(map[string]any)["ocr"] = 7
	if text, err = json.Marshal(meta); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o666); err != nil {
		t.Fatal(err)
	}
	_, err = route.Open(t.Context(), os.DirFS(dir), route.Options{Force: true})
	if err == nil || !strings.Contains(err.Error(), `expert "ocr" has label 2, the specification says 7`) {
		t.Errorf("got %v", err)
	}
}

// BenchmarkOpen measures the time from a bundle to the first answer.
func BenchmarkOpen(b *testing.B) {
	for _, rung := range router.Rungs() {
		fsys := os.DirFS(routetest.Write(b, routetest.Bundle(b, rung)))
		file := routetest.Picture(0, 0)
		b.Run(string(rung), func(b *testing.B) {
			for b.Loop() {
				r, err := route.Open(b.Context(), fsys, route.Options{})
				if err != nil {
					b.Fatal(err)
				}
				if _, err := r.Route(b.Context(), file, ""); err != nil {
					b.Fatal(err)
				}
				if err := r.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkRoute measures a warm decision, and what of it is the picture.
func BenchmarkRoute(b *testing.B) {
	for _, rung := range router.Rungs() {
		r := open(b, routetest.Bundle(b, rung), route.Options{})
		file := routetest.Picture(0, 0)
		b.Run(string(rung), func(b *testing.B) {
			var decode time.Duration
			for b.Loop() {
				a, err := r.Route(b.Context(), file, "")
				if err != nil {
					b.Fatal(err)
				}
				decode += a.Timings.Decode
			}
			b.ReportMetric(float64(decode.Microseconds())/float64(b.N), "decode-µs/op")
		})
	}
}

// TestSight checks that an answer carries what the router saw, so that an expert
// need not look again.
func TestSight(t *testing.T) {
	r := open(t, routetest.Bundle(t, router.Linear), route.Options{})
	file := routetest.Picture(1, 3)
	a, err := r.Route(t.Context(), file, "")
	if err != nil {
		t.Fatal(err)
	}
	want, err := vision.Process(file, vision.Decoding{}, r.Vision())
	if err != nil {
		t.Fatal(err)
	}
	if a.Patches == nil || a.Patches.Grid != want.Grid || !slices.Equal(a.Patches.Pixels, want.Pixels) || a.Patches.Features == nil {
		t.Errorf("got other patches than by Vision, or no features")
	}
}
