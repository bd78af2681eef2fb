package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"mole/batch"
	"mole/expert"
	"mole/generate"
	"mole/prompt"
	"mole/route"
	"mole/spec"
	"mole/vision"
)

// question is what a client asks, whatever interface it called.
type question struct {
	model    string // modelAuto, modelBase, or the name of an expert
	messages []message
	tools    []json.RawMessage // that the prompt describes
	system   string            // id of the system prompt where neither message nor expert has one, "" for none
	request  generate.Request  // without prompt and adapter
	tell     func(text string) // gets the pieces of the answer as they come; may be nil
	free     bool              // the client said how the answer may be, so the server does not
}

// message is one of a conversation, with pictures as files.
type message struct {
	role  prompt.Role
	parts []part
	calls []prompt.Call
}

// part is a picture if there is a file, else text.
type part struct {
	text string
	file []byte
}

// picture returns the last one, nil if there is none.
func (q *question) picture() []byte {
	for _, m := range slices.Backward(q.messages) {
		for _, p := range slices.Backward(m.parts) {
			if p.file != nil {
				return p.file
			}
		}
	}
	return nil
}

// instruction returns what the user said last.
func (q *question) instruction() string {
	for _, m := range slices.Backward(q.messages) {
		if m.role != prompt.User {
			continue
		}
		var texts []string
		for _, p := range m.parts {
			if p.text != "" {
				texts = append(texts, p.text)
			}
		}
		return strings.Join(texts, "\n")
	}
	return ""
}

// answer returns the pieces of the answer of who was chosen.
func (s *Server) answer(ctx context.Context, d *Deployment, c choice, q *question) (iter.Seq2[generate.Chunk, error], error) {
	if c.expert.Kind == expert.OCR {
		return s.readText(ctx, q)
	}
	r, err := s.order(ctx, d, c, q)
	if err != nil {
		return nil, err
	}
	return s.counted(c.name, s.current(ctx, d, c, q, r)), nil
}

// order returns what the generator is asked for: a prompt as the adapter was
// trained to read it, and that adapter.
func (s *Server) order(ctx context.Context, d *Deployment, c choice, q *question) (generate.Request, error) {
	r := q.request
	var err error
	if r.Prompt, err = s.render(ctx, d, c, q); err != nil {
		return r, err
	}
	r.Adapter, r.Generation = c.adapter.Name, c.adapter.Generation
	if x := c.adapter.Expert; !q.free && x != nil && x.PromptID != "" {
		r.Constrain = s.Constrain
	}
	return r, nil
}

// swaps is how often a prompt is rendered again because its adapter was swapped
// meanwhile.
const swaps = 3

// current yields the pieces of an answer. If the adapter was swapped since the
// prompt was rendered, it is rendered for the new one.
func (s *Server) current(ctx context.Context, d *Deployment, c choice, q *question, r generate.Request) iter.Seq2[generate.Chunk, error] {
	return func(yield func(generate.Chunk, error) bool) {
		for left := swaps; ; left-- {
			changed, again := s.attempt(ctx, d, r, yield)
			if !again {
				return
			}
			err := changed
			if a, ok := d.Engine.adapter(c.adapter.Name); ok && left > 0 {
				c.adapter = a
				r, err = s.order(ctx, d, c, q)
			}
			if err != nil {
				yield(generate.Chunk{}, err)
				return
			}
		}
	}
}

// attempt yields the pieces of an answer. again says that there were none,
// because the adapter has changed.
func (s *Server) attempt(ctx context.Context, d *Deployment, r generate.Request, yield func(generate.Chunk, error) bool) (changed error, again bool) {
	for chunk, err := range s.timed(ctx, d.Engine.Generator, r) {
		if errors.Is(err, generate.ErrChanged) {
			return err, true
		}
		if !yield(chunk, err) {
			return nil, false
		}
	}
	return nil, false
}

