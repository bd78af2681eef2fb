package tensorboard

import (
	"math"
	"net/http"
	"strconv"

	"mole/tbevents"
)

// maxShown is how many points of a curve the page gets at most: more than it
// has pixels.
const maxShown = 2048

// curve is a series as the page draws it. The columns have equal lengths.
type curve struct {
	Step  []int64  `json:"step"`
	Wall  []number `json:"wall"` // seconds since 1970
	Value []number `json:"value"`
	Count int      `json:"count"` // of the values that were written
}

// number is a JSON number, or null where it is not finite.
type number float64

// MarshalJSON implements [encoding/json.Marshaler]. Most numbers were stored in
// 32 bits, and need no more digits.
func (n number) MarshalJSON() ([]byte, error) {
	v := float64(n)
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return []byte("null"), nil
	}
	bits := 64
	if float64(float32(v)) == v {
		bits = 32
	}
	return strconv.AppendFloat(nil, v, 'g', -1, bits), nil
}

// scalars answers GET /data/scalars?run=ID with all curves of a run, by tag.
func (s *Server) scalars(r *http.Request) (any, error) {
	e := s.board.find(r.Context(), r.FormValue("run"))
	if e == nil {
		return nil, errNotThere
	}
	out := struct {
		Version string           `json:"version"`
		Curves  map[string]curve `json:"curves"`
	}{e.version(), map[string]curve{}}
	for _, s := range e.log.Series {
		if s.Kind == tbevents.Scalar {
			out.Curves[s.Tag] = drawn(s)
		}
	}
	return out, nil
}

// drawn returns a series, evenly thinned but for the last point if it is long.
func drawn(s *tbevents.Series) curve {
	c := curve{Step: []int64{}, Wall: []number{}, Value: []number{}, Count: s.Count}
	stride := (len(s.Points) + maxShown - 1) / maxShown
	for i, p := range s.Points {
		if i%max(stride, 1) == 0 || i == len(s.Points)-1 {
			c.Step = append(c.Step, p.Step)
			c.Wall = append(c.Wall, number(p.Wall))
			c.Value = append(c.Value, number(p.Value))
		}
	}
	return c
}
