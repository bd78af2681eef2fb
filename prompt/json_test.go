package prompt

import (
	"encoding/json"
	"testing"
)

func TestPythonJSON(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{`{"b":1,"a":[true,false,null,{}],"c":{"d":[]}}`, `{"b": 1, "a": [true, false, null, {}], "c": {"d": []}}`},
		{" [ 1 ,\n2 ] ", "[1, 2]"},
		{`"\u70b9击 <b>&\/ \u2028\u007f"`, "\"点击 <b>&/ \u2028\u007f\""},
		{`"\"\\\b\f\n\r\t\u0000\u001f, : x"`, `"\"\\\b\f\n\r\t\u0000\u001f, : x"`},
		{`"\ud83d\ude42"`, `"🙂"`},
		{`[0,-0,12345678901234567890123,-7]`, `[0, 0, 12345678901234567890123, -7]`},
		{`[1.0,1e5,-0.0,1E-4,0.00001,1e15,1e16,1.5e300,123456.789,0.1]`,
			`[1.0, 100000.0, -0.0, 0.0001, 1e-05, 1000000000000000.0, 1e+16, 1.5e+300, 123456.789, 0.1]`},
	} {
		got, err := pythonJSON(json.RawMessage(tt.in))
		if err != nil || got != tt.want {
			t.Errorf("%s: got %s, %v, want %s", tt.in, got, err, tt.want)
		}
	}
}
