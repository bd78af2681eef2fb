package expert

import (
	"strings"
	"testing"
)

func TestNewTable(t *testing.T) {
	table, err := NewTable([]Expert{{Name: "ocr", Label: 2, Kind: OCR}, {Name: "calendar", Label: 0}})
	if err != nil {
		t.Fatal(err)
	}
	if got := table.String(); got != "0 calendar, 2 ocr" {
		t.Errorf("got %q", got)
	}
	if names := table.Names(); len(names) != 2 || names[1] != "ocr" {
		t.Errorf("got %v", names)
	}
}

func TestLookUp(t *testing.T) {
	table, err := NewTable([]Expert{{Name: "ocr", Label: 2, Kind: OCR}, {Name: "calendar", Label: 0}})
	if err != nil {
		t.Fatal(err)
	}
	if e, ok := table.ByLabel(0); !ok || e.Name != "calendar" || e.Kind != LoRA {
		t.Errorf("got %+v, %v", e, ok)
	}
	if e, ok := table.ByName("ocr"); !ok || e.Label != 2 {
		t.Errorf("got %+v, %v", e, ok)
	}
	if _, ok := table.ByLabel(1); ok {
		t.Error("label 1 was found")
	}
	if _, ok := table.ByName("desktop"); ok {
		t.Error("desktop was found")
	}
}

func TestNewTableRefuses(t *testing.T) {
	tests := []struct {
		experts []Expert
		want    string
	}{
		{[]Expert{{Name: "Big"}}, `expert "Big": name must match`},
		{[]Expert{{Name: ""}}, "name must match"},
		{[]Expert{{Name: "a"}, {Name: "a", Label: 1}}, `"a" occurs twice`},
		{[]Expert{{Name: "a"}, {Name: "b"}}, `"a" and "b" have the same label 0`},
		{[]Expert{{Name: "a", Label: -1}}, "label -1 is negative"},
		{[]Expert{{Name: "a", Kind: "dog"}}, `kind "dog", want "lora" or "ocr"`},
	}
	for _, tt := range tests {
		if _, err := NewTable(tt.experts); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v: got %v, want %q", tt.experts, err, tt.want)
		}
	}
}
