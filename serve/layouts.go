package serve

import (
	"fmt"
	"image"
	"net/http"

	"mole/synth"
)

// layoutList is the answer of /layouts.
type layoutList struct {
	Layouts []layoutNames `json:"layouts"`
}

// layoutNames says which screens of an expert are laid out.
type layoutNames struct {
	Expert  string   `json:"expert"`
	Screens []string `json:"screens"`
}

// layoutAnswer is the answer of /layouts/{expert}.
type layoutAnswer struct {
	Expert  string         `json:"expert"`
	Screens []layoutScreen `json:"screens"`
}

// layoutScreen is a picture, and what stands where in it.
type layoutScreen struct {
	Name     string          `json:"name"`
	Width    int             `json:"width"`
	Height   int             `json:"height"`
	Elements []layoutElement `json:"elements"`
}

// layoutElement is an element. Boxes are left, top, right, bottom.
type layoutElement struct {
	Name  string `json:"name"`
	Kind  string `json:"kind"`
	Label string `json:"label"`
	Box   [4]int `json:"box"`     // pixels; right and bottom are outside
	RU    [4]int `json:"bbox_2d"` // resolution units (specification mole, 4.1)
}

// layouts answers GET /layouts. Built-in screens do not depend on what is
// deployed.
func (s *Server) layouts(x *exchange, _ *http.Request) {
	var a layoutList
	for _, name := range synth.LaidOut() {
		n := layoutNames{Expert: name}
		for _, l := range synth.Layouts(name) {
			n.Screens = append(n.Screens, l.Name)
		}
		a.Layouts = append(a.Layouts, n)
	}
	x.write(http.StatusOK, a)
}

// layout answers GET /layouts/{expert}.
func (s *Server) layout(x *exchange, r *http.Request) {
	a := layoutAnswer{Expert: r.PathValue("expert")}
	for _, l := range synth.Layouts(a.Expert) {
		a.Screens = append(a.Screens, screenOf(l))
	}
	if a.Screens == nil {
		x.fail(&problem{error: fmt.Errorf("expert %.60q has no built-in screen with a layout", a.Expert), status: http.StatusNotFound, valid: synth.LaidOut()})
		return
	}
	x.write(http.StatusOK, a)
}

// screenOf returns a layout as it is answered.
func screenOf(l synth.Layout) layoutScreen {
	s := layoutScreen{Name: l.Name, Width: l.Size.X, Height: l.Size.Y}
	for _, e := range l.Elements {
		s.Elements = append(s.Elements, layoutElement{e.Name, e.Kind, e.Label, corners(e.Box), l.RU(e.Box)})
	}
	return s
}

// corners returns left, top, right and bottom of a box.
func corners(b image.Rectangle) [4]int { return [4]int{b.Min.X, b.Min.Y, b.Max.X, b.Max.Y} }
