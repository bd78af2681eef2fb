package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"mole/tensorboard"
)

// tensorboardCleanupCmd is mole tensorboard cleanup.
type tensorboardCleanupCmd struct {
	Trainer   string  `default:"all" enum:"lora,router,all" placeholder:"WHO" help:"Runs of experts (lora), of routers (router), or all. Default: all."`
	Select    string  `placeholder:"WHICH" help:"Numbers of the list, such as '0 2-4'; all; or old, which is older than seven days. Default: to be asked."`
	OlderThan daySpan `placeholder:"TIME" help:"Only runs that were last written longer ago: 7d, 36h."`
	Yes       bool    `help:"Remove without asking."`
	State     string  `default:".mole" env:"MOLE_STATE" placeholder:"DIR" help:"Folder of this machine's state. Default: .mole."`
}

// daySpan is a time on the command line, which may be in days: 7d.
type daySpan time.Duration

const day = 24 * time.Hour

// UnmarshalText reads a duration.
func (d *daySpan) UnmarshalText(text []byte) error {
	s := string(text)
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseFloat(days, 64)
		if err != nil || n < 0 || n > 36500 {
			return fmt.Errorf("%q: want a number of days, such as 7d", s)
		}
		*d = daySpan(n * float64(day))
		return nil
	}
	v, err := time.ParseDuration(s)
	if err == nil && v < 0 {
		err = fmt.Errorf("%q: want a time that is not negative", s)
	}
	*d = daySpan(v)
	return err
}

// Run lists the runs and removes those that are chosen.
func (c *tensorboardCleanupCmd) Run(ctx context.Context, out io.Writer) error {
	folders := map[string][]string{"router": {routerLogs}, "lora": {expertLogs}, "all": {routerLogs, expertLogs}}
	var roots []string
	for _, folder := range folders[c.Trainer] {
		roots = append(roots, filepath.Join(c.State, folder))
	}
	list, err := tensorboard.List(roots)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		_, err := fmt.Fprintln(out, "no runs")
		return err
	}
	now := time.Now()
	if err := tensorboard.WriteTable(out, list, now, isTerminal(out)); err != nil {
		return err
	}
	answers := new(answers)
	chosen, err := c.choose(ctx, out, answers, list, now)
	if err != nil {
		return err
	}
	if len(chosen) == 0 {
		_, err := fmt.Fprintln(out, "nothing to remove")
		return err
	}
	ok, err := c.confirm(ctx, out, answers, chosen)
	if err != nil || !ok {
		return err
	}
	removed, bytes, err := tensorboard.Remove(chosen, func(l tensorboard.Logged) { fmt.Fprintf(out, "%s is being written: it stays\n", l.Name) })
	fmt.Fprintf(out, "removed %d runs, %.2f MB\n", removed, float64(bytes)/1e6)
	return err
}

// choose returns the runs to remove, without those that are being written.
func (c *tensorboardCleanupCmd) choose(ctx context.Context, out io.Writer, answers *answers, list []tensorboard.Logged, now time.Time) ([]tensorboard.Logged, error) {
	which := c.Select
	if which == "" && c.OlderThan > 0 {
		which = "all"
	}
	if which == "" {
		fmt.Fprint(out, "remove which? numbers such as 0 2-4, all, old (older than 7 days), Enter for none: ")
		line, err := answers.line(ctx)
		if err != nil {
			return nil, err
		}
		which = line
	}
	numbers, err := tensorboard.Select(which, list, now)
	if err != nil {
		return nil, err
	}
	var chosen []tensorboard.Logged
	for _, i := range numbers {
		l := list[i]
		switch {
		case now.Sub(l.Modified) < time.Duration(c.OlderThan):
		case l.InUse:
			fmt.Fprintf(out, "%d %s is being written: it stays\n", i, l.Name)
		default:
			chosen = append(chosen, l)
		}
	}
	return chosen, nil
}

// confirm asks whether to go on; what is not a yes is a no.
func (c *tensorboardCleanupCmd) confirm(ctx context.Context, out io.Writer, answers *answers, chosen []tensorboard.Logged) (bool, error) {
	if c.Yes {
		return true, nil
	}
	var bytes int64
	for _, l := range chosen {
		bytes += l.Bytes
	}
	fmt.Fprintf(out, "remove the event files of %d runs, %.2f MB? [y/N] ", len(chosen), float64(bytes)/1e6)
	line, err := answers.line(ctx)
	if err != nil {
		return false, err
	}
	if line = strings.ToLower(line); line != "y" && line != "yes" {
		_, err := fmt.Fprintln(out, "nothing was removed")
		return false, err
	}
	return true, nil
}

// answers reads what a person types, from the first question on. Waiting for it
// ends with the context.
type answers struct{ lines chan string }

// line returns the next line without white space around it, "" after the end.
func (a *answers) line(ctx context.Context) (string, error) {
	if a.lines == nil {
		a.lines = make(chan string)
		go func(in io.Reader) {
			defer close(a.lines)
			for s := bufio.NewScanner(in); s.Scan(); {
				a.lines <- s.Text()
			}
		}(os.Stdin)
	}
	select {
	case s := <-a.lines:
		return strings.TrimSpace(s), nil
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}
