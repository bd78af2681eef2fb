package grammar

import (
	"testing"
)

// BenchmarkMask makes masks at different places, beside one that asks every
// token by itself. With MOLE_TOKENIZER they are those of a real vocabulary.
func BenchmarkMask(b *testing.B) {
	v := load(b)
	g := compile(b, v, tools...)
	for _, tt := range []struct {
		name, text string
		spare      int // tokens left beyond those that close everything
	}{
		{"name", "\n{\"name\": \"", 100},
		{"key", "\n{\"name\": \"computer_use\", \"arguments\": {\"", 100},
		{"enum", "\n{\"name\": \"computer_use\", \"arguments\": {\"action\": \"", 100},
		{"number", "\n{\"name\": \"computer_use\", \"arguments\": {\"coordinate\": [1", 100},
		{"string", "\n{\"name\": \"computer_use\", \"arguments\": {\"text\": \"a", 100},
		{"string-tight", "\n{\"name\": \"computer_use\", \"arguments\": {\"text\": \"a", 1},
		{"any", "\n{\"name\": \"free\", \"arguments\": {\"a\": ", 100},
		{"any-key", "\n{\"name\": \"free\", \"arguments\": {\"a", 100},
	} {
		s := g.Start(1000)
		s.Accept(v.open)
		for _, id := range v.tokenizer.EncodeText(tt.text) {
			s.Accept(id)
		}
		b.Run(tt.name, func(b *testing.B) {
			left := g.cost(&s.state) + tt.spare
			for b.Loop() {
				s.Mask(left)
			}
		})
	}
	s := g.Start(1000)
	s.Accept(v.open)
	b.Run("one-by-one", func(b *testing.B) {
		for b.Loop() {
			g.slow(&s.state, 500)
		}
	})
}

// BenchmarkCompile makes the grammar of some tools.
func BenchmarkCompile(b *testing.B) {
	v := load(b)
	for b.Loop() {
		compile(b, v, tools...)
	}
}

// BenchmarkVocabulary prepares a vocabulary.
func BenchmarkVocabulary(b *testing.B) {
	v := load(b)
	for b.Loop() {
		if _, err := NewVocabulary(v.tokenizer); err != nil {
			b.Fatal(err)
		}
	}
}
