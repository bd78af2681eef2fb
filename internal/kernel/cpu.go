package kernel

import (
	"runtime"
	"slices"

	"golang.org/x/sys/cpu"
)

// CPU describes a processor, for reports.
type CPU struct {
	Model    string   // as the maker names it; the architecture where it does not tell
	Features []string // those of interest here: wide vectors and matrix units
	Cores    int      // logical ones that this process may use
}

// Processor returns the description of the processor that runs this process.
func Processor() CPU {
	c := CPU{Model: cpuModel(), Cores: runtime.NumCPU()}
	for _, f := range cpuFeatures {
		if *f.has {
			c.Features = append(c.Features, f.name)
		}
	}
	return c
}

// A cpuFeature is a property of the processor that the operating system
// supports too, under the name that Linux gives it.
type cpuFeature struct {
	name string
	has  *bool
}

// cpuFeatures lists the features that a report tells, in its order.
var cpuFeatures = []cpuFeature{
	{"avx2", &cpu.X86.HasAVX2},
	{"fma", &cpu.X86.HasFMA},
	{"avx512f", &cpu.X86.HasAVX512F},
	{"avx512bw", &cpu.X86.HasAVX512BW},
	{"avx512dq", &cpu.X86.HasAVX512DQ},
	{"avx512vl", &cpu.X86.HasAVX512VL},
	{"avx512_bf16", &cpu.X86.HasAVX512BF16},
	{"amx_bf16", &cpu.X86.HasAMXBF16},
	{"asimd", &cpu.ARM64.HasASIMD},
	{"sve", &cpu.ARM64.HasSVE},
}

// cpuHas reports whether the processor has the feature of that name.
func cpuHas(name string) bool {
	return slices.ContainsFunc(cpuFeatures, func(f cpuFeature) bool { return f.name == name && *f.has })
}
