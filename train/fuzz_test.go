package train

import (
	"bytes"
	"testing"

	"mole/safetensors"
)

// FuzzReadState reads any bytes as a checkpoint.
func FuzzReadState(f *testing.F) {
	md := sound()
	sum, err := checksum(nil, md)
	if err != nil {
		f.Fatal(err)
	}
	md[keyChecksum] = sum
	var file bytes.Buffer
	if err := safetensors.Write(&file, nil, md); err != nil {
		f.Fatal(err)
	}
	f.Add(file.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		parsed, err := safetensors.Parse(data)
		if err != nil {
			return
		}
		if s, err := readState(parsed); err == nil && (s.step < 0 || s.skipped > s.step || s.inRow > s.skipped) {
			t.Errorf("got step %d, %d skipped, %d in a row", s.step, s.skipped, s.inRow)
		}
	})
}
