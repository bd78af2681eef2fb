package main

import (
	"runtime"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func TestReadHost(t *testing.T) {
	const meminfo = "MemTotal:       1024 kB\nMemFree: 7 kB\nMemAvailable:    512 kB\n"
	cpus := runtime.NumCPU()
	tests := []struct {
		name  string
		files map[string]string
		want  host
	}{
		{"not linux", nil, host{CPUs: cpus}},
		{"no limit", map[string]string{
			"proc/meminfo":     meminfo,
			"proc/self/cgroup": "0::/user\n",
		}, host{CPUs: cpus, MemTotal: 1 << 20, MemAvailable: 1 << 19}},
		{"version 2, limits of the parents count", map[string]string{
			"proc/self/cgroup":                "0::/a/b\n",
			"sys/fs/cgroup/a/b/cpu.max":       "max 100000\n",
			"sys/fs/cgroup/a/cpu.max":         "250000 100000\n",
			"sys/fs/cgroup/a/b/memory.max":    "4096\n",
			"sys/fs/cgroup/a/memory.max":      "8192\n",
			"sys/fs/cgroup/a/memory.max.none": "1\n",
		}, host{CPUs: cpus, QuotaCPUs: 2.5, MemLimit: 4096}},
		{"version 2, own part only", map[string]string{
			"proc/self/cgroup":         "0::/not/seen\n",
			"sys/fs/cgroup/cpu.max":    "50000 100000\n",
			"sys/fs/cgroup/memory.max": "max\n",
		}, host{CPUs: cpus, QuotaCPUs: 0.5}},
		{"version 1", map[string]string{
			"proc/self/cgroup":                             "4:memory:/m\n3:cpu,cpuacct:/\n0::/\n",
			"sys/fs/cgroup/cpu/cpu.cfs_quota_us":           "300000\n",
			"sys/fs/cgroup/cpu/cpu.cfs_period_us":          "100000\n",
			"sys/fs/cgroup/memory/m/memory.limit_in_bytes": "1048576\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes":   "9223372036854771712\n",
		}, host{CPUs: cpus, QuotaCPUs: 3, MemLimit: 1 << 20}},
		{"version 1, no limit", map[string]string{
			"proc/self/cgroup":                           "4:memory:/\n3:cpu:/\n",
			"sys/fs/cgroup/cpu/cpu.cfs_quota_us":         "-1\n",
			"sys/fs/cgroup/cpu/cpu.cfs_period_us":        "100000\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
		}, host{CPUs: cpus}},
		{"nonsense", map[string]string{
			"proc/meminfo":          "MemTotal: many kB\nno colon\n",
			"proc/self/cgroup":      "0::\n::\nx\n1:cpu\n",
			"sys/fs/cgroup/cpu.max": "1 0\n",
		}, host{CPUs: cpus}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root := fstest.MapFS{}
			for name, data := range tt.files {
				root[name] = &fstest.MapFile{Data: []byte(data)}
			}
			if diff := cmp.Diff(tt.want, readHost(root)); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}
