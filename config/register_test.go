package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mole/config"
)

const otherEntries = `{"note":"kept <as> it is","loras":{"zebra":{"path":"z","volume":"v"},
 "calendar":{"volume":"old","path":"old"}, "Provider-Select":{"volume":"v","path":"p","size":12345678901234567890,"more":[1.50,{"b":1,"a":null}]}}}`

func TestRegister(t *testing.T) {
	l := config.Lora{Volume: "moe-lora-checkpoints", Path: "calendar", SourceCheckpoint: "lora-runs:a&b", SavedAt: "2026-01-05T09:30:00Z"}
	const entry = `    "calendar": {
      "volume": "moe-lora-checkpoints",
      "path": "calendar",
      "source_checkpoint": "lora-runs:a&b",
      "saved_at": "2026-01-05T09:30:00Z"
    }`
	tests := []struct{ name, before, want string }{
		{"new", "", "{\n  \"loras\": {\n" + entry + "\n  }\n}\n"},
		{"empty", "{}", "{\n  \"loras\": {\n" + entry + "\n  }\n}\n"},
		{"null", `{"loras": null}`, "{\n  \"loras\": {\n" + entry + "\n  }\n}\n"},
		{"others", otherEntries, `{
  "loras": {
    "Provider-Select": {
      "volume": "v",
      "path": "p",
      "size": 12345678901234567890,
      "more": [
        1.50,
        {
          "b": 1,
          "a": null
        }
      ]
    },
` + entry + `,
    "zebra": {
      "path": "z",
      "volume": "v"
    }
  },
  "note": "kept <as> it is"
}
`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "config")
			name := filepath.Join(dir, "loras.json")
			if tt.before != "" {
				write(t, name, tt.before)
			}
			for range 2 { // the second time changes nothing
				if err := config.Register(dir, "calendar", l); err != nil {
					t.Fatal(err)
				}
				if got := contents(t, name); got != tt.want {
					t.Errorf("got\n%swant\n%s", got, tt.want)
				}
			}
			if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
				t.Errorf("got %v, %v", left, err)
			}
		})
	}
}

// write writes a file and its folder.
func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o640); err != nil {
		t.Fatal(err)
	}
}

func contents(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestRegisterKeepsMode(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "loras.json")
	write(t, name, "{}")
	if err := config.Register(dir, "calendar", config.Lora{}); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("got %v, %v", info.Mode(), err)
	}
}

// TestRegisterBroken checks that a file that is not understood is left alone.
func TestRegisterBroken(t *testing.T) {
	for _, text := range []string{"{", "[]", `{"loras": []}`} {
		dir := t.TempDir()
		name := filepath.Join(dir, "loras.json")
		write(t, name, text)
		err := config.Register(dir, "calendar", config.Lora{})
		if err == nil || !strings.HasPrefix(err.Error(), name+": ") {
			t.Errorf("%s: got %v", text, err)
		}
		if got := contents(t, name); got != text {
			t.Errorf("got %q", got)
		}
	}
}

func TestCheckExpertName(t *testing.T) {
	for name, want := range map[string]bool{"calendar": true, "claim-window": true, "3d": true, "": false, "-a": false, "A": false, "a/b": false, "..": false, strings.Repeat("a", 999): false} {
		if err := config.CheckExpertName(name); (err == nil) != want {
			t.Errorf("%.20q: got %v", name, err)
		}
	}
}
