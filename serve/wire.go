package serve

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"mole/expert"
	"mole/route"
)

// request is what clients send: the fields of both of the predecessor's
// servers. Others are ignored.
type request struct {
	Image   picture         `json:"image_b64"`
	Prompt  string          `json:"prompt"`
	Expert  json.RawMessage `json:"expert"`  // label or name; skips the router
	Adapter string          `json:"adapter"` // name, "ocr" or "segment"; the same
}

// picture is a file as base64, with or without the beginning of a data URL.
type picture []byte

// dataURL is what may stand before the base64 of a picture.
var dataURL = regexp.MustCompile(`^data:[a-zA-Z0-9.+/-]{1,60};base64,`)

// UnmarshalText implements [encoding.TextUnmarshaler].
func (p *picture) UnmarshalText(text []byte) error {
	file, err := decodeBase64(text[len(dataURL.Find(text[:min(len(text), 100)])):])
	if err != nil {
		return fmt.Errorf("image_b64: %w", err)
	}
	*p = file
	return nil
}

// decodeBase64 decodes base64, in lines or not, with or without its padding,
// which some clients leave out.
func decodeBase64(text []byte) ([]byte, error) {
	text = bytes.TrimRight(text, "=\r\n")
	file := make([]byte, base64.RawStdEncoding.DecodedLen(len(text)))
	n, err := base64.RawStdEncoding.Decode(file, text)
	return file[:n], err
}

// Response is the answer to a request (specification mole, 4.18). Every field
// is always there.
type Response struct {
	Output        *string            `json:"output"` // of the expert; null if nobody answered
	TaskOutput    *string            `json:"task_output"`
	Adapter       string             `json:"adapter"`        // name of who answered, of the nearest expert if nobody did
	RoutedAdapter string             `json:"routed_adapter"` // that the router chose
	Expert        *int               `json:"expert"`         // its label; null if the router could say nothing
	Routed        bool               `json:"routed"`         // false: the client chose
	Confidence    *float64           `json:"confidence"`     // of the expert, 0 to 1; null if the client chose
	Scores        map[string]float64 `json:"scores"`         // probability of each expert
	Unsure        bool               `json:"unsure"`         // the choice is not to be relied on
	Reason        string             `json:"reason"`         // why it is unsure
	Distance      float64            `json:"distance"`       // from the known screens, about 1 for a typical one
	Model         string             `json:"model"`          // base model
	Timings       map[string]float64 `json:"timings"`        // seconds
	Error         *string            `json:"error"`
	RequestID     string             `json:"request_id"`
}

// Routed returns the response to a request that the router decided. total is
// the time that the request took.
func Routed(t expert.Table, model string, a route.Answer, total time.Duration) Response {
	r := Response{
		Adapter: a.Expert, RoutedAdapter: a.Expert, Routed: true, Confidence: &a.Confidence, Scores: map[string]float64{},
		Unsure: a.Unsure, Reason: a.Reason, Distance: a.Distance, Model: model,
		Timings: map[string]float64{
			"decode": a.Timings.Decode.Seconds(), "queue": a.Timings.Wait.Seconds(), "route": a.Timings.Route.Seconds(), "total": total.Seconds(),
		},
	}
	if a.Label >= 0 {
		r.Expert = &a.Label
	}
	for i, e := range t {
		r.Scores[e.Name] = a.Probs[i]
	}
	return r
}

// Chosen returns the response to a request whose client chose the expert.
func Chosen(e expert.Expert, model string, decode, total time.Duration) Response {
	r := Response{
		Adapter: e.Name, RoutedAdapter: e.Name, Scores: map[string]float64{}, Model: model,
		Timings: map[string]float64{"decode": decode.Seconds(), "total": total.Seconds()},
	}
	if e.Label >= 0 {
		r.Expert = &e.Label
	}
	return r
}

// ParseExpert returns the expert that a text names, by name or label. The error
// lists the experts.
func ParseExpert(t expert.Table, text string) (expert.Expert, error) {
	if e, ok := t.ByName(text); ok {
		return e, nil
	}
	if label, err := strconv.Atoi(text); err == nil {
		if e, ok := t.ByLabel(label); ok {
			return e, nil
		}
	}
	return expert.Expert{}, fmt.Errorf("expert %.60q, want one of %s", text, t)
}

// expert returns the expert that the client chose, nil if it leaves that to the
// router.
func (q *request) expert(d *Deployment) (*expert.Expert, error) {
	var chosen *expert.Expert
	for _, text := range []string{q.expertText(), q.adapterText(d.Experts)} {
		if text == "" {
			continue
		}
		e, ok := d.expert(text)
		if !ok {
			var err error
			if e, err = ParseExpert(d.Experts, text); err != nil {
				return nil, err
			}
		}
		if chosen != nil && chosen.Name != e.Name {
			return nil, fmt.Errorf("expert is %s but adapter is %s", chosen.Name, e.Name)
		}
		chosen = &e
	}
	return chosen, nil
}

// expertText returns the member expert as text: a name, a label, or JSON that is
// neither.
func (q *request) expertText() string {
	text := string(q.Expert)
	if text == "null" {
		return ""
	}
	var name string
	if json.Unmarshal(q.Expert, &name) == nil {
		return name
	}
	return text
}

// adapterText returns the member adapter; "ocr" stands for whichever expert
// recognises text.
func (q *request) adapterText(t expert.Table) string {
	if q.ocr() {
		for _, e := range t {
			if e.Kind == expert.OCR {
				return e.Name
			}
		}
	}
	return q.Adapter
}

// ocr reports whether the client asks for text recognition.
func (q *request) ocr() bool { return strings.EqualFold(q.Adapter, "ocr") }