// timed bounds the time of an answer, and that to its first piece.
func (s *Server) timed(ctx context.Context, g Generator, r generate.Request) iter.Seq2[generate.Chunk, error] {
	return func(yield func(generate.Chunk, error) bool) {
		ctx, cancel := context.WithTimeout(ctx, s.AnswerTime)
		defer cancel()
		ctx, stop := context.WithCancelCause(ctx)
		defer stop(nil)
		first := time.AfterFunc(s.Timeout, func() { stop(context.DeadlineExceeded) })
		defer first.Stop()
		for chunk, err := range g.Generate(ctx, r) {
			first.Stop()
			if err != nil && ctx.Err() != nil {
				err = context.Cause(ctx)
			}
			if !yield(chunk, err) {
				return
			}
		}
	}
}

// counted counts the tokens of an answer.
func (s *Server) counted(name string, pieces iter.Seq2[generate.Chunk, error]) iter.Seq2[generate.Chunk, error] {
	return func(yield func(generate.Chunk, error) bool) {
		begin := time.Now()
		var first time.Duration
		for chunk, err := range pieces {
			if first == 0 {
				first = time.Since(begin)
			}
			if err == nil && chunk.Finish != "" {
				s.metrics.answered(name, chunk.Usage, first, time.Since(begin))
			}
			if !yield(chunk, err) {
				return
			}
		}
	}
}

// render renders the prompt of a question for who was chosen.
func (s *Server) render(ctx context.Context, d *Deployment, c choice, q *question) (batch.Example, error) {
	look, err := d.Engine.sight(c.adapter.Expert, s.MaxImageTokens)
	if err != nil {
		return batch.Example{}, err
	}
	text, err := c.systemPrompt(q)
	if err != nil {
		return batch.Example{}, err
	}
	conv := prompt.Conversation{Tools: q.tools}
	if text != "" {
		conv.Messages = append(conv.Messages, prompt.Message{Role: prompt.System, Parts: []prompt.Part{{Text: text}}})
	}
	seen := sight{server: s, options: look, known: c.known(d, look), file: q.picture()}
	for i, m := range q.messages {
		parts, err := seen.parts(ctx, m.parts)
		if err != nil {
			return batch.Example{}, fmt.Errorf("messages[%d]: %w", i, err)
		}
		conv.Messages = append(conv.Messages, prompt.Message{Role: m.role, Parts: parts, Calls: m.calls})
	}
	e, err := d.Engine.Renderer.Example(conv, prompt.Options{Generate: true})
	if err != nil {
		return e, bad("messages", "messages: %w", err)
	}
	return e, nil
}

// systemPrompt returns the one to put before a conversation, "" for none.
func (c choice) systemPrompt(q *question) (string, error) {
	if len(q.messages) > 0 && q.messages[0].role == prompt.System {
		return "", nil
	}
	x := c.adapter.Expert
	if (x == nil || x.PromptID == "") && q.system != "" {
		x = &spec.Expert{Expert: c.name, PromptID: q.system}
	}
	return system(x)
}

// known returns the patches of the last picture, if the router saw it as o has it.
func (c choice) known(d *Deployment, o vision.Options) *vision.Patches {
	if c.answer == nil || d.Router.Vision() != o {
		return nil
	}
	return c.answer.Patches
}

// sight turns the pictures of a conversation into patches.
type sight struct {
	server  *Server
	options vision.Options
	known   *vision.Patches // of file, if not nil
	file    []byte
}

// parts returns parts with patches.
func (g sight) parts(ctx context.Context, list []part) ([]prompt.Part, error) {
	var out []prompt.Part
	for _, p := range list {
		if p.file == nil {
			out = append(out, prompt.Part{Text: p.text})
			continue
		}
		patches, err := g.patches(ctx, p.file)
		if err != nil {
			return nil, err
		}
		out = append(out, prompt.Part{Image: patches})
	}
	return out, nil
}

// patches returns those of one picture.
func (g sight) patches(ctx context.Context, file []byte) (*vision.Patches, error) {
	if g.known != nil && &file[0] == &g.file[0] {
		return g.known, nil
	}
	select {
	case g.server.decoders <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { <-g.server.decoders }()
	p, err := vision.Process(file, vision.Decoding{}, g.options)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", route.ErrImage, err)
	}
	return p, nil
}
