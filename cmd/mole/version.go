package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"
)

// versionCmd is mole version.
type versionCmd struct{}

// Help shows what the command prints beyond its one line of help.
func (*versionCmd) Help() string {
	return `Print version, revision, Go version and platform on one line. The kernels that this processor runs are in the output of mole doctor.

    mole version` + exitHelp
}

// Run prints the version.
func (*versionCmd) Run(w io.Writer) error {
	_, err := fmt.Fprintf(w, "mole %v\n", readBuild())
	return err
}

// build says what this program was built from, and by what.
type build struct {
	Version  string `json:"version"`            // of the module, "(devel)" in a checkout
	Revision string `json:"revision,omitempty"` // of the version control system
	Time     string `json:"time,omitempty"`     // of that revision
	Modified bool   `json:"modified"`           // the checkout had changes
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// readBuild reads what the go command wrote into the program.
func readBuild() build {
	b := build{Version: "(devel)", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if info.Main.Version != "" {
		b.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.time":
			b.Time = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

// String returns the build on one line.
func (b build) String() string {
	parts := []string{b.Version}
	if b.Revision != "" {
		revision := fmt.Sprintf("revision %.12s", b.Revision)
		if b.Modified {
			revision += " with changes"
		}
		parts = append(parts, revision)
	}
	return strings.Join(append(parts, b.Go, b.Platform), ", ")
}
