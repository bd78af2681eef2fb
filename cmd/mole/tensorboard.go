package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"github.com/lmittmann/tint"

	"mole/tensorboard"
)

// tensorboardCmd is mole tensorboard.
type tensorboardCmd struct {
	Serve   tensorboardServeCmd   `cmd:"" help:"Show the curves of runs on a web page, while they run and after."`
	Cleanup tensorboardCleanupCmd `cmd:"" help:"Remove the event files of old runs."`
}

// Help shows how the commands are used.
func (*tensorboardCmd) Help() string {
	return `Training runs write event files as TensorBoard does. serve shows them in a browser without it: curves of several runs together, smoothed if wanted, texts and pictures; the page follows runs at work and loads nothing from elsewhere. docs/tensorboard.md describes the files and the page.

    mole tensorboard serve
    mole tensorboard serve --root mole-demo/tb_logs --port 7000
    mole tensorboard cleanup
    mole tensorboard cleanup --older-than 7d --yes` + exitHelp
}

// The folders of event files in the state folder: those of routers, and those
// of experts, which the predecessor's router trainer used as well.
const (
	routerLogs = "tb_logs"
	expertLogs = "tensorboard"
)

// tensorboardServeCmd is mole tensorboard serve.
type tensorboardServeCmd struct {
	Root    []string `placeholder:"DIR" help:"Folder with runs at any depth; may be repeated. Default: tb_logs and tensorboard in the state folder."`
	Host    string   `default:"127.0.0.1" placeholder:"HOST" help:"Address to listen at; 0.0.0.0 is every network of this machine. Default: 127.0.0.1, this machine alone."`
	Port    int      `default:"6006" placeholder:"N" help:"Port to listen at, 0 for any that is free. Default: 6006."`
	State   string   `default:".mole" env:"MOLE_STATE" placeholder:"DIR" help:"Folder of this machine's state. Default: .mole."`
	Verbose bool     `short:"v" help:"Log every request."`
}

// Run serves until a signal comes.
func (c *tensorboardServeCmd) Run(ctx context.Context, out io.Writer, errs errorWriter) error {
	level := slog.LevelWarn
	if c.Verbose {
		level = slog.LevelDebug
	}
	s, err := tensorboard.New(tensorboard.Options{
		Roots: c.roots(), Version: readBuild().Version,
		Log: slog.New(tint.NewTextHandler(errs, &tint.Options{Level: level, NoColor: !isTerminal(errs)})),
	})
	if err != nil {
		return err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(c.Host, strconv.Itoa(c.Port)))
	if err != nil {
		return hintedError{err, "--port takes another port, 0 one that is free"}
	}
	if _, err := fmt.Fprintf(out, "http://%s\n", l.Addr()); err != nil {
		return err
	}
	return s.Run(ctx, l)
}

// roots returns the folders to show.
func (c *tensorboardServeCmd) roots() []tensorboard.Root {
	dirs := c.Root
	if len(dirs) == 0 {
		dirs = []string{filepath.Join(c.State, routerLogs), filepath.Join(c.State, expertLogs)}
	}
	var roots []tensorboard.Root
	for _, dir := range dirs {
		roots = append(roots, tensorboard.Root{Name: filepath.Base(dir), Path: dir, FS: os.DirFS(dir)})
	}
	return roots
}
