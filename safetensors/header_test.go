package safetensors

import (
	"encoding/binary"
	"runtime"
	"strings"
	"testing"
)

// file returns a file of the given header, as it is, and n bytes of data.
func file(header string, n int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), make([]byte, n)...)
}

// member returns the header entry of a tensor.
func member(name, dtype, shape, offsets string) string {
	return `"` + name + `":{"dtype":"` + dtype + `","shape":` + shape + `,"data_offsets":` + offsets + `}`
}

// one returns the header of a file that holds the tensor x alone.
func one(dtype, shape, offsets string) string {
	return "{" + member("x", dtype, shape, offsets) + "}"
}

// checkErr reports an error that is not as wanted; "" wants none.
func checkErr(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case err == nil && want != "":
		t.Errorf("got no error, want %q", want)
	case err != nil && want == "":
		t.Errorf("got error %q, want none", err)
	case err != nil && !strings.Contains(err.Error(), want):
		t.Errorf("got error %q, want %q in it", err, want)
	}
}

// hostile lists headers with n bytes of data, and what Parse says about them.
var hostile = []struct {
	name, header string
	n            int
	wantErr      string
}{
	{"empty object", "{}", 0, ""},
	{"padding", "{}      ", 0, ""},
	{"scalar", one("F32", "[]", "[0,4]"), 4, ""},
	{"no elements", one("F32", "[3,0]", "[0,0]"), 0, ""},
	{"members in any order", `{"x":{"data_offsets":[0,1],"shape":[1],"dtype":"U8"}}`, 1, ""},
	{"empty name", `{"":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, 1, ""},

	{"array", "[]", 0, `header begins with '[', want '{'`},
	{"leading space", " {}", 0, `header begins with ' ', want '{'`},
	{"cut off", `{"x":{"dtype":`, 0, `tensor "x": dtype: unexpected EOF`},
	{"cut off in a string", `{"x`, 0, "unexpected EOF"},
	{"not JSON", `{x:1}`, 0, "invalid character 'x'"},
	{"trailing comma", `{"__metadata__":{},}`, 0, "invalid character '}'"},
	{"wrong bracket", `{"__metadata__":{}]`, 0, "invalid character ']'"},
	{"trailing text", `{} x`, 0, `at byte 2: "x" after the end of the object`},
	{"trailing object", `{}{}`, 0, `at byte 2: "{}" after the end of the object`},
	{"trailing zero byte", "{}\x00", 0, `"\x00" after the end`},
	{"not UTF-8", "{\"\xff\":1}", 0, "header: not valid UTF-8"},
	{"same name twice", "{" + member("x", "U8", "[1]", "[0,1]") + "," + member("x", "U8", "[1]", "[1,2]") + "}", 2,
		`key "x" occurs twice`},
	{"same name, escaped", "{" + member("x", "U8", "[1]", "[0,1]") + "," + member(`\u0078`, "U8", "[1]", "[1,2]") + "}", 2,
		`key "x" occurs twice`},
	{"same member twice", `{"x":{"dtype":"U8","dtype":"U8"}}`, 0, `tensor "x": key "dtype" occurs twice`},

	{"tensor is a number", `{"x":1}`, 0, `tensor "x": found 1, want an object`},
	{"tensor is null", `{"x":null}`, 0, `tensor "x": found null, want an object`},
	{"unknown member", `{"x":{"strides":[1]}}`, 0, `tensor "x": unknown key "strides"`},
	{"no dtype", `{"x":{"shape":[1],"data_offsets":[0,1]}}`, 1, `tensor "x": no dtype`},
	{"no shape", `{"x":{"dtype":"U8","data_offsets":[0,1]}}`, 1, `tensor "x": no shape`},
	{"no offsets", `{"x":{"dtype":"U8","shape":[1]}}`, 1, `tensor "x": 0 data_offsets, want 2`},
	{"dtype is a number", `{"x":{"dtype":7}}`, 0, `tensor "x": dtype: found 7, want a string`},
	{"unknown dtype", one("F7", "[1]", "[0,1]"), 1, `tensor "x": unknown dtype "F7"`},
	{"dtype in small letters", one("f32", "[1]", "[0,4]"), 4, `tensor "x": unknown dtype "f32"`},
	{"half a byte", one("F4", "[2]", "[0,1]"), 1, `tensor "x": unknown dtype "F4"`},
	{"shape is a number", one("U8", "1", "[0,1]"), 1, `tensor "x": shape: found 1, want an array`},
	{"negative extent", one("U8", "[-1]", "[0,1]"), 1, `tensor "x": shape: found -1, want an integer`},
	{"fraction", one("U8", "[1.0]", "[0,1]"), 1, `tensor "x": shape: found 1.0, want an integer`},
	{"exponent", one("U8", "[1e0]", "[0,1]"), 1, `tensor "x": shape: found 1e0, want an integer`},
	{"extent is a string", one("U8", `["1"]`, "[0,1]"), 1, `tensor "x": shape: found the string "1", want an integer`},
	{"extent is null", one("U8", `[null]`, "[0,1]"), 1, `tensor "x": shape: found null, want an integer`},
	{"nested extents", one("U8", "[[1]]", "[0,1]"), 1, `tensor "x": shape: found "[", want an integer`},
	{"extent 2^63", one("U8", "[9223372036854775808]", "[0,1]"), 1, "shape: found 9223372036854775808, want an integer"},
	{"extent 2^64+1", one("U8", "[18446744073709551617]", "[0,1]"), 1, "want an integer"},
	{"product 2^63", one("U8", "[4294967296,2147483648]", "[0,1]"), 1, "more than 9223372036854775807 bytes"},
	{"product 2^64", one("U8", "[4294967296,4294967296]", "[0,0]"), 0, "more than 9223372036854775807 bytes"},
	{"product 2^64 by the type", one("F64", "[2305843009213693952]", "[0,0]"), 0, "more than 9223372036854775807 bytes"},
	{"65 axes", one("U8", "[1"+strings.Repeat(",1", 64)+"]", "[0,1]"), 1, `tensor "x": shape: more than 64 numbers`},
	{"deep shape", one("U8", strings.Repeat("[", 100_000), "[0,1]"), 1, `shape: found "[", want an integer`},
	{"deep object", strings.Repeat(`{"x":`, 100_000), 0, `unknown key "x"`},

	{"one offset", one("U8", "[1]", "[0]"), 1, `tensor "x": 1 data_offsets, want 2`},
	{"three offsets", one("U8", "[1]", "[0,1,2]"), 1, `tensor "x": data_offsets: more than 2 numbers`},
	{"negative offset", one("U8", "[1]", "[-1,0]"), 1, `tensor "x": data_offsets: found -1`},
	{"offsets swapped", one("U8", "[1]", "[1,0]"), 1, `tensor "x": data begins at 1, after its end at 0`},
	{"too small", one("F32", "[2]", "[0,4]"), 4, `tensor "x": 4 bytes of data, want 8 for F32[2]`},
	{"too large", one("F32", "[0]", "[0,4]"), 4, `tensor "x": 4 bytes of data, want 0 for F32[0]`},
	{"outside", one("F32", "[2]", "[0,8]"), 7, `tensor "x": data ends at 8, outside the 7 bytes after the header`},
	{"far outside", one("U8", "[1]", "[9223372036854775806,9223372036854775807]"), 1, "outside the 1 bytes"},
	{"gap in front", one("U8", "[1]", "[1,2]"), 2, `tensor "x": data begins at 1, but the data before it ends at 0`},
	{"data left over", one("U8", "[1]", "[0,1]"), 3, "2 bytes after the data of the last tensor"},
	{"data of nothing", "{}", 5, "5 bytes after the data of the last tensor"},
	{"overlap", "{" + member("a", "U8", "[4]", "[0,4]") + "," + member("b", "U8", "[4]", "[3,7]") + "}", 7,
		`tensor "b": data begins at 3 and overlaps that of "a", which ends at 4`},
	{"the same bytes", "{" + member("a", "U8", "[4]", "[0,4]") + "," + member("b", "U8", "[4]", "[0,4]") + "}", 4,
		`tensor "b": data begins at 0 and overlaps that of "a"`},
	{"nothing inside another", "{" + member("a", "U8", "[4]", "[0,4]") + "," + member("b", "U8", "[0]", "[2,2]") + "}", 4,
		`tensor "b": data begins at 2 and overlaps that of "a"`},
	{"gap", "{" + member("a", "U8", "[1]", "[0,1]") + "," + member("b", "U8", "[1]", "[2,3]") + "}", 3,
		`tensor "b": data begins at 2, but the data before it ends at 1`},

	{"metadata is a string", `{"__metadata__":"pt"}`, 0, `__metadata__: found the string "pt", want an object`},
	{"metadata is null", `{"__metadata__":null}`, 0, `__metadata__: found null, want an object`},
	{"metadata holds a number", `{"__metadata__":{"step":7}}`, 0, `__metadata__: key "step": found 7, want a string`},
	{"metadata nested", `{"__metadata__":{"a":{"b":"c"}}}`, 0, `__metadata__: key "a": found "{", want a string`},
	{"metadata key twice", `{"__metadata__":{"a":"1","a":"2"}}`, 0, `__metadata__: key "a" occurs twice`},
	{"metadata twice", `{"__metadata__":{},"__metadata__":{}}`, 0, `key "__metadata__" occurs twice`},
}

func TestParseHostile(t *testing.T) {
	for _, tt := range hostile {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse(file(tt.header, tt.n))
			checkErr(t, err, tt.wantErr)
		})
	}
}

func TestParseLength(t *testing.T) {
	tests := []struct {
		name    string
		in      []byte
		wantErr string
	}{
		{"no bytes", nil, "0 bytes, want at least 8"},
		{"7 bytes", make([]byte, 7), "7 bytes, want at least 8"},
		{"0", make([]byte, 9), "header length 0"},
		{"limit + 1", append(binary.LittleEndian.AppendUint64(nil, 100_000_001), '{', '}'), "header length 100000001, want at most 100000000"},
		{"2^64 - 1", append(binary.LittleEndian.AppendUint64(nil, 1<<64-1), '{', '}'), "header length 18446744073709551615, want at most"},
		{"beyond the file", append(binary.LittleEndian.AppendUint64(nil, 3), '{', '}'), "header length 3, but only 2 bytes follow it"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse(tt.in)
			checkErr(t, err, tt.wantErr)
		})
	}
}

// TestParseMemory checks that what Parse allocates in all, and what it keeps,
// stay small multiples of the input, for inputs made to be costly.
func TestParseMemory(t *testing.T) {
	const size = 1 << 20
	tests := []struct{ name, header string }{
		{"one long name", `{"` + strings.Repeat("x", size)},
		{"one long number", `{"x":{"shape":[` + strings.Repeat("1", size)},
		{"long message", one("U8", "["+strings.Repeat("9", size)+"]", "[0,0]")},
		{"many small tensors", "{" + manyTensors(size) + "}"},
		{"many metadata", `{"__metadata__":{` + manyStrings(size) + "}}"},
		{"deep", strings.Repeat(`{"a":`, size/5)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := file(tt.header, 0)
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			f, err := Parse(in)
			runtime.ReadMemStats(&after)
			if got, want := after.TotalAlloc-before.TotalAlloc, uint64(48*len(in)); got > want {
				t.Errorf("allocated %d bytes for an input of %d, want at most %d", got, len(in), want)
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			if got, want := int(after.HeapAlloc)-int(before.HeapAlloc), 12*len(in); got > want {
				t.Errorf("holds %d bytes for an input of %d, want at most %d", got, len(in), want)
			}
			runtime.KeepAlive(f)
			if err != nil && len(err.Error()) > 500 {
				t.Errorf("message of %d bytes, want at most 500", len(err.Error()))
			}
		})
	}
}

// manyTensors returns about n bytes of entries without elements.
func manyTensors(n int) string {
	var s strings.Builder
	for i := 0; s.Len() < n; i++ {
		s.WriteString(strings.Repeat(",", min(i, 1)) + member(number(i), "U8", "[0]", "[0,0]"))
	}
	return s.String()
}

// manyStrings returns about n bytes of members.
func manyStrings(n int) string {
	var s strings.Builder
	for i := 0; s.Len() < n; i++ {
		s.WriteString(strings.Repeat(",", min(i, 1)) + `"` + number(i) + `":""`)
	}
	return s.String()
}

// number returns a short string that no other number gives.
func number(i int) string {
	var s []byte
	for ; i > 0; i /= 26 {
		s = append(s, byte('a'+i%26))
	}
	return string(s)
}
