package dataset

import (
	"strings"
	"testing"
	"time"
)

func TestParseName(t *testing.T) {
	at := time.Date(2026, 1, 5, 9, 0, 0, 0, time.Local)
	tests := []struct {
		in                             string
		expert, researcher, experiment string
		canonical                      string // "" if it is in itself
	}{
		{"calendar--demo--20260105_090000", "calendar", "demo", "", ""},
		{"claim-window--demo--fast--20260105_090000", "claim-window", "demo", "fast", ""},
		{"claim-window--20260105_090000", "claim-window", "", "", ""},
		{"datasets/calendar--demo--20260105_090000/", "calendar", "demo", "", "calendar--demo--20260105_090000"},
		{"./datasets/routing_20260105_090000", "routing", "", "", "routing_20260105_090000"},
		{"routing_20260105_090000", "routing", "", "", ""},
		{"routing--demo--20260105_090000", "routing", "demo", "", ""},
		{"router_linked_20260105_090000", "router_linked", "", "", ""},
		{"router_from_experts_20260105_090000", "router_from_experts", "", "", ""},
		{"ocr--aggregated--20260105_090000", "ocr", "aggregated", "", ""},
		{"calendar-demo-20260105_090000", "calendar", "demo", "", "calendar--demo--20260105_090000"},
		{"claim-window-demo-20260105_090000", "claim-window", "demo", "", "claim-window--demo--20260105_090000"},
		{"login-window-a-b-20260105_090000", "login-window", "a-b", "", "login-window--a-b--20260105_090000"},
		{"login-window-20260105_090000", "login-window", "", "", "login-window--20260105_090000"},
		{"calendar_20260105_090000", "calendar", "", "", "calendar--20260105_090000"},
		{"login-window_demo_20260105_090000", "login-window", "demo", "", "login-window--demo--20260105_090000"},
	}
	for _, tt := range tests {
		n, err := ParseName(tt.in, "login-window", "login")
		want := Name{tt.expert, tt.researcher, tt.experiment, at}
		if err != nil || n != want {
			t.Errorf("%s: got %+v, %v, want %+v", tt.in, n, err, want)
		}
		if tt.canonical == "" {
			tt.canonical = tt.in
		}
		if got := n.String(); got != tt.canonical {
			t.Errorf("%s: got name %s, want %s", tt.in, got, tt.canonical)
		}
	}
}

func TestParseNameRefuses(t *testing.T) {
	tests := []struct{ in, want string }{
		{"", "does not end in a time"},
		{"calendar", "does not end in a time"},
		{"20260105_090000", "does not end in a time"},
		{"calendar--demo--20261305_090000", "20261305_090000 is no time"},
		{"a--b--c--d--20260105_090000", "4 parts before the time"},
		{"../x--demo--20260105_090000", `part "../x"`},
		{"a b--demo--20260105_090000", `part "a b"`},
	}
	for _, tt := range tests {
		if _, err := ParseName(tt.in); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: got %v, want %q", tt.in, err, tt.want)
		}
	}
}

func TestNewest(t *testing.T) {
	names := []string{
		"notes", "calendar--a--20260105_090000", "calendar-b-20260106_090000", "calendar--c--20251231_235959",
		"calendar-window--a--20270101_000000", "routing_20260107_000000", "routing--x--20260101_000000",
	}
	tests := []struct{ expert, want string }{
		{"calendar", "calendar-b-20260106_090000"},
		{"calendar-window", "calendar-window--a--20270101_000000"},
		{"routing", "routing_20260107_000000"},
	}
	for _, tt := range tests {
		if got, ok := Newest(names, tt.expert); !ok || got != tt.want {
			t.Errorf("%s: got %q, %v, want %q", tt.expert, got, ok, tt.want)
		}
	}
	if got, ok := Newest(names, "desktop"); ok {
		t.Errorf("desktop: got %q", got)
	}
}
