package serve

import (
	"context"
	"encoding/json"
	"time"

	"mole/generate"
)

// Ask is a question about one picture, as POST /infer takes it.
type Ask struct {
	Image  []byte // a file
	Prompt string // the instruction; "" asks for a decision only
	Expert string // name or label, or "base" for no adapter; "" asks the router
	// Request says how the answer is to be, without prompt and adapter. MaxTokens
	// 0 is the server's.
	Request generate.Request
	Tell    func(text string) // gets the pieces of the answer as they come; may be nil
}

// Ask answers a question without HTTP: command infer is the one who asks. d must
// stay open meanwhile.
func (s *Server) Ask(ctx context.Context, d *Deployment, a Ask) (Response, error) {
	begin := time.Now()
	q := &request{Image: a.Image, Prompt: a.Prompt}
	model := ""
	if a.Expert == modelBase {
		model = modelBase
	} else if a.Expert != "" {
		q.Expert, _ = json.Marshal(a.Expert) // a string always can be
	}
	asked, err := q.question(d, model)
	if err != nil {
		return Response{}, err
	}
	asked.request, asked.tell = a.Request, a.Tell
	if asked.request.MaxTokens == 0 {
		asked.request.MaxTokens = s.MaxTokens
	}
	c, err := s.choose(ctx, d, asked)
	if err != nil {
		return Response{}, err
	}
	decide := *d
	if a.Prompt == "" && c.name != modelBase {
		decide.Engine = nil
	}
	out, err := s.respond(ctx, &decide, c, asked)
	if err != nil {
		return out, err
	}
	if a.Prompt != "" {
		c.complain(d, &out)
	}
	out.Timings["total"] = time.Since(begin).Seconds()
	return out, nil
}
