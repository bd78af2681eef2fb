package spec

import (
	"encoding/json"
	"fmt"
)

// ExpertFile is the name of the file beside an expert's adapter that holds an
// [Expert]. An adapter that somebody else trained has none.
const ExpertFile = "expert.json"

// Expert says what an expert's adapter was trained to read, so that it is served
// with the same.
type Expert struct {
	Version   int    `json:"version"`
	Expert    string `json:"expert"`        // name
	PromptID  string `json:"prompt_id"`     // template of package prompt: "cua-v1"
	Prompt    string `json:"prompt_sha256"` // of the rendered system prompt
	Image     Image  `json:"image"`
	Tokenizer string `json:"tokenizer_sha256"`
	Base      string `json:"base_model"` // digest of the base model's weights
}

// Hash returns the SHA-256 of e in its canonical JSON form, in hexadecimal.
func (e Expert) Hash() string { return hash(e) }

// CheckExpert returns a *MismatchError that names every field in which got, the
// specification of what, differs from want; nil if there is none.
func CheckExpert(what string, got, want Expert) error {
	return check(&MismatchError{What: what, Expert: true}, got, want)
}

// ParseExpert reads expert.json.
func ParseExpert(text []byte) (Expert, error) {
	var e Expert
	if err := json.Unmarshal(text, &e); err != nil {
		return Expert{}, fmt.Errorf("%s: %w", ExpertFile, err)
	}
	return e, nil
}
