package dataset

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"mole/expert"
)

// drawn returns a PNG of w x h pixels with two areas whose place depends on n,
// so that pictures with other n differ, and do not look alike either.
func drawn(w, h, n int) []byte {
	im := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			cell := uint32(x*12/w)*7 + uint32(y*12/h)*131 + uint32(n)*2654435761
			cell = (cell ^ cell>>13) * 2246822519
			im.SetRGBA(x, y, color.RGBA{uint8(cell >> 24), uint8(cell >> 16), uint8(n), 255})
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, im); err != nil {
		panic(err)
	}
	return b.Bytes()
}

var (
	section  = regexp.MustCompile(`(?m)^-- (\S+)(?: (.+))? --$`)
	lineOf   = regexp.MustCompile(`^(.+):(\d+)$`)
	drawing  = regexp.MustCompile(`^(\d+)x(\d+) (\d+)$`)
	cutShort = regexp.MustCompile(`^cut (\d+)$`)
)

// unpack adds the files of an archive to a file system and returns the text
// before them. A section "-- file --" is a file, "-- file:3 --" its third line,
// "-- file WxH n --" a picture, "-- file cut n --" the first bytes of the file,
// "-- file delete --" none.
func unpack(t testing.TB, fsys fstest.MapFS, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	marks := section.FindAllStringSubmatchIndex(text, -1)
	for i, m := range marks {
		end := len(text)
		if i+1 < len(marks) {
			end = marks[i+1][0]
		}
		how := ""
		if m[4] >= 0 {
			how = text[m[4]:m[5]]
		}
		unpackOne(t, fsys, text[m[2]:m[3]], how, strings.TrimPrefix(text[m[1]:end], "\n"))
	}
	return text[:marks[0][0]]
}

// unpackOne adds one section.
func unpackOne(t testing.TB, fsys fstest.MapFS, name, how, body string) {
	t.Helper()
	atoi := func(s string) int { n, _ := strconv.Atoi(s); return n }
	line, draw, cut := lineOf.FindStringSubmatch(name), drawing.FindStringSubmatch(how), cutShort.FindStringSubmatch(how)
	switch {
	case how == "delete":
		delete(fsys, name)
	case draw != nil:
		fsys[name] = &fstest.MapFile{Data: drawn(atoi(draw[1]), atoi(draw[2]), atoi(draw[3]))}
	case cut != nil:
		fsys[name] = &fstest.MapFile{Data: fsys[name].Data[:atoi(cut[1])]}
	case line != nil:
		lines := strings.SplitAfter(string(fsys[line[1]].Data), "\n")
		lines[atoi(line[2])-1] = body
		fsys[line[1]] = &fstest.MapFile{Data: []byte(strings.Join(lines, ""))}
	default:
		fsys[name] = &fstest.MapFile{Data: []byte(body)}
	}
}

// expertSet returns the good expert dataset of testdata.
func expertSet(t *testing.T) fstest.MapFS {
	fsys := fstest.MapFS{}
	unpack(t, fsys, "testdata/expert.txt")
	return fsys
}

// join writes data.jsonl from the splits, unless a case brings its own.
func join(fsys fstest.MapFS, splits ...string) {
	if fsys["data.jsonl"] != nil {
		return
	}
	var all []byte
	for _, name := range splits {
		if f := fsys[name]; f != nil {
			all = append(all, f.Data...)
		}
	}
	fsys["data.jsonl"] = &fstest.MapFile{Data: all}
}

var corpusTable = expert.Table{{Name: "calendar", Label: 0}, {Name: "claim-window", Label: 1}}

// validateCase validates the dataset of a case and returns the problems, a line
// each, and those that are wanted.
func validateCase(t *testing.T, name string) (got, want string) {
	fsys := fstest.MapFS{}
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(data), "\n")
	kind, own, _ := strings.Cut(first, " ")
	o := ValidateOptions{Own: own == "own", Pixels: own == "pixels"}
	unpack(t, fsys, "testdata/"+kind+".txt")
	_, want, _ = strings.Cut(unpack(t, fsys, name), "\n")
	var problems []Problem
	if kind == "expert" {
		join(fsys, "train.jsonl", "val.jsonl", "held_out.jsonl")
		problems = ValidateExpert(fsys, o)
	} else {
		join(fsys, "train.jsonl", "val.jsonl", "test.jsonl")
		o.Experts = corpusTable
		if o.Datasets, err = fs.Sub(fsys, "datasets"); err != nil {
			t.Fatal(err)
		}
		problems = ValidateRouting(fsys, o)
	}
	for _, p := range problems {
		got += fmt.Sprintln(p)
	}
	return got, want
}

// TestBrokenCorpus validates datasets with one fault each (scenario 19). The
// messages are what people read, so they are compared whole.
func TestBrokenCorpus(t *testing.T) {
	names, err := filepath.Glob("testdata/broken/*.txt")
	if err != nil || len(names) < 30 {
		t.Fatalf("got %d cases, %v, want 30", len(names), err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) {
			if got, want := validateCase(t, name); got != want {
				t.Errorf("got:\n%swant:\n%s", got, want)
			}
		})
	}
}

// TestValidate makes sure that there is nothing to say about good datasets.
func TestValidate(t *testing.T) {
	for _, o := range []ValidateOptions{{}, {Own: true}, {Own: true, Pixels: true}} {
		fsys := expertSet(t)
		join(fsys, "train.jsonl", "val.jsonl")
		if got := ValidateExpert(fsys, o); len(got) > 0 {
			t.Errorf("expert, %+v: got %v", o, got)
		}
		fsys = fstest.MapFS{}
		unpack(t, fsys, "testdata/routing.txt")
		join(fsys, "train.jsonl", "val.jsonl", "test.jsonl")
		o.Own = false // the metadata are those of an older program
		o.Datasets, _ = fs.Sub(fsys, "datasets")
		if got := ValidateRouting(fsys, o); len(got) > 0 {
			t.Errorf("routing, %+v: got %v", o, got)
		}
	}
}
