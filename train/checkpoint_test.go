package train

import (
	"bytes"
	"maps"
	"strings"
	"testing"

	"mole/safetensors"
)

// sound returns the metadata of a checkpoint, without the checksum.
func sound() map[string]string {
	s := &state{step: 7, skipped: 3, inRow: 2, device: "cpu", settings: map[string]string{"rate": "0.1"}}
	return s.metadata()
}

// fileOf returns a file with the given metadata and the checksum that belongs
// to it.
func fileOf(t *testing.T, md map[string]string) *safetensors.File {
	t.Helper()
	sum, err := checksum(nil, md)
	if err != nil {
		t.Fatal(err)
	}
	md[keyChecksum] = sum
	var b bytes.Buffer
	if err := safetensors.Write(&b, nil, md); err != nil {
		t.Fatal(err)
	}
	f, err := safetensors.Parse(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestReadState reads metadata whose checksum holds but whose values do not.
func TestReadState(t *testing.T) {
	tests := []struct {
		name       string
		key, value string // changed
		wantErr    string // "" for none
	}{
		{"sound", "more", "1", ""},
		{"no step", keyStep, "", `metadata "step" is "", want a number from 0`},
		{"step negative", keyStep, "-1", `metadata "step" is "-1", want a number from 0`},
		{"step beyond int", keyStep, "9223372036854775808", `metadata "step" is "9223372036854775808"`},
		{"skipped not a number", keySkipped, "x", `metadata "skipped" is "x"`},
		{"more skipped than done", keySkipped, "8", "8 of 7 steps skipped, 2 in a row"},
		{"more in a row than skipped", keyInRow, "4", "3 of 7 steps skipped, 4 in a row"},
		{"other digest", keySettings, "0", "settings have the digest"},
		{"other setting", settingPrefix + "rate", "0.2", "settings have the digest"},
		{"new setting", settingPrefix + "seed", "1", "settings have the digest"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			md := sound()
			md[tt.key] = tt.value
			s, err := readState(fileOf(t, md))
			if (err == nil) != (tt.wantErr == "") || err != nil && !strings.Contains(err.Error(), tt.wantErr) {
				t.Fatalf("got error %v, want %q", err, tt.wantErr)
			}
			if err == nil && !maps.Equal(s.metadata(), sound()) {
				t.Errorf("got %v, want %v", s.metadata(), sound())
			}
		})
	}
}

// TestOtherVersion checks that a sound checkpoint of another format is refused,
// not taken for damaged and passed over.
func TestOtherVersion(t *testing.T) {
	md := sound()
	md[keyVersion] = "2"
	s, err := readState(fileOf(t, md))
	if err != nil {
		t.Fatal(err)
	}
	err = s.matches(map[string]string{"rate": "0.1"}, nil)
	if want := `checkpoint format "2", want "1"`; err == nil || err.Error() != want {
		t.Errorf("got error %v, want %q", err, want)
	}
}
