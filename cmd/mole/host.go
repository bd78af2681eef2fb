package main

import (
	"bufio"
	"fmt"
	"io/fs"
	"math"
	"path"
	"runtime"
	"strconv"
	"strings"
)

// host is the share of the machine that the operating system gives to this
// process. Sizes are in bytes; 0 means that it is not known, or no limit.
type host struct {
	CPUs         int     `json:"cpus"`       // that the process may run on
	QuotaCPUs    float64 `json:"quota_cpus"` // processor time per time, of the control group
	MemTotal     int64   `json:"memory_total_bytes"`
	MemAvailable int64   `json:"memory_available_bytes"`
	MemLimit     int64   `json:"memory_limit_bytes"` // of the control group
}

// readHost reads the files of Linux under root, the root of the file system.
// On other systems there are none, and only the number of processors is known.
func readHost(root fs.FS) host {
	h := host{CPUs: runtime.NumCPU()}
	info := table(root, "proc/meminfo")
	h.MemTotal = kibibytes(info["MemTotal"])
	h.MemAvailable = kibibytes(info["MemAvailable"])
	for _, g := range controlGroups(root) {
		if quota := g.smallest(root, g.quota); quota < math.Inf(1) {
			h.QuotaCPUs = quota
		}
		// The first version of control groups writes "no limit" as a number
		// near 2⁶³.
		if limit := g.smallest(root, g.memory); limit < 1<<60 {
			h.MemLimit = int64(limit)
		}
	}
	return h
}

// table reads a file of "key: value" lines, as in /proc.
func table(root fs.FS, name string) map[string]string {
	values := map[string]string{}
	data, err := fs.ReadFile(root, name)
	if err != nil {
		return values
	}
	for s := bufio.NewScanner(strings.NewReader(string(data))); s.Scan(); {
		if key, value, ok := strings.Cut(s.Text(), ":"); ok {
			values[key] = strings.TrimSpace(value)
		}
	}
	return values
}

// kibibytes returns the bytes in "1024 kB".
func kibibytes(s string) int64 {
	n, err := strconv.ParseInt(strings.TrimSuffix(s, " kB"), 10, 64)
	if err != nil {
		return 0
	}
	return n << 10
}

// controlGroup is the group of this process in one hierarchy of control
// groups, with the files that hold its limits. In version 2 there is one
// hierarchy; in version 1 each resource has its own.
type controlGroup struct {
	mount, path   string
	quota, memory []string
}

// controlGroups lists the hierarchies that may limit this process.
func controlGroups(root fs.FS) []controlGroup {
	data, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return nil
	}
	var groups []controlGroup
	for line := range strings.Lines(string(data)) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3) // number:resources:path
		if len(f) != 3 {
			continue
		}
		g := controlGroup{mount: "sys/fs/cgroup", path: path.Clean("/" + f[2])}
		if f[1] == "" {
			g.quota, g.memory = []string{"cpu.max"}, []string{"memory.max"}
			groups = append(groups, g)
		}
		for resource := range strings.SplitSeq(f[1], ",") {
			g := g
			g.mount += "/" + resource
			switch resource {
			case "cpu":
				g.quota = []string{"cpu.cfs_quota_us", "cpu.cfs_period_us"}
				groups = append(groups, g)
			case "memory":
				g.memory = []string{"memory.limit_in_bytes"}
				groups = append(groups, g)
			}
		}
	}
	return groups
}

// smallest returns the smallest limit that the files state for the group or
// any group around it, +Inf for none. A process that sees only its own part of
// the hierarchy finds it at the root.
func (g controlGroup) smallest(root fs.FS, files []string) float64 {
	limit := math.Inf(1)
	for p := g.path; len(files) > 0; p = path.Dir(p) {
		var text string
		for _, name := range files {
			data, err := fs.ReadFile(root, path.Join(g.mount, p, name))
			if err == nil {
				text += " " + string(data)
			}
		}
		limit = min(limit, ratio(text))
		if p == "/" {
			break
		}
	}
	return limit
}

// ratio returns the first number of "a b" over the second, or a alone. It is
// +Inf if there is no number that is a limit.
func ratio(text string) float64 {
	fields := strings.Fields(text)
	if len(fields) == 0 {
		return math.Inf(1)
	}
	a, err := strconv.ParseFloat(fields[0], 64)
	if err != nil || a <= 0 {
		return math.Inf(1)
	}
	if len(fields) == 1 {
		return a
	}
	b, err := strconv.ParseFloat(fields[1], 64)
	if err != nil || b <= 0 {
		return math.Inf(1)
	}
	return a / b
}

// memory returns the sizes for people.
func (h host) memory() string {
	if h.MemTotal == 0 {
		return "not known on " + runtime.GOOS
	}
	s := fmt.Sprintf("%s, %s available", gibibytes(h.MemTotal), gibibytes(h.MemAvailable))
	if h.MemLimit > 0 {
		s += fmt.Sprintf(", control group allows %s", gibibytes(h.MemLimit))
	}
	return s
}

// gibibytes returns a number of bytes in GiB, with one decimal.
func gibibytes(n int64) string { return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30)) }

// peakMemory returns the most memory that this process had in use, pages of
// mapped files included, in bytes; 0 where the system does not tell. What
// getrusage tells would begin with the peak of the process that started it.
func peakMemory(root fs.FS) int64 { return kibibytes(table(root, "proc/self/status")["VmHWM"]) }
