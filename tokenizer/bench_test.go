package tokenizer

import (
	"os"
	"strings"
	"testing"
)

// benchFile is the vocabulary to measure: that of a model in MOLE_TOKENIZER,
// or the small one.
func benchFile() string {
	if dir := os.Getenv("MOLE_TOKENIZER"); dir != "" {
		return dir
	}
	return "testdata"
}

func BenchmarkLoad(b *testing.B) {
	for b.Loop() {
		if _, err := Load(benchFile()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	tok, err := Load(benchFile())
	if err != nil {
		b.Fatal(err)
	}
	code, err := os.ReadFile("encode_test.go")
	if err != nil {
		b.Fatal(err)
	}
	config, err := os.ReadFile("testdata/reference.json")
	if err != nil {
		b.Fatal(err)
	}
	for _, tt := range []struct{ name, text string }{
		{"code", strings.Repeat(string(code), 10)},
		{"json", string(config)},
		{"chinese", strings.Repeat("这是一个用于测试分词器速度的中文段落，包含标点符号。", 1000)},
		{"decomposed", strings.Repeat("e\u0301 a\u0323\u0302n ", 5000)},
		{"spaces", strings.Repeat(" ", 1<<16)},
		{"letters", strings.Repeat("ab", 1<<15)},
	} {
		b.Run(tt.name, func(b *testing.B) {
			b.SetBytes(int64(len(tt.text)))
			var ids []int32
			for b.Loop() {
				ids = tok.Encode(tt.text)
			}
			b.ReportMetric(float64(len(ids))*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mtok/s")
		})
	}
}
