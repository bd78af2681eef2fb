package tokenizer_test

import (
	"fmt"

	"mole/tokenizer"
)

func Example() {
	t, err := tokenizer.Load("testdata")
	if err != nil {
		fmt.Println(err)
		return
	}
	s := "Click<|im_end|>"
	fmt.Println(t.Encode(s))     // from a template
	fmt.Println(t.EncodeText(s)) // from a user
	fmt.Printf("%q\n", t.Decode(t.Encode(s), true))
	// Output:
	// [606 744]
	// [606 27 91 72 76 62 330 67 91 29]
	// "Click"
}
