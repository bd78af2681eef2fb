//go:build unix

package cpu

import (
	"syscall"
	"testing"
	"time"
)

// TestPoolRests checks that idle workers stop to look for work. Three that kept
// looking would use up to 600 ms of the time that the test waits.
func TestPoolRests(t *testing.T) {
	p := newPool(4)
	defer p.close()
	p.run(newCounter(p, 100), 100, 1)
	time.Sleep(20 * time.Millisecond)
	before := cpuTime(t)
	time.Sleep(200 * time.Millisecond)
	if used := cpuTime(t) - before; used > 40*time.Millisecond {
		t.Errorf("idle workers used %v in 200ms, want almost nothing", used)
	}
}

// cpuTime returns the time that this process has used.
func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		t.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
