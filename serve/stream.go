package serve

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"net/http"
	"time"

	"mole/generate"
)

// errGone ends the work for a client that no longer reads.
var errGone = errors.New("client is gone")

// stream writes an answer piece by piece, as server-sent events. The status goes
// out with the first piece, so that what is refused before is refused as ever.
func (s *Server) stream(w *writer, pieces iter.Seq2[generate.Chunk, error]) error {
	begun := false
	for chunk, err := range pieces {
		if err != nil && !begun {
			return err
		}
		if err != nil {
			return w.abort(s.explain(w.exchange, err))
		}
		if !begun {
			begun = true
			if err := w.begin(); err != nil {
				return w.gone(err)
			}
		}
		last, err := w.piece(chunk)
		if err != nil {
			return w.gone(err)
		}
		if last {
			break
		}
	}
	return w.done()
}

// gone notes that the client went. There is nobody to tell.
func (w *writer) gone(err error) error {
	if !errors.Is(err, context.Canceled) {
		w.attrs = append(w.attrs, "gone", err.Error())
	}
	return nil
}

// begin sends the headers and the first event: who speaks, and why it is them.
func (w *writer) begin() error {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // proxies pass events on at once
	w.WriteHeader(http.StatusOK)
	w.head.Object = "chat.completion.chunk"
	empty := ""
	first := w.head
	first.Mole = w.said
	first.Choices = []candidate{{Delta: &delta{Role: "assistant", Content: &empty}}}
	return w.event(first)
}

// piece sends a piece of the answer, and reports whether it was the last.
func (w *writer) piece(chunk generate.Chunk) (last bool, err error) {
	w.tokens = append(w.tokens, chunk.Tokens...)
	before := w.splitter.calls
	list, last := w.segments(chunk)
	for _, g := range list {
		piece := &delta{}
		if g.call != nil {
			call, index := g.call.reply(), before
			before++
			call.Index = &index
			piece.Calls = []replyCall{call}
		} else {
			piece.Content = &g.text
		}
		if err := w.add(piece, nil); err != nil {
			return last, err
		}
	}
	if !last {
		return false, nil
	}
	if err := w.add(&delta{}, w.finish(chunk.Finish)); err != nil {
		return true, err
	}
	return true, w.usage(chunk.Usage)
}

// add sends one event with what is new, and the tokens that are waiting.
func (w *writer) add(r *delta, finish *string) error {
	e := w.head
	e.Choices = []candidate{{Delta: r, LogProbs: newLogProbs(w.tokens), Finish: finish}}
	w.tokens = nil
	return w.event(e)
}

// usage sends the number of tokens, if the client wants it.
func (w *writer) usage(u generate.Usage) error {
	if o := w.request.StreamOptions; o == nil || !o.IncludeUsage {
		return nil
	}
	e := w.head
	e.Choices, e.Usage = []candidate{}, newUsage(u)
	return w.event(e)
}

// abort sends a problem that came up after the beginning.
func (w *writer) abort(p *problem) error {
	w.attrs = append(w.attrs, "error", p.Error())
	if err := w.event(p.api()); err != nil {
		return w.gone(err)
	}
	return nil
}

// done sends the end.
func (w *writer) done() error {
	if err := w.send([]byte("[DONE]")); err != nil {
		return w.gone(err)
	}
	w.deadline(time.Now().Add(w.slow)) // for what the connection still holds
	return nil
}

// event sends one event.
func (w *writer) event(v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return w.send(text)
}

// send sends one line of data, and waits until the connection has taken it: who
// does not read is given up, and does not fill the memory of this server.
func (w *writer) send(text []byte) error {
	if _, err := w.Write(append(append([]byte("data: "), text...), "\n\n"...)); err != nil {
		return errors.Join(errGone, err)
	}
	err := http.NewResponseController(w.ResponseWriter).Flush()
	w.deadline(time.Time{}) // the next token may take its time
	if err != nil {
		return errors.Join(errGone, err)
	}
	return nil
}
