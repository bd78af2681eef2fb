package spec

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
