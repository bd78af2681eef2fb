package serve

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"time"

	"mole/generate"
)

// checkService refuses a URL that is none of a service. Where it is is the
// operator's choice: unlike the URLs of clients, it may be in a private network.
func checkService(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return errors.New("address of the service that reads text: want http://… or https://…")
	}
	return nil
}

// ocrRequest is what the service that reads text is sent (specification mole,
// 4.18).
type ocrRequest struct {
	Image  []byte `json:"image_base64"`
	Prompt string `json:"prompt_type"`
	Format string `json:"output_format"`
}

// ocrAnswer is the answer of such a service, in both of the forms that there are.
type ocrAnswer struct {
	Text    *string            `json:"text"`
	Raw     *string            `json:"raw"`
	Format  string             `json:"format,omitempty"`
	Kind    string             `json:"prompt_type,omitempty"`
	Size    json.RawMessage    `json:"image_size,omitempty"`
	Timings map[string]float64 `json:"timings"`
	Error   *string            `json:"error"`
}

// ocrClient follows no redirects: the operator named one address.
var ocrClient = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// maxText bounds an answer of the service that reads text, in bytes.
const maxText = 4 << 20

// recognise sends a picture to the service that reads text.
func (s *Server) recognise(ctx context.Context, q ocrRequest) (ocrAnswer, error) {
	var a ocrAnswer
	text, err := json.Marshal(q)
	if err != nil {
		return a, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.OCR, bytes.NewReader(text))
	if err != nil {
		return a, err
	}
	r.Header.Set("Content-Type", "application/json")
	w, err := ocrClient.Do(r)
	if err != nil {
		return a, err
	}
	text, err = io.ReadAll(io.LimitReader(w.Body, maxText))
	if err = errors.Join(err, w.Body.Close()); err == nil && w.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d", w.StatusCode)
	}
	if err == nil {
		err = json.Unmarshal(text, &a)
	}
	return a, err
}

// errReader is the problem of a service that reads text and does not answer.
var errReader = &problem{error: errors.New("the service that reads text does not answer"), status: http.StatusBadGateway, code: "ocr"}

// readText returns the answer of the expert that reads text: a call of the tool
// ocr (specification mole, 11.6).
func (s *Server) readText(ctx context.Context, q *question) (iter.Seq2[generate.Chunk, error], error) {
	file := q.picture()
	if file == nil {
		return nil, bad("messages", "there is no picture to read")
	}
	a, err := s.recognise(ctx, ocrRequest{file, "ocr", "markdown"})
	if err == nil && a.Text == nil {
		err = errors.New("answer without text")
	}
	if err != nil {
		s.Log.Warn("text is not read", "error", err)
		return nil, errReader
	}
	// JSON writes < as \u003c, so that what stands in a picture ends no call.
	read, err := json.Marshal(*a.Text)
	if err != nil {
		return nil, err
	}
	return func(yield func(generate.Chunk, error) bool) {
		yield(generate.Chunk{
			Text:   fmt.Sprintf("%s\n{\"name\": \"computer_use\", \"arguments\": {\"action\": \"ocr\", \"text\": %s}}\n%s", callBegin, read, callEnd),
			Finish: generate.Stop,
		}, nil)
	}, nil
}

// ocr answers POST /ocr.
func (s *Server) ocr(x *exchange, r *http.Request, body []byte, _ *Deployment) error {
	begin := time.Now()
	var q struct {
		Image  picture `json:"image_b64"`
		Other  picture `json:"image_base64"`
		Prompt string  `json:"prompt_type"`
		Format string  `json:"output_format"`
	}
	if err := json.Unmarshal(body, &q); err != nil {
		return bad("", "request: %w", err)
	}
	if q.Image == nil {
		q.Image = q.Other
	}
	if len(q.Image) == 0 {
		return bad("image_b64", "image_b64 is missing: want a picture as base64")
	}
	if s.OCR == "" {
		text := "ocr is not available"
		x.Header().Set(errorHeader, "not-loaded")
		x.write(http.StatusOK, ocrAnswer{Timings: map[string]float64{}, Error: &text})
		return nil
	}
	a, err := s.recognise(r.Context(), ocrRequest{q.Image, cmp.Or(q.Prompt, "ocr_layout"), cmp.Or(q.Format, "markdown")})
	if err != nil {
		s.Log.Warn("text is not read", "error", err)
		return errReader
	}
	if a.Raw == nil {
		a.Raw = a.Text
	}
	a.Timings = map[string]float64{"total": time.Since(begin).Seconds()}
	x.write(http.StatusOK, a)
	return nil
}
