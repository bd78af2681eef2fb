package lora_test

import (
	"bytes"
	"testing"

	"mole/lora"

	"github.com/google/go-cmp/cmp"
)

// FuzzParseConfig checks that a configuration that is accepted can be written,
// and is the same when it is read again.
func FuzzParseConfig(f *testing.F) {
	for _, name := range recordedNames {
		f.Add(readFile(f, name, lora.ConfigFile))
	}
	f.Add([]byte(smallConfig))
	f.Add([]byte(`{"peft_type":"LORA","target_modules":[]}`))
	f.Add([]byte(`{"peft_type":"LORA","r":3,"rank_pattern":{"^(?=.*x)y[^]z]{1,2}(?!b)":2},"alpha_pattern":{"a|b":0.1},"target_modules":"all-linear","future":[1]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := lora.ParseConfig(data)
		if err != nil {
			return
		}
		text, err := c.Encode()
		if err != nil {
			t.Fatalf("%q: %v", data, err)
		}
		again, err := lora.ParseConfig(text)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		c.Unknown = nil // not written
		if diff := cmp.Diff(c, again); diff != "" {
			t.Errorf("%q (-want +got):\n%s", data, diff)
		}
		_, _ = lora.Select(c, tinySites()) // must not panic
	})
}

// FuzzDecode checks that files that are accepted give the same adapter when
// they are written and read again.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(smallConfig), encode(f, small()))
	f.Add([]byte(smallConfig), encode(f, rename(small(), "language_model.", "")))
	f.Add(readFile(f, "patterns", lora.ConfigFile), encode(f, small()))
	f.Fuzz(func(t *testing.T, config, weights []byte) {
		a, err := lora.Decode(config, weights, tinySites())
		if err != nil {
			return
		}
		config, weights, err = a.Encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := lora.Decode(config, weights, tinySites())
		if err != nil {
			t.Fatal(err)
		}
		if a.Digest() != again.Digest() {
			t.Error("got another adapter after writing and reading it")
		}
		config2, weights2, err := again.Encode()
		if err != nil || !bytes.Equal(config, config2) || !bytes.Equal(weights, weights2) {
			t.Errorf("got other bytes when it was written again, error %v", err)
		}
	})
}
