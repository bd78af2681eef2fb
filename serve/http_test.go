package serve

import (
	"encoding/binary"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"mole/route"
	"mole/route/routetest"
	"mole/router"
)

// real opens a router on the embedded network.
func real(t *testing.T, rung router.Rung) *route.Router {
	t.Helper()
	r, err := route.Open(t.Context(), os.DirFS(routetest.Write(t, routetest.Bundle(t, rung))), route.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// wantFields checks some members of a JSON object. They
// are alike if they print alike.
func wantFields(t *testing.T, got, want map[string]any) {
	t.Helper()
	for key, value := range want {
		v, ok := got[key]
		if !ok || fmt.Sprint(v) != fmt.Sprint(value) {
			t.Errorf("%s: got %v, there %v, want %v", key, v, ok, value)
		}
	}
}

// TestClients sends what the predecessor's clients send to a real router, and
// checks that the answers have all fields of both forms (specification mole,
// 4.18; acceptance scenario 14).
func TestClients(t *testing.T) {
	_, url, _ := start(t, Options{Source: fixed(deployment("1", real(t, router.Linear)))})
	ready(t, url)
	image := b64(routetest.Picture(2, 30))
	for _, path := range []string{"/infer_web", "/infer", "/"} {
		for _, body := range []map[string]any{
			{"image_b64": image, "prompt": "open it"},
			{"image_b64": "data:image/png;base64," + image, "prompt": "open it", "expert": nil},
			{"image_b64": strings.TrimRight(image, "="), "prompt": "open it", "adapter": "", "box": []int{1, 2, 3, 4}},
		} {
			status, h, a := post(t, url+path, body)
			if status != http.StatusOK {
				t.Fatalf("%s: got %d and %v", path, status, a)
			}
			wantFields(t, a, map[string]any{
				"output": nil, "task_output": nil, "error": nil, "adapter": "desktop", "routed_adapter": "desktop", "expert": 3, "routed": true,
				"unsure": false, "reason": "", "model": "tiny", "request_id": h.Get("X-Request-Id"),
			})
			checkNumbers(t, a)
		}
	}
	_, _, a := post(t, url+"/infer", map[string]any{"image_b64": b64(routetest.Picture(routetest.Classes, 1)), "prompt": "x"})
	wantFields(t, a, map[string]any{"unsure": true, "error": nil})
	if a["reason"] == "" {
		t.Errorf("unknown screen: got %v, want a reason", a)
	}
}

// checkNumbers checks scores, confidence and timings of an answer for desktop.
func checkNumbers(t *testing.T, a map[string]any) {
	t.Helper()
	timings, _ := a["timings"].(map[string]any)
	if got := slices.Sorted(maps.Keys(timings)); !slices.Equal(got, []string{"decode", "queue", "route", "total"}) {
		t.Errorf("got timings %v", timings)
	}
	scores, _ := a["scores"].(map[string]any)
	if len(scores) != 3 || scores["desktop"] != a["confidence"] {
		t.Errorf("got scores %v and confidence %v", scores, a["confidence"])
	}
}

// bomb is the beginning of a PNG file of 30,000 × 30,000 pixels.
func bomb() []byte {
	file := routetest.Picture(0, 0)
	binary.BigEndian.PutUint32(file[16:], 30_000)
	binary.BigEndian.PutUint32(file[20:], 30_000)
	return file
}

// refusal is a request, and how it is answered.
type refusal struct {
	name string
	add  map[string]any // to a request that is all right
	want int
	text string // in the error; "" for none
}

// refusals are requests that are not answered with the router's decision.
var refusals = []refusal{
	{"no image", map[string]any{"image_b64": ""}, 400, "image_b64 is missing"},
	{"null image", map[string]any{"image_b64": nil}, 400, "image_b64 is missing"},
	{"no base64", map[string]any{"image_b64": "###"}, 400, "image_b64: illegal base64"},
	{"no image file", map[string]any{"image_b64": b64([]byte("GIF89a"))}, 400, "picture: image file is GIF"},
	{"cut off", map[string]any{"image_b64": b64(routetest.Picture(0, 0)[:90])}, 400, "picture: decode PNG"},
	{"too many pixels", map[string]any{"image_b64": b64(bomb())}, 400, "30000x30000 pixels"},
	{"too large", map[string]any{"image_b64": b64(make([]byte, 30_001))}, 413, "30001 bytes, want at most 30000"},
	{"far too large", map[string]any{"image_b64": b64(make([]byte, 300_000))}, 413, "request is longer than"},
	{"no prompt", map[string]any{"prompt": ""}, 400, "prompt is missing"},
	{"long prompt", map[string]any{"prompt": strings.Repeat("x", 40_000)}, 400, "prompt: 40000 bytes, want at most 32768"},
	{"prompt is a number", map[string]any{"prompt": 7}, 400, "request: "},
	{"segment", map[string]any{"adapter": "segment"}, 501, "does not segment"},
	{"unknown label", map[string]any{"expert": 1}, 400, `expert "1", want one of 0 calendar, 2 ocr, 3 desktop`},
	{"unknown name", map[string]any{"expert": "mail"}, 400, `expert "mail"`},
	{"unknown adapter", map[string]any{"adapter": "mail"}, 400, `expert "mail"`},
	{"unknown thing", map[string]any{"expert": []int{1}}, 400, `expert "[1]"`},
	{"contradiction", map[string]any{"expert": 0, "adapter": "desktop"}, 400, "expert is calendar but adapter is desktop"},
	{"chosen", map[string]any{"expert": 0}, 200, ""},
	{"chosen by name", map[string]any{"expert": "calendar"}, 200, ""},
	{"chosen as adapter", map[string]any{"adapter": "calendar", "expert": 0}, 200, ""},
	{"chosen, bad image", map[string]any{"expert": 0, "image_b64": "AAAA"}, 400, "picture: image file begins with"},
	{"not loaded", map[string]any{"expert": 3}, 200, "expert desktop is known, but no adapter is deployed for it"},
	{"ocr", map[string]any{"adapter": "ocr", "prompt": ""}, 200, "ocr is not available"},
	{"ocr by label", map[string]any{"expert": 2}, 200, "ocr is not available"},
}

// TestRefuses sends requests that a real router cannot answer, and requests in
// which the client chose (scenario 14).
func TestRefuses(t *testing.T) {
	_, url, _ := start(t, Options{Source: fixed(deployment("1", real(t, router.Prototype))), MaxImage: 30_000})
	ready(t, url)
	for _, tt := range refusals {
		t.Run(tt.name, func(t *testing.T) {
			body := map[string]any{"image_b64": b64(routetest.Picture(0, 0)), "prompt": "x"}
			maps.Copy(body, tt.add)
			status, h, a := post(t, url+"/infer", body)
			text, _ := a["error"].(string)
			if status != tt.want || !strings.Contains(text, tt.text) || (text == "") != (tt.text == "") {
				t.Errorf("got %d and %q, want %d and %q", status, text, tt.want, tt.text)
			}
			wantFields(t, a, map[string]any{"output": nil, "task_output": nil, "request_id": h.Get("X-Request-Id")})
			checkChosen(t, tt, h, a)
		})
	}
	for _, body := range []string{"hello", "", "[]", `{"image_b64"`} {
		if status, _, a := post(t, url+"/infer", body); status != http.StatusBadRequest || !strings.HasPrefix(fmt.Sprint(a["error"]), "request: ") {
			t.Errorf("%q: got %d and %v, want 400", body, status, a)
		}
	}
}

// checkChosen checks what depends on whether the client chose.
func checkChosen(t *testing.T, tt refusal, h http.Header, a map[string]any) {
	t.Helper()
	loaded := ""
	if tt.want == http.StatusOK {
		wantFields(t, a, map[string]any{"routed": false, "confidence": nil})
		if tt.text != "" {
			loaded = "not-loaded"
		}
	}
	if got := h.Get("X-Mole-Error"); got != loaded {
		t.Errorf("got X-Mole-Error %q, want %q", got, loaded)
	}
	if strings.HasPrefix(tt.name, "unknown") {
		wantFields(t, a, map[string]any{"valid": []string{"calendar", "ocr", "desktop"}})
	}
}
