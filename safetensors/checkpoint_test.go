package safetensors

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// folder returns a new folder that holds the given files.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// shard returns a file with an U8 scalar of each name.
func shard(t *testing.T, metadata map[string]string, names ...string) string {
	t.Helper()
	var entries []Entry
	for i, name := range names {
		entries = append(entries, Entry{name, Tensor{U8, nil, []byte{byte(i)}}})
	}
	var b strings.Builder
	if err := Write(&b, entries, metadata); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// indexOf returns an index of the given name and file pairs.
func indexOf(pairs ...string) string {
	var members []string
	for i := 0; i < len(pairs); i += 2 {
		members = append(members, fmt.Sprintf("%q:%q", pairs[i], pairs[i+1]))
	}
	return `{"metadata":{"total_size":3},"weight_map":{` + strings.Join(members, ",") + "}}\n"
}

func TestOpenCheckpoint(t *testing.T) {
	ab, c := shard(t, map[string]string{"format": "pt"}, "a", "b"), shard(t, map[string]string{"format": "np", "n": "1"}, "c")
	tests := []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"one file", map[string]string{"model.safetensors": ab}, "[a b] pt"},
		{"one file beside an index", map[string]string{"model.safetensors": ab, indexName: "{}"}, "[a b] pt"},
		{"two shards", map[string]string{indexName: indexOf("a", "1", "b", "1", "c", "2"), "1": ab, "2": c}, "[a b c] pt"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := OpenCheckpoint(folder(t, tt.files))
			if err != nil {
				t.Fatal(err)
			}
			if s := fmt.Sprint(got.Names(), " ", got.Metadata()["format"]); s != tt.want {
				t.Errorf("got %v, want %v", s, tt.want)
			}
			x, err := got.Tensor("b")
			if err != nil || !got.Has("b") || x.Data[0] != 1 {
				t.Errorf("got tensor %v, error %v, want the element 1", x, err)
			}
			if _, err = got.Tensor("d"); got.Has("d") || err == nil {
				t.Errorf("got error %v, want that there is no d", err)
			}
			checkErr(t, got.Close(), "")
		})
	}
}

func TestOpenCheckpointRefuses(t *testing.T) {
	ab, c := shard(t, nil, "a", "b"), shard(t, nil, "c")
	tests := []struct {
		name    string
		files   map[string]string
		wantErr string
	}{
		{"nothing", nil, "neither model.safetensors nor model.safetensors.index.json"},
		{"corrupt file", map[string]string{"model.safetensors": "x"}, "model.safetensors: 1 bytes, want at least 8"},
		{"empty file", map[string]string{"model.safetensors": ""}, "model.safetensors: 0 bytes, want at least 8"},
		{"missing tensor", map[string]string{indexName: indexOf("a", "1", "b", "1", "z", "1"), "1": ab}, `no tensor "z", which the index puts there`},
		{"missing file", map[string]string{indexName: indexOf("a", "1", "b", "1", "c", "2"), "1": ab}, "no such file"},
		{"extra tensor", map[string]string{indexName: indexOf("a", "1"), "1": ab}, `tensor "b" is not in the index`},
		{"in two files", map[string]string{indexName: indexOf("a", "1", "b", "1", "c", "2"), "1": ab, "2": shard(t, nil, "a", "c")},
			`2: tensor "a" is here, but the index puts it in "1"`},
		{"in the other file", map[string]string{indexName: indexOf("a", "1", "b", "2", "c", "2"), "1": ab, "2": c}, `tensor "b" is here, but the index puts it in "2"`},
		{"corrupt shard", map[string]string{indexName: indexOf("a", "1"), "1": ab[:20]}, "header length"},
		{"no map", map[string]string{indexName: `{"metadata":{}}`}, "no weight_map"},
		{"map twice", map[string]string{indexName: `{"weight_map":{},"weight_map":{}}`}, `key "weight_map" occurs twice`},
		{"tensor twice", map[string]string{indexName: indexOf("a", "1", "a", "1"), "1": ab}, `key "a" occurs twice`},
		{"not JSON", map[string]string{indexName: `x`}, "invalid character 'x'"},
		{"deep", map[string]string{indexName: `{"metadata":[[[[[]]]]],"weight_map":{}}`}, "nested more than 4 deep"},
		{"file is a number", map[string]string{indexName: `{"weight_map":{"a":1}}`}, `weight_map: tensor "a": found 1, want a string`},
	}
	for _, name := range []string{"../1", "/1", "x/1", `x\1`, "..", ".", "", "C:1"} {
		tests = append(tests, struct {
			name    string
			files   map[string]string
			wantErr string
		}{"file " + name, map[string]string{indexName: indexOf("a", name)}, "want the name of a file in the same folder"})
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := OpenCheckpoint(folder(t, tt.files))
			checkErr(t, err, tt.wantErr)
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	_, err := Open(filepath.Join(t.TempDir(), "none"))
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got error %v, want fs.ErrNotExist", err)
	}
	_, err = Open(t.TempDir())
	checkErr(t, err, "want a regular file")
}

func FuzzParseIndex(f *testing.F) {
	f.Add([]byte(indexOf("a", "1", "b", "2")))
	f.Add([]byte(`{"weight_map":{"a":"../1"}}`))
	f.Add([]byte(strings.Repeat(`{"metadata":[`, 100)))
	f.Fuzz(func(t *testing.T, text []byte) {
		index, err := parseIndex(text)
		if err != nil {
			return
		}
		for name, file := range index {
			if !filepath.IsLocal(file) || filepath.Base(file) != file {
				t.Errorf("tensor %q: file %q accepted", name, file)
			}
		}
	})
}

// TestOpenCheckpointAt opens files that have other names where they lie, and
// names them as the folder does.
func TestOpenCheckpointAt(t *testing.T) {
	dir := folder(t, map[string]string{"x1": shard(t, nil, "a"), "x2": shard(t, nil, "b"), "x3": indexOf("a", "1", "b", "2"), "x4": "none"})
	at := map[string]string{"1": "x1", "2": "x2", indexName: "x3"}
	locate := func(name string) (string, error) {
		if at[name] == "" {
			return "", fs.ErrNotExist
		}
		return filepath.Join(dir, at[name]), nil
	}
	c, err := OpenCheckpointAt("here", locate)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(c.Names(), " "); got != "a b" || c.Close() != nil {
		t.Errorf("got %s, want a b", got)
	}
	for _, tt := range []struct{ name, file, want string }{
		{"2", "x4", "2: "},
		{"2", "x1", filepath.Join("here", "2") + `: tensor "a" is here, but the index puts it in "1"`},
		{"2", "", "file does not exist"},
		{indexName, "", "here: neither model.safetensors nor model.safetensors.index.json"},
		{"model.safetensors", "x4", "model.safetensors: "},
	} {
		at = map[string]string{"1": "x1", "2": "x2", indexName: "x3"}
		at[tt.name] = tt.file
		if _, err := OpenCheckpointAt("here", locate); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.file, err, tt.want)
		}
	}
}
