package serve

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// conversation reads the messages of a request, and fetches their pictures.
func (s *Server) conversation(ctx context.Context, list []chatMessage) ([]message, error) {
	var out []message
	pictures := 0
	for i, m := range list {
		at := fmt.Sprintf("messages[%d]", i)
		role, ok := roles[m.Role]
		if !ok {
			return nil, bad(at+".role", "%s: role %.40q, want system, developer, user, assistant or tool", at, m.Role)
		}
		to := message{role: role}
		for k, p := range m.Content {
			where := fmt.Sprintf("%s.content[%d]", at, k)
			if p.Type == "image_url" {
				pictures++
			}
			if pictures > maxPictures {
				return nil, bad(where, "more than %d pictures", maxPictures)
			}
			q, err := s.part(ctx, where, p)
			if err != nil {
				return nil, err
			}
			to.parts = append(to.parts, q)
		}
		for k, c := range m.ToolCalls {
			call, err := c.call()
			if err != nil {
				return nil, bad(fmt.Sprintf("%s.tool_calls[%d]", at, k), "%s: %w", at, err)
			}
			to.calls = append(to.calls, call)
		}
		out = append(out, to)
	}
	return out, nil
}

// part reads one part of a message.
func (s *Server) part(ctx context.Context, at string, p chatPart) (part, error) {
	switch p.Type {
	case "text":
		return part{text: p.Text}, nil
	case "image_url":
		file, err := s.file(ctx, string(p.Image))
		if known := (*problem)(nil); err != nil && !errors.As(err, &known) {
			err = &problem{error: fmt.Errorf("%s: %w", at, err), status: 400, param: at + ".image_url", code: "invalid_image"}
		}
		return part{file: file}, err
	default:
		return part{}, bad(at+".type", "%s: type %.40q, want text or image_url", at, p.Type)
	}
}

// file returns the file of a picture. Errors do not repeat the address.
func (s *Server) file(ctx context.Context, address string) ([]byte, error) {
	if !strings.HasPrefix(address, "data:") {
		ctx, cancel := context.WithTimeout(ctx, s.Timeout)
		defer cancel()
		return s.fetcher.get(ctx, address)
	}
	head := dataURL.FindString(address[:min(len(address), 100)])
	if head == "" {
		return nil, errors.New("address with data, want data:image/png;base64,…")
	}
	text := address[len(head):]
	if n := len(text) / 4 * 3; int64(n) > s.MaxImage+3 {
		return nil, tooLarge("image_url", n, s.MaxImage)
	}
	file, err := decodeBase64([]byte(text))
	switch {
	case err != nil:
		return nil, err
	case len(file) == 0:
		return nil, errors.New("picture without data")
	case int64(len(file)) > s.MaxImage:
		return nil, tooLarge("image_url", len(file), s.MaxImage)
	}
	return file, nil
}
