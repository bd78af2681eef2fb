package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"mole/generate"
	"mole/route"
)

// problem is an error with what a client is told beside its text.
type problem struct {
	error
	status   int
	code     string    // for programs
	param    string    // member of the request that is wrong
	valid    []string  // names of experts, where another was asked for
	decision *Decision // of a router that is unsure
}

// Unwrap returns the error.
func (p *problem) Unwrap() error { return p.error }

// bad is the problem of a request that is wrong in one member, "" for no special
// one.
func bad(param, format string, args ...any) error {
	return &problem{error: fmt.Errorf(format, args...), status: http.StatusBadRequest, param: param}
}

// Problems of the server.
var (
	errInternal = &problem{error: errors.New("internal error; the log of the server has more under this request id"), status: http.StatusInternalServerError}
	errNotOpen  = &problem{error: errors.New("no router is open yet; /health tells more"), status: http.StatusServiceUnavailable, code: "not_ready"}
	errDraining = &problem{error: errors.New("the server is being stopped"), status: http.StatusServiceUnavailable, code: "draining"}
	errSilent   = &problem{error: errors.New("this server routes only: experts do not answer here"), status: http.StatusNotImplemented, code: "no_experts"}
)

// codes are those of errors of the generator.
var codes = []struct {
	is     error
	status int
	code   string
}{
	{route.ErrImage, http.StatusBadRequest, "invalid_image"},
	{generate.ErrFull, http.StatusServiceUnavailable, "queue_full"},
	{generate.ErrClosed, http.StatusServiceUnavailable, "draining"},
	{generate.ErrNoAdapter, http.StatusNotFound, "expert_not_loaded"},
	{generate.ErrChanged, http.StatusServiceUnavailable, "adapter_changed"},
	{generate.ErrTooLong, http.StatusBadRequest, "context_length_exceeded"},
	{generate.ErrRequest, http.StatusBadRequest, ""},
}

// explain returns what a client is told about an error. One that it is told
// nothing of goes to the log.
func (s *Server) explain(x *exchange, err error) *problem {
	known := (*problem)(nil)
	if errors.As(err, &known) {
		return known
	}
	for _, c := range codes {
		if errors.Is(err, c.is) {
			return &problem{error: err, status: c.status, code: c.code}
		}
	}
	switch {
	case errors.Is(err, generate.ErrAdapter): // the error names folders of this machine
		s.Log.Error("adapter does not load", "request_id", x.id, "error", err)
		text := "the adapter of this expert does not load; the log of the server has more under this request id"
		return &problem{error: errors.New(text), status: http.StatusServiceUnavailable, code: "adapter_broken"}
	case errors.Is(err, context.DeadlineExceeded):
		return &problem{error: fmt.Errorf("no answer within %v", s.Timeout), status: http.StatusServiceUnavailable, code: "timeout"}
	case errors.Is(err, context.Canceled):
		return &problem{error: errors.New("request was given up"), status: http.StatusServiceUnavailable, code: "canceled"}
	}
	s.Log.Error("internal error", "request_id", x.id, "error", err)
	return errInternal
}

// refuse sends the answer for an error.
func (s *Server) refuse(x *exchange, err error) { x.fail(s.explain(x, err)) }

// failure is the answer to a request that was not served, in the union format.
type failure struct {
	Output     *string  `json:"output"` // null
	TaskOutput *string  `json:"task_output"`
	Error      string   `json:"error"`
	Valid      []string `json:"valid,omitempty"` // names of experts
	RequestID  string   `json:"request_id"`
}

// apiFailure is the same in OpenAI's form.
type apiFailure struct {
	Error apiError  `json:"error"`
	Mole  *Decision `json:"mole,omitempty"` // if the router was unsure
}

// apiError is an error in OpenAI's form.
type apiError struct {
	Message string   `json:"message"`
	Type    string   `json:"type"`
	Param   *string  `json:"param"`
	Code    *string  `json:"code"`
	Valid   []string `json:"valid,omitempty"` // names of experts
}

// api returns p in OpenAI's form.
func (p *problem) api() apiFailure {
	f := apiFailure{Error: apiError{Message: p.Error(), Type: p.kind(), Valid: p.valid}, Mole: p.decision}
	if p.param != "" {
		f.Error.Param = &p.param
	}
	if p.code != "" {
		f.Error.Code = &p.code
	}
	return f
}

// kind returns OpenAI's type of an error.
func (p *problem) kind() string {
	switch {
	case p.decision != nil:
		return "unsure"
	case p.status == http.StatusUnauthorized:
		return "authentication_error"
	case p.status == http.StatusForbidden:
		return "permission_error"
	case p.status >= http.StatusInternalServerError:
		return "server_error"
	default:
		return "invalid_request_error"
	}
}

// fail sends a problem, in the form of the interface that the client called.
func (x *exchange) fail(p *problem) {
	if p.status == http.StatusServiceUnavailable {
		x.Header().Set("Retry-After", "1")
	}
	x.attrs = append(x.attrs, "error", p.Error())
	if x.api {
		x.write(p.status, p.api())
		return
	}
	x.write(p.status, failure{Error: p.Error(), Valid: p.valid, RequestID: x.id})
}

// write sends a JSON object.
func (x *exchange) write(status int, v any) {
	x.Header().Set("Content-Type", "application/json")
	x.WriteHeader(status)
	enc := json.NewEncoder(x)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		x.attrs = append(x.attrs, "gone", err.Error()) // the client is
	}
}
