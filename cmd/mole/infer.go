package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"mole/expert"
	"mole/route"
	"mole/serve"
)

// inferCmd is mole infer.
type inferCmd struct {
	routerFlags
	Images     []string `arg:"" optional:"" name:"image" help:"Pictures (PNG, JPEG, WebP), folders of pictures, or - for standard input."`
	Image      []string `name:"image" hidden:"" sep:"none" help:"The same."`
	Prompt     string   `placeholder:"TEXT" help:"The instruction. It counts only where the router was trained to read it."`
	Expert     string   `placeholder:"NAME" help:"Name or label of the expert: the router is not asked."`
	JSON       bool     `name:"json" help:"Print one JSON object."`
	UnsureExit bool     `help:"Exit with status 1 if a decision is unsure."`
}

// Help shows how the command is used.
func (*inferCmd) Help() string {
	return `Shows pictures to the deployed router and prints, for each, which expert it belongs to, the probability of every expert, and whether that is to be relied on. The expert's own answer is not generated yet.

    mole infer screenshot.png
    mole infer --rung linear --json screens/
    cat screenshot.png | mole infer - --unsure-exit` + exitHelp
}

// inferred is the answer about one picture.
type inferred struct {
	Image  string `json:"image"`            // as on the command line, or a file in a folder
	SHA256 string `json:"sha256,omitempty"` // of the file
	serve.Response
}

// Run routes the pictures.
func (c *inferCmd) Run(ctx context.Context, out io.Writer, errs errorWriter) (err error) {
	names, err := pictureNames(slices.Concat(c.Images, c.Image))
	if err != nil {
		return err
	}
	ch, err := c.open(out, errs)
	if err != nil {
		return err
	}
	defer ch.finish(&err)
	d, err := c.openRouter(ctx, ch, newWriters(ch, c.routerFlags, writerFlags{RouteOnly: true}))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Router.Close()) }()
	answers := []inferred{}
	for _, name := range names {
		a, err := c.infer(ctx, d, name)
		if err != nil {
			return err
		}
		answers = append(answers, a)
		if !c.JSON {
			writeAnswer(out, a)
		}
	}
	if c.JSON {
		if err := writeObject(out, map[string]any{"answers": answers, "router": d.About}); err != nil {
			return err
		}
	}
	return c.verdict(answers)
}

// verdict returns an error if pictures could not be read, or are unsure and
// that matters.
func (c *inferCmd) verdict(answers []inferred) error {
	unread, unsure := 0, 0
	for _, a := range answers {
		if a.Error != nil {
			unread++
		}
		if a.Unsure {
			unsure++
		}
	}
	switch {
	case unread > 0:
		return fmt.Errorf("%d of %d pictures were not read", unread, len(answers))
	case unsure > 0 && c.UnsureExit:
		return fmt.Errorf("%d of %d decisions are unsure", unsure, len(answers))
	}
	return nil
}

// infer answers about one picture. One that cannot be read gives an answer with
// an error.
func (c *inferCmd) infer(ctx context.Context, d *serve.Deployment, name string) (inferred, error) {
	begin := time.Now()
	file, err := readPicture(name)
	a := inferred{Image: name}
	switch {
	case err != nil:
	case c.Expert == "":
		var answer route.Answer
		if answer, err = d.Router.Route(ctx, file, c.Prompt); err == nil {
			a.SHA256, a.Response = answer.Image, serve.Routed(d.Experts, d.About.Model, answer, time.Since(begin))
		}
	default:
		var e expert.Expert
		if e, err = serve.ParseExpert(d.Experts, c.Expert); err != nil {
			return a, err
		}
		var decode time.Duration
		if decode, err = d.Router.Check(ctx, file); err == nil {
			a.Response = serve.Chosen(e, d.About.Model, decode, time.Since(begin))
		}
	}
	if err != nil && (errors.Is(err, route.ErrImage) || errors.As(err, new(*fs.PathError))) {
		text := err.Error()
		a.Error, err = &text, nil
	}
	return a, err
}

// standardInput is the name of a picture that is read from there.
const standardInput = "-"

// readPicture reads the file of a picture.
func readPicture(name string) ([]byte, error) {
	if name == standardInput {
		return io.ReadAll(os.Stdin)
	}
	return os.ReadFile(name)
}

// pictureNames returns the files that arguments stand for: folders are replaced
// by the pictures in and below them.
func pictureNames(args []string) ([]string, error) {
	if len(args) == 0 {
		return nil, errors.New("no picture is named: want files, folders, or - for standard input")
	}
	var names []string
	for _, arg := range args {
		info, err := os.Stat(arg)
		if arg == standardInput || err != nil || !info.IsDir() {
			names = append(names, arg) // reading tells what is wrong
			continue
		}
		inside, err := picturesIn(arg)
		if err != nil {
			return nil, err
		}
		names = append(names, inside...)
	}
	return names, nil
}

// picturesIn returns the pictures in and below a folder.
func picturesIn(dir string) ([]string, error) {
	var names []string
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && slices.Contains([]string{".png", ".jpg", ".jpeg", ".webp"}, strings.ToLower(filepath.Ext(name))) {
			names = append(names, name)
		}
		return err
	})
	if err == nil && names == nil {
		err = fmt.Errorf("%s: no pictures (png, jpg, jpeg, webp)", dir)
	}
	return names, err
}

// writeAnswer prints an answer for people: the decision, then a bar for each
// expert.
func writeAnswer(w io.Writer, a inferred) {
	switch {
	case a.Error != nil:
		fmt.Fprintf(w, "%s: %s\n", a.Image, *a.Error)
		return
	case !a.Routed:
		fmt.Fprintf(w, "%s: %s, as you chose\n", a.Image, a.Adapter)
		return
	case a.Unsure:
		fmt.Fprintf(w, "%s: unsure (%s); nearest is %s\n", a.Image, a.Reason, a.Adapter)
	default:
		fmt.Fprintf(w, "%s: %s\n", a.Image, a.Adapter)
	}
	names := sortedScores(a.Scores)
	width := 0
	for _, name := range names {
		width = max(width, len(name))
	}
	for _, name := range names {
		p := a.Scores[name]
		fmt.Fprintf(w, "  %-*s  %s %5.1f %%\n", width, name, bar(p), 100*p)
	}
	fmt.Fprintf(w, "  read in %.1f ms, routed in %.1f ms\n", 1000*a.Timings["decode"], 1000*a.Timings["route"])
}

// sortedScores returns the names of experts, the most probable first.
func sortedScores(scores map[string]float64) []string {
	var names []string
	for name := range scores {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(scores[b], scores[a]), strings.Compare(a, b))
	})
	return names
}

// bar returns a bar of 20 columns for a probability, to an eighth of a column.
func bar(p float64) string {
	const columns = 20
	eighths := min(max(int(p*8*columns+0.5), 0), 8*columns)
	text := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		text += string([]rune("▏▎▍▌▋▊▉")[rest-1])
	}
	return text + strings.Repeat(" ", columns-len([]rune(text)))
}
