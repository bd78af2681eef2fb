package main

import (
	"fmt"
	"io"
	"os"
	"time"
)

// progressLine shows how far a stage is: one line that changes, on a terminal,
// and elsewhere a line at the beginning of each phase.
type progressLine struct {
	w        io.Writer
	terminal bool
	what     string
	began    time.Time
	drawn    time.Time
	open     bool // the line on the terminal has no end yet
}

func newProgressLine(w io.Writer) *progressLine {
	return &progressLine{w: w, terminal: isTerminal(w)}
}

// isTerminal reports whether w is a terminal.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// update shows what is being done, and with a total how much of it and how
// long it will take.
func (p *progressLine) update(what string, done, total int64) {
	now := time.Now()
	fresh := what != p.what
	if fresh {
		p.end()
		p.what, p.began = what, now
	}
	if !p.terminal {
		if fresh {
			fmt.Fprintf(p.w, "%s\n", what)
		}
		return
	}
	const often = 100 * time.Millisecond
	if !fresh && now.Sub(p.drawn) < often && done != total {
		return
	}
	p.drawn, p.open = now, true
	fmt.Fprintf(p.w, "\r\033[K%s%s", what, share(done, total, now.Sub(p.began)))
}

// share returns " 12 of 70, 17 %, 3s left".
func share(done, total int64, since time.Duration) string {
	if total <= 0 {
		return ""
	}
	text := fmt.Sprintf("  %d of %d, %d %%", done, total, 100*done/total)
	if done > 0 && done < total {
		left := time.Duration(float64(since) * float64(total-done) / float64(done))
		text += fmt.Sprintf(", %v left", left.Round(time.Second))
	}
	return text
}

// end ends the line, so that something else can be printed.
func (p *progressLine) end() {
	if p.open {
		fmt.Fprint(p.w, "\r\033[K")
	}
	p.open = false
}

// step is update for a line whose text changes with every step: the phase is
// its first word.
func (p *progressLine) step(text string, done, total int64) {
	if !p.terminal {
		const parts = 5
		if done == 1 || done == total || done%max(total/parts, 1) == 0 {
			fmt.Fprintf(p.w, "%s  step %d of %d\n", text, done, total)
		}
		return
	}
	if done == 1 || p.what != "train" {
		p.what, p.began = "train", time.Now()
	}
	p.open = true
	fmt.Fprintf(p.w, "\r\033[K%s%s", text, share(done, total, time.Since(p.began)))
}
