package view

import (
	"fmt"
	"strings"

	"mole/batch"
	"mole/prompt"
	"mole/spec"
	"mole/tokenizer"
	"mole/vision"
)

// ExpertVersion is the version of the layout of spec.Expert.
const ExpertVersion = 1

// ExpertOptions says what the view of an expert is made for. A number that is 0
// means the default in its comment.
type ExpertOptions struct {
	Expert    string               // name
	Tokenizer *tokenizer.Tokenizer // of the base network
	Base      string               // digest of the base network's weights
	Vision    vision.Options       // of the base network; its limits of the size are replaced
	MinTokens int                  // merged cells of a picture, at least; 4
	MaxTokens int                  // at most; 1024: an expert aims, so it sees more than a router
	Prompt    string               // id of the system prompt; prompt.ComputerV1
}

// defaultExpertTokens is the default of ExpertOptions.MaxTokens.
const defaultExpertTokens = 1024

// Expert is how an expert sees a picture and what it reads. Preprocessing, tests
// and serving go through it. It is safe for concurrent use.
type Expert struct {
	Spec   spec.Expert    // what must be the same everywhere
	Vision vision.Options // how a picture becomes patches
	System string         // the system prompt

	renderer *prompt.Renderer
}

// NewExpert returns the view that o describes.
func NewExpert(o ExpertOptions) (*Expert, error) {
	if o.Prompt == "" {
		o.Prompt = prompt.ComputerV1
	}
	if o.MinTokens == 0 {
		o.MinTokens = defaultMinTokens
	}
	if o.MaxTokens == 0 {
		o.MaxTokens = max(defaultExpertTokens, o.MinTokens)
	}
	system, err := prompt.ComputerSystem(o.Prompt)
	if err != nil {
		return nil, err
	}
	sized, err := limited(o.Vision, o.MinTokens, o.MaxTokens)
	if err != nil {
		return nil, err
	}
	renderer, err := prompt.New(o.Tokenizer, o.Vision.MergeSize)
	if err != nil {
		return nil, err
	}
	return &Expert{
		Vision: sized, System: system, renderer: renderer,
		Spec: spec.Expert{
			Version: ExpertVersion, Expert: o.Expert, PromptID: o.Prompt, Prompt: prompt.Digest(system),
			Image: imageOf(sized, o.MinTokens, o.MaxTokens), Tokenizer: o.Tokenizer.Digest(), Base: o.Base,
		},
	}, nil
}

// ExpertOf returns the view that an expert's adapter was trained with. It refuses
// a specification of another version, prompt, tokenizer or kind of patches than
// those of the options, whose Expert, Prompt and limits do not count.
func ExpertOf(s spec.Expert, o ExpertOptions) (*Expert, error) {
	rule, err := vision.ParseRule(strings.TrimPrefix(s.Image.Resample, "bicubic-"))
	if err != nil {
		return nil, fmt.Errorf("%s: image.resample: %w", spec.ExpertFile, err)
	}
	o.Vision.Rule = rule
	o.Expert, o.Prompt, o.MinTokens, o.MaxTokens = s.Expert, s.PromptID, s.Image.MinTokens, s.Image.MaxTokens
	v, err := NewExpert(o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", spec.ExpertFile, err)
	}
	return v, spec.CheckExpert(spec.ExpertFile, s, v.Spec)
}

// Look decodes a picture, resizes it, and cuts it into patches.
func (v *Expert) Look(file []byte) (*vision.Patches, error) {
	_, p, err := look(file, v.Vision)
	return p, err
}

// Question returns what the expert reads before it answers about an image.
func (v *Expert) Question(im *vision.Patches, instruction string) (batch.Example, error) {
	return v.renderer.Computer(prompt.Computer{System: v.System, Image: im, Instruction: instruction})
}

// Lesson returns a question with its answer, tool-call blocks.
func (v *Expert) Lesson(im *vision.Patches, instruction, answer string) (batch.Example, error) {
	if answer = strings.TrimSpace(answer); answer == "" {
		return batch.Example{}, fmt.Errorf("no answer to learn")
	}
	return v.renderer.Computer(prompt.Computer{System: v.System, Image: im, Instruction: instruction, Answer: answer})
}

// Parts returns the part of a lesson's answer that each token is (see
// prompt.Division).
func (v *Expert) Parts(tokens, labels []int32, by prompt.Division) ([]batch.Part, error) {
	return v.renderer.CallParts(tokens, labels, by)
}

// End returns the token that ends an answer.
func (v *Expert) End() int32 { return v.renderer.End() }
