package serve

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"testing"
)

// getJSON reads what an address answers into v.
func getJSON(t *testing.T, url, token string, v any) (status int) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	w, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(w.Body)
	if err != nil || w.Body.Close() != nil || json.Unmarshal(text, v) != nil {
		t.Fatalf("%s: %.200q, error %v", url, text, err)
	}
	return w.StatusCode
}

// TestLayouts asks for every layout on the list, before a router is open.
func TestLayouts(t *testing.T) {
	const token = "a-token-of-some-length"
	_, url, _ := start(t, Options{Source: absent, TokenFile: file(t, token)})
	var list layoutList
	same(t, "status", getJSON(t, url+"/layouts", token, &list), 200)
	same(t, "experts", len(list.Layouts), 6)
	for _, l := range list.Layouts {
		var a layoutAnswer
		same(t, l.Expert, getJSON(t, url+"/layouts/"+l.Expert, token, &a), 200)
		var names []string
		for _, s := range a.Screens {
			names = append(names, s.Name)
			checkUnits(t, s)
		}
		same(t, "screens of "+a.Expert, names, l.Screens)
	}
	for _, path := range []string{"/layouts", "/layouts/calendar", "/layouts/nobody"} {
		same(t, path+" without a token", getJSON(t, url+path, "", &failure{}), 401)
	}
}

// checkUnits checks that both boxes of every element name the same place.
func checkUnits(t *testing.T, s layoutScreen) {
	t.Helper()
	if len(s.Elements) == 0 {
		t.Errorf("%s: no elements", s.Name)
	}
	for _, e := range s.Elements {
		for i, size := range []int{s.Width, s.Height, s.Width, s.Height} {
			if e.RU[i] != e.Box[i]*1000/size {
				t.Errorf("%s: %s: box %v of %d x %d is %v", s.Name, e.Name, e.Box, s.Width, s.Height, e.RU)
			}
		}
	}
}

// TestLayoutButton checks what is told of one element.
func TestLayoutButton(t *testing.T) {
	_, url, _ := start(t, Options{Source: absent})
	var a layoutAnswer
	getJSON(t, url+"/layouts/claim-window", "", &a)
	i := slices.IndexFunc(a.Screens[0].Elements, func(e layoutElement) bool { return e.Name == "send" })
	want := layoutElement{"send", "button", "Send", [4]int{502, 830, 587, 853}, [4]int{434, 973, 508, 1000}}
	same(t, "send", a.Screens[0].Elements[i], want)
	same(t, "size", []int{a.Screens[0].Width, a.Screens[0].Height}, []int{1155, 853})
}

// TestNoLayout asks for screens that there are not.
func TestNoLayout(t *testing.T) {
	_, url, _ := start(t, Options{Source: absent})
	for _, name := range []string{"ocr", "nobody", "..%2f..", "Calendar"} {
		var f failure
		same(t, name, getJSON(t, url+"/layouts/"+name, "", &f), 404)
		same(t, "valid", f.Valid, []string{"calendar", "claim-window", "appointment", "login-window", "desktop", "chart-screen"})
		if f.Error == "" || f.RequestID == "" {
			t.Errorf("%s: got %+v, want an error and a request id", name, f)
		}
	}
}

// absent is a Source without a router.
func absent(context.Context, string) (*Deployment, error) { return nil, errors.New("none") }
