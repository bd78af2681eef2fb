package cpu_test

import (
	"fmt"
	"strings"
	"testing"

	"mole/device"
	"mole/device/cpu"
	"mole/device/devicetest"
	"mole/internal/kernel"
)

// open returns a device, or fails the test.
func open(t *testing.T, o cpu.Options) *cpu.Device {
	t.Helper()
	d, err := cpu.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestConformance runs the suite with every tier that the processor has, in
// both precisions.
func TestConformance(t *testing.T) {
	var ran []string
	for _, tier := range kernel.Tiers() {
		for _, workers := range []int{1, 2, 3} {
			o := cpu.Options{Tier: tier.String(), Workers: workers, Precision: cpu.Precision(workers % 2)}
			name := fmt.Sprintf("%s/%d workers/%s", tier, workers, o.Precision)
			ran = append(ran, name)
			t.Run(name, func(t *testing.T) {
				devicetest.Run(t, func() device.Accelerator { return open(t, o) })
			})
		}
	}
	t.Logf("ran %s", strings.Join(ran, ", "))
}

// TestSameBytes compares devices with several workers with one that has one.
func TestSameBytes(t *testing.T) {
	for _, tier := range kernel.Tiers() {
		for _, workers := range []int{2, 3, 8} {
			t.Run(fmt.Sprintf("%s/%d workers", tier, workers), func(t *testing.T) {
				one := open(t, cpu.Options{Tier: tier.String(), Workers: 1})
				many := open(t, cpu.Options{Tier: tier.String(), Workers: workers})
				devicetest.SameBytes(t, one, many)
				if one.Close() != nil || many.Close() != nil {
					t.Error("close failed")
				}
			})
		}
	}
}
