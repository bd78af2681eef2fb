package serve

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"mole/prompt"
)

// modelAnswer is a model in OpenAI's form.
type modelAnswer struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"`
	Owner   string `json:"owned_by"`
}

// list returns the models that answer now: auto if there is a router, base, and
// the experts with an adapter.
func (s *Server) list() []modelAnswer {
	d, done := s.now.take()
	defer done()
	models := []modelAnswer{}
	if d == nil {
		return models
	}
	var names []string
	if d.Router != nil {
		names = append(names, modelAuto)
	}
	if d.Engine != nil {
		names = append(names, modelBase)
	}
	for _, name := range append(names, d.loaded()...) {
		models = append(models, modelAnswer{name, "model", s.started.Unix(), "mole"})
	}
	return models
}

// models answers GET /v1/models.
func (s *Server) models(x *exchange, _ *http.Request) {
	x.write(http.StatusOK, map[string]any{"object": "list", "data": s.list()})
}

// model answers GET /v1/models/{id}.
func (s *Server) model(x *exchange, r *http.Request) {
	id := r.PathValue("id")
	for _, m := range s.list() {
		if m.ID == id {
			x.write(http.StatusOK, m)
			return
		}
	}
	x.fail(&problem{error: fmt.Errorf("model %.60q does not exist", id), status: http.StatusNotFound, code: "model_not_found", param: "model"})
}

// route answers POST /v1/route: the decision, and nothing else. The request is
// one for an answer, or has a picture and an instruction.
func (s *Server) route(x *exchange, r *http.Request, body []byte, d *Deployment) error {
	var q struct {
		Image    string        `json:"image"` // address with data, or of a host on the list
		Prompt   string        `json:"prompt"`
		Messages []chatMessage `json:"messages"`
	}
	err := json.Unmarshal(body, &q)
	if err != nil {
		return bad("", "request: %w", err)
	}
	asked := &question{model: modelAuto}
	if asked.messages, err = s.conversation(r.Context(), q.Messages); err != nil {
		return err
	}
	if q.Image != "" {
		p, err := s.part(r.Context(), "image", chatPart{Type: "image_url", Image: chatLink(q.Image)})
		if err != nil {
			return err
		}
		asked.messages = append(asked.messages, message{role: prompt.User, parts: []part{p, {text: q.Prompt}}})
	}
	a, err := s.routed(r.Context(), d, asked)
	if err != nil {
		return err
	}
	said := choice{name: a.Expert, answer: &a}.decision(d)
	x.tell(said)
	x.write(http.StatusOK, routeAnswer{said, map[string]float64{
		"decode": a.Timings.Decode.Seconds(), "queue": a.Timings.Wait.Seconds(), "route": a.Timings.Route.Seconds(),
	}})
	return nil
}

// routeAnswer is the answer of /v1/route.
type routeAnswer struct {
	*Decision
	Timings map[string]float64 `json:"timings"` // seconds
}

// errNoAdapters is the problem of a server that loads no adapters.
var errNoAdapters = &problem{error: errors.New("this server loads no adapters"), status: http.StatusNotImplemented, code: "no_adapters"}
