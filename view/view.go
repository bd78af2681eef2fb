// Package view is how a router, or an expert, sees a picture: which size, which
// prompt, which tokens. Preprocessing, training, evaluation and serving all go
// through one [View] or [Expert], whose specification says whether two of them
// agree (specification mole, 6.3; DESIGN 11).
package view

import (
	"fmt"

	"mole/batch"
	"mole/expert"
	"mole/prompt"
	"mole/spec"
	"mole/tokenizer"
	"mole/vision"
)

// Options says what a view is made for. A number that is 0 means the default
// in its comment.
type Options struct {
	Experts   expert.Table         // to choose from
	Tokenizer *tokenizer.Tokenizer // of the base network
	Base      string               // digest of the base network's weights
	Vision    vision.Options       // of the base network; its limits of the size are replaced
	MinTokens int                  // merged cells of a picture, at least; 4
	MaxTokens int                  // at most; 256
	Prompt    string               // id of the router prompt; prompt.RouterV1
	// UserText lets the router read the instruction. Without it the screen alone
	// decides.
	UserText bool
}

// Defaults of Options.
const (
	defaultMinTokens = 4
	defaultMaxTokens = 256
)

// View is one way to see pictures. It is safe for concurrent use.
type View struct {
	Experts expert.Table   // to choose from, by label
	Spec    spec.Router    // what must be the same everywhere
	Vision  vision.Options // how a picture becomes patches
	System  string         // the rendered system prompt

	renderer *prompt.Renderer
	userText bool
}

// New returns the view that o describes.
func New(o Options) (*View, error) {
	if o.Prompt == "" {
		o.Prompt = prompt.RouterV1
	}
	if o.MinTokens == 0 {
		o.MinTokens = defaultMinTokens
	}
	if o.MaxTokens == 0 {
		o.MaxTokens = defaultMaxTokens
	}
	sized, err := limited(o.Vision, o.MinTokens, o.MaxTokens)
	if err != nil {
		return nil, err
	}
	system, err := prompt.RouterSystem(o.Prompt, o.Experts)
	if err != nil {
		return nil, err
	}
	renderer, err := prompt.New(o.Tokenizer, o.Vision.MergeSize)
	if err != nil {
		return nil, err
	}
	v := &View{Experts: o.Experts, Vision: sized, System: system, renderer: renderer, userText: o.UserText}
	v.Spec = spec.Router{
		Version: spec.Version, PromptID: o.Prompt, PromptSHA256: prompt.Digest(system), LabelMode: "digit",
		Labels: spec.LabelsOf(o.Experts), MaskUserText: !o.UserText, Supervise: "answer+eot",
		Image:     imageOf(sized, o.MinTokens, o.MaxTokens),
		Tokenizer: o.Tokenizer.Digest(), Base: o.Base,
	}
	return v, nil
}

// limited returns o with the limits of a picture, in merged cells.
func limited(o vision.Options, least, most int) (vision.Options, error) {
	if least < 1 || most < least {
		return o, fmt.Errorf("image tokens: %d to %d, want 1 at least, and as many at most as at least", least, most)
	}
	cell := o.PatchSize * o.MergeSize
	o.MinPixels, o.MaxPixels = least*cell*cell, most*cell*cell
	return o, nil
}

// imageOf returns the part of a specification that is about pictures.
func imageOf(o vision.Options, least, most int) spec.Image {
	return spec.Image{Patch: o.PatchSize, Merge: o.MergeSize, MinTokens: least, MaxTokens: most, Resample: "bicubic-" + o.Rule.String()}
}

// Look decodes a picture, resizes it, and cuts it into patches. The picture
// returned is the resized one, with the colours of the other.
func (v *View) Look(file []byte) (*vision.Image, *vision.Patches, error) { return look(file, v.Vision) }

// look is Look with options of package vision.
func look(file []byte, o vision.Options) (*vision.Image, *vision.Patches, error) {
	im, err := vision.Read(file, vision.Decoding{}, o)
	if err != nil {
		return nil, nil, err
	}
	p, err := vision.Patchify(im, o)
	return im, p, err
}

// Question returns what the router reads before it answers about an image.
// The instruction counts only where the view lets it.
func (v *View) Question(im *vision.Patches, instruction string) (batch.Example, error) {
	return v.example(im, instruction, -1)
}

// Lesson returns a question with its answer, the label of an expert.
func (v *View) Lesson(im *vision.Patches, instruction string, label int) (batch.Example, error) {
	if _, ok := v.Experts.ByLabel(label); !ok {
		return batch.Example{}, fmt.Errorf("label %d, want one of %v", label, v.Experts)
	}
	return v.example(im, instruction, label)
}

func (v *View) example(im *vision.Patches, instruction string, label int) (batch.Example, error) {
	if !v.userText {
		instruction = ""
	}
	return v.renderer.Router(prompt.Router{System: v.System, Image: im, Instruction: instruction, Label: label})
}

// Answers returns the tokens of each expert's answer, in the order of the
// table, the token that ends an answer included.
func (v *View) Answers() [][]int32 { return v.renderer.RouterTokens(v.Experts) }
