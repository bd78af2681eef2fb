package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"text/tabwriter"

	"mole/device/cpu"
	"mole/internal/kernel"
)

// doctorCmd is mole doctor.
type doctorCmd struct {
	JSON bool `name:"json" help:"Print everything as one JSON object."`
}

// Help shows how the command is used.
func (*doctorCmd) Help() string {
	return `Print processor, kernels, threads and memory as this program sees them, then run a small recorded case of the reference implementation that is part of the program and compare every number.

    mole doctor
    mole doctor --json
    MOLE_DEBUG_CPU=generic mole doctor    with the kernels of that tier` + exitHelp
}

// Run prints the diagnosis. A case that does not give the recorded numbers is
// an error.
func (c *doctorCmd) Run(ctx context.Context, w io.Writer) error {
	d, failure := diagnose(ctx)
	var err error
	if c.JSON {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		err = e.Encode(d)
	} else {
		err = d.write(w)
	}
	return errors.Join(err, failure)
}

// diagnosis is what the command finds out.
type diagnosis struct {
	Build     build     `json:"build"`
	Processor processor `json:"processor"`
	Kernels   kernels   `json:"kernels"`
	Threads   threads   `json:"threads"`
	Host      host      `json:"host"`
	Case      verdict   `json:"case"`
}

// processor is [kernel.CPU] with names for JSON.
type processor struct {
	Model    string   `json:"model"`
	Features []string `json:"features"`
	Cores    int      `json:"cores"`
}

// kernels says which tier was taken and which there are.
type kernels struct {
	Tier  string      `json:"tier"` // "" if the device did not open
	Why   string      `json:"why"`
	Tiers []tierState `json:"tiers"`
}

// tierState says whether this machine runs the kernels of a tier.
type tierState struct {
	Name      string `json:"name"`
	Supported bool   `json:"supported"`
	Why       string `json:"why,omitempty"` // not
}

// threads says how many goroutines compute at once.
type threads struct {
	Workers    int `json:"workers"`
	GOMAXPROCS int `json:"gomaxprocs"`
}

// diagnose looks at everything. The error says what is wrong with this machine
// or this build; the diagnosis holds what could be found out.
func diagnose(ctx context.Context) (diagnosis, error) {
	d := diagnosis{
		Build:     readBuild(),
		Processor: processor(kernel.Processor()),
		Kernels:   kernels{Tiers: tierStates()},
		Threads:   threads{GOMAXPROCS: runtime.GOMAXPROCS(0)},
		Host:      readHost(os.DirFS("/")),
	}
	dev, err := cpu.Open(cpu.Options{})
	if err != nil {
		return d, err
	}
	d.Kernels.Tier, d.Kernels.Why = dev.Tier().String(), dev.Why()
	d.Threads.Workers = dev.Workers()
	if err := dev.Close(); err != nil {
		return d, err
	}
	d.Case, err = runEmbedded(ctx)
	return d, err
}

// tierStates lists every tier that the program has kernels for.
func tierStates() []tierState {
	var states []tierState
	for _, t := range kernel.KnownTiers() {
		s := tierState{Name: t.String(), Supported: true}
		if err := t.Supported(); err != nil {
			s.Supported, s.Why = false, err.Error()
		}
		states = append(states, s)
	}
	return states
}

// write prints the diagnosis for people.
func (d diagnosis) write(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "build\tmole %v\n", d.Build)
	fmt.Fprintf(t, "processor\t%s\n", d.Processor.Model)
	fmt.Fprintf(t, "features\t%s\n", strings.Join(d.Processor.Features, " "))
	d.Kernels.write(t)
	fmt.Fprintf(t, "threads\t%s\n", d.threads())
	fmt.Fprintf(t, "memory\t%s\n", d.Host.memory())
	fmt.Fprintf(t, "exactness\t%v\n", d.Case)
	if err := t.Flush(); err != nil {
		return err
	}
	return d.Case.writeFailure(w)
}

// write prints the tier in use, then every tier and whether it runs here.
func (k kernels) write(w io.Writer) {
	if k.Tier == "" {
		fmt.Fprintf(w, "kernels\tnone\n")
	} else {
		fmt.Fprintf(w, "kernels\t%s: %s\n", k.Tier, k.Why)
	}
	for _, s := range k.Tiers {
		if s.Supported {
			fmt.Fprintf(w, "  %s\truns here\n", s.Name)
		} else {
			fmt.Fprintf(w, "  %s\tdoes not run here: %s\n", s.Name, s.Why)
		}
	}
}

// threads says how many there are and what their number follows from.
func (d diagnosis) threads() string {
	s := fmt.Sprintf("%d workers (GOMAXPROCS %d, %d processors", d.Threads.Workers, d.Threads.GOMAXPROCS, d.Host.CPUs)
	if d.Host.QuotaCPUs > 0 {
		s += fmt.Sprintf(", control group allows %.3g", d.Host.QuotaCPUs)
	}
	return s + ")"
}
