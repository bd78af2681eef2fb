//go:build !amd64

package kernel

import "runtime"

// cpuModel returns the architecture: other processors do not tell more in a
// way that holds on every operating system.
func cpuModel() string { return runtime.GOARCH }
