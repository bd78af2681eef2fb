package serve

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"mole/expert"
	"mole/route"
)

// Models that are no experts.
const (
	modelAuto   = "auto"   // the router chooses
	modelRouter = "router" // the same
	modelBase   = "base"   // no adapter
)

// reservedName reports whether no expert may have a name, because it means something
// else.
func reservedName(name string) bool {
	return name == modelAuto || name == modelRouter || name == modelBase
}

// choice is who answers a question, and why.
type choice struct {
	name    string        // of the expert, or modelBase
	expert  expert.Expert // none for modelBase
	adapter AdapterInfo   // of the expert; none for modelBase, and for text recognition
	answer  *route.Answer // of the router; nil if the client chose
	missing *problem      // why nobody can answer; nil if somebody can
}

// Decision is what a client is told about who answered, and why.
type Decision struct {
	Expert        string             `json:"expert"`        // who answers: the name of an expert, or "base"
	Routed        bool               `json:"routed"`        // false: the client chose
	Label         *int               `json:"label"`         // that the router chose; null if it did not or could not
	Probabilities map[string]float64 `json:"probabilities"` // of each expert
	Confidence    *float64           `json:"confidence"`    // of the router's choice, 0 to 1
	Unsure        bool               `json:"unsure"`        // the choice is not to be relied on
	Reason        string             `json:"reason"`        // why it is unsure
	Distance      *float64           `json:"distance"`      // from the known screens, about 1 for a typical one
	Router        string             `json:"router_sha256"` // of the router's files
	Generation    uint64             `json:"generation"`    // of the expert's adapter, as the request was accepted
}

// decision returns what a client is told about c.
func (c choice) decision(d *Deployment) *Decision {
	out := &Decision{Expert: c.name, Probabilities: map[string]float64{}, Router: d.About.Digest, Generation: c.adapter.Generation}
	a := c.answer
	if a == nil {
		return out
	}
	out.Routed, out.Confidence, out.Unsure, out.Reason, out.Distance = true, &a.Confidence, a.Unsure, a.Reason, &a.Distance
	if a.Label >= 0 {
		out.Label = &a.Label
	}
	for i, e := range d.Experts {
		out.Probabilities[e.Name] = a.Probs[i]
	}
	return out
}

// tell sets the headers that say who answers.
func (x *exchange) tell(c *Decision) {
	h := x.Header()
	h.Set(expertHeader, c.Expert)
	h.Set(unsureHeader, strconv.FormatBool(c.Unsure))
	if c.Router != "" {
		h.Set(routerHeader, c.Router)
	}
	x.attrs = append(x.attrs, "expert", c.Expert)
	if c.Confidence != nil {
		h.Set(confidenceHeader, strconv.FormatFloat(*c.Confidence, 'f', 4, 64))
		x.attrs = append(x.attrs, "confidence", *c.Confidence, "unsure", c.Unsure)
	}
}

// choose decides who answers.
func (s *Server) choose(ctx context.Context, d *Deployment, q *question) (choice, error) {
	switch q.model {
	case modelAuto, modelRouter:
		return s.chooseRouted(ctx, d, q)
	case modelBase:
		return choice{name: modelBase}, nil
	default:
		return s.chooseNamed(d, q.model)
	}
}

// chooseNamed returns an expert by name.
func (s *Server) chooseNamed(d *Deployment, name string) (choice, error) {
	e, ok := d.expert(name)
	if !ok {
		return choice{}, &problem{
			error: fmt.Errorf("model %.60q does not exist", name), status: http.StatusNotFound, code: "model_not_found", param: "model",
			valid: append([]string{modelAuto, modelBase}, d.valid()...),
		}
	}
	c := choice{name: name, expert: e}
	if e.Kind == expert.OCR {
		if s.OCR == "" {
			c.missing = notLoaded("ocr is not available")
		}
		return c, nil
	}
	if d.Engine != nil {
		c.adapter, ok = d.Engine.adapter(name)
	} else {
		ok = slices.Contains(d.loaded(), name)
	}
	if !ok {
		c.missing = notLoaded(fmt.Sprintf("expert %s is known, but no adapter is deployed for it", name))
	}
	return c, nil
}

// notLoaded is the problem of an expert that cannot answer.
func notLoaded(text string) *problem {
	return &problem{error: errors.New(text), status: http.StatusNotFound, code: "expert_not_loaded", param: "model"}
}

// chooseRouted asks the router about the last picture, and looks at what is to be
// done if it is unsure.
func (s *Server) chooseRouted(ctx context.Context, d *Deployment, q *question) (choice, error) {
	a, err := s.routed(ctx, d, q)
	if err != nil {
		return choice{}, err
	}
	name := a.Expert
	if a.Unsure {
		name = s.Unsure.expert()
		if s.Unsure == UnsureBase {
			return choice{name: modelBase, answer: &a}, nil
		}
	}
	if name == "" { // unsure, and nobody else is to answer
		c := choice{name: a.Expert, answer: &a}
		c.missing = &problem{
			error:  fmt.Errorf("the router is unsure: %s", a.Reason),
			status: http.StatusUnprocessableEntity, code: "unsure", param: "model", decision: c.decision(d),
		}
		return c, nil
	}
	c, err := s.chooseNamed(d, name)
	c.answer = &a
	return c, err
}

// routed asks the router.
func (s *Server) routed(ctx context.Context, d *Deployment, q *question) (route.Answer, error) {
	if d.Router == nil {
		return route.Answer{}, &problem{error: errors.New("this server has no router: name an expert, or base"), status: http.StatusServiceUnavailable, code: "no_router"}
	}
	file := q.picture()
	if file == nil {
		return route.Answer{}, bad("messages", "model %s needs a picture to choose by: there is none in the conversation", modelAuto)
	}
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	a, err := d.Router.Route(ctx, file, q.instruction())
	if err == nil {
		s.metrics.decision(a)
	}
	return a, err
}
