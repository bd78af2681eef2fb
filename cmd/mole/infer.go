package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"mole/generate"
	"mole/route"
	"mole/serve"
)

// inferCmd is mole infer.
type inferCmd struct {
	routerFlags
	writerFlags
	Images       []string `arg:"" optional:"" name:"image" help:"Pictures (PNG, JPEG, WebP), folders of pictures, files of tasks (.jsonl), or - for a picture on standard input."`
	Image        []string `name:"image" hidden:"" sep:"none" help:"The same."`
	Prompt       string   `placeholder:"TEXT" help:"The instruction: the expert answers it. Without one there is a decision only."`
	Expert       string   `placeholder:"NAME" help:"Name or label of the expert, or base for no adapter: the router is not asked."`
	Direct       bool     `help:"The same as --expert base."`
	Unsure       string   `default:"error" placeholder:"WHAT" help:"Who answers when the router is unsure: error for nobody, base, or expert:NAME. Default: error."`
	MaxNewTokens int      `default:"512" placeholder:"N" help:"Tokens of an answer. Default: 512."`
	Temperature  float64  `placeholder:"T" help:"0 takes the most probable token, 1 draws from the probabilities as they are. Default: 0."`
	TopP         float64  `placeholder:"P" help:"Draw from the fewest tokens that have so much probability together. Default: all."`
	Seed         uint64   `placeholder:"N" help:"Of what is drawn. Default: 0."`
	Constrain    string   `enum:",tool-call" default:"" placeholder:"NAME" help:"tool-call: the answer is calls of functions and nothing else. Default: free."`
	JSON         bool     `name:"json" help:"Print one JSON object."`
	JSONL        bool     `name:"jsonl" help:"Print a line of JSON for each picture, as it comes."`
	UnsureExit   bool     `help:"Exit with status 1 if a decision is unsure."`
}

// Help shows how the command is used.
func (*inferCmd) Help() string {
	return `Shows pictures to the deployed router and prints, for each, which expert it belongs to, the probability of every expert, and whether that is to be relied on. With an instruction, that expert answers. A line of a file of tasks is {"image": FILE, "prompt": TEXT, "expert": NAME}; files are named from the folder of theirs, and the last two may be left out.

    mole infer screenshot.png
    mole infer screenshot.png --prompt "open the calendar"
    mole infer --rung linear --json screens/
    mole infer tasks.jsonl --jsonl > answers.jsonl
    cat screenshot.png | mole infer - --unsure-exit` + exitHelp
}

// inferred is the answer about one picture.
type inferred struct {
	Image  string `json:"image"`            // as on the command line, or a file in a folder
	SHA256 string `json:"sha256,omitempty"` // of the file
	Prompt string `json:"prompt,omitempty"`
	serve.Response
}

// Run asks about the pictures.
func (c *inferCmd) Run(ctx context.Context, out io.Writer, errs errorWriter) (err error) {
	tasks, err := c.tasks()
	if err != nil {
		return err
	}
	ch, err := c.open(out, errs)
	if err != nil {
		return err
	}
	defer ch.finish(&err)
	c.RouteOnly = c.RouteOnly || !slices.ContainsFunc(tasks, inferTask.wantsAnswer)
	d, err := c.openRouter(ctx, ch, newWriters(ch, c.routerFlags, c.writerFlags))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	s, err := serve.New(serve.Options{
		Source: c.source(ch, 1, nil), Unsure: serve.Unsure(c.Unsure), Constrain: generate.Constraint(c.Constrain), MaxTokens: c.MaxNewTokens, Log: ch.Log,
	})
	if err != nil {
		return err
	}
	answers := []inferred{}
	for i, t := range tasks {
		if len(tasks) > 1 {
			ch.progress.update("answer", int64(i), int64(len(tasks)))
		}
		a, err := c.infer(ctx, s, d, t, c.teller(out, len(tasks)))
		if err == nil {
			err = c.print(out, a, len(tasks) == 1)
		}
		if err != nil {
			return err
		}
		answers = append(answers, a)
	}
	return c.conclude(out, answers, d.About)
}

// conclude prints what is printed at the end, and returns the verdict.
func (c *inferCmd) conclude(out io.Writer, answers []inferred, about serve.About) error {
	if c.JSON {
		if err := writeObject(out, map[string]any{"answers": answers, "router": about}); err != nil {
			return err
		}
	}
	return c.verdict(answers)
}

// teller returns what prints an answer while it is written, nil if nobody
// watches one answer.
func (c *inferCmd) teller(out io.Writer, tasks int) func(string) {
	if c.JSON || c.JSONL || tasks > 1 {
		return nil
	}
	return func(text string) { fmt.Fprint(out, text) }
}

// print prints an answer, unless all come in one object. What the expert says of
// the only picture was printed already.
func (c *inferCmd) print(out io.Writer, a inferred, only bool) error {
	switch {
	case c.JSON:
	case c.JSONL:
		enc := json.NewEncoder(out)
		enc.SetEscapeHTML(false)
		return enc.Encode(a)
	default:
		if a.Output != nil && only {
			fmt.Fprintln(out)
		} else if a.Output != nil {
			fmt.Fprintln(out, *a.Output)
		}
		writeAnswer(out, a)
	}
	return nil
}

// verdict returns an error if pictures have no answer, or are unsure and
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
		return fmt.Errorf("%d of %d pictures have no answer", unread, len(answers))
	case unsure > 0 && c.UnsureExit:
		return fmt.Errorf("%d of %d decisions are unsure", unsure, len(answers))
	}
	return nil
}

// infer answers about one picture. One that cannot be read gives an answer with
// an error.
func (c *inferCmd) infer(ctx context.Context, s *serve.Server, d *serve.Deployment, t inferTask, tell func(string)) (inferred, error) {
	a := inferred{Image: t.Image, Prompt: t.Prompt}
	file, err := readPicture(t.Image)
	if err == nil {
		sum := sha256.Sum256(file)
		a.SHA256 = hex.EncodeToString(sum[:])
		a.Response, err = s.Ask(ctx, d, serve.Ask{Image: file, Prompt: t.Prompt, Expert: t.Expert, Tell: tell, Request: generate.Request{
			Sampling: generate.Sampling{Temperature: c.Temperature, TopP: c.TopP, Seed: c.Seed}, Constrain: generate.Constraint(c.Constrain),
		}})
	}
	if err != nil && (errors.Is(err, route.ErrImage) || errors.As(err, new(*fs.PathError))) {
		text := err.Error()
		a.Error, err = &text, nil
	}
	return a, err
}

// writeAnswer prints a decision for people, with a bar for each expert.
func writeAnswer(w io.Writer, a inferred) {
	switch {
	case a.Error != nil && !a.Routed:
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
	fmt.Fprintf(w, "  read in %.1f ms, routed in %.1f ms", 1000*a.Timings["decode"], 1000*a.Timings["route"])
	if a.Output != nil {
		fmt.Fprintf(w, ", answered in %.1f ms", 1000*a.Timings["generate"])
	}
	fmt.Fprintln(w)
	if a.Error != nil {
		fmt.Fprintf(w, "  no answer: %s\n", *a.Error)
	}
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
