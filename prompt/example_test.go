package prompt_test

import (
	"fmt"

	"mole/prompt"
	"mole/tokenizer"
)

func ExampleRenderer_Text() {
	t, err := tokenizer.Load("../tokenizer/testdata")
	if err != nil {
		fmt.Println(err)
		return
	}
	r, err := prompt.New(t, 2)
	if err != nil {
		fmt.Println(err)
		return
	}
	text, err := r.Text(prompt.Conversation{Messages: []prompt.Message{
		{Role: prompt.System, Parts: []prompt.Part{{Text: "Name the screen."}}},
		{Role: prompt.User, Parts: []prompt.Part{{Text: "Click OK"}}},
	}}, true)
	fmt.Println(text, err)
	// Output:
	// <|im_start|>system
	// Name the screen.<|im_end|>
	// <|im_start|>user
	// Click OK<|im_end|>
	// <|im_start|>assistant
	//  <nil>
}
