package cpu_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"testing"

	"mole/device"
	"mole/device/cpu"
	"mole/device/devicetest"
	"mole/internal/kernel"
	"mole/tensor"
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
			t.Run(name, func(t *testing.T) {
				ran = append(ran, name)
				devicetest.Run(t, func() device.Accelerator { return open(t, o) })
			})
		}
	}
	t.Logf("ran %s", strings.Join(ran, ", "))
}

// TestSameBytes compares devices with several workers with one that has one, in
// both precisions.
func TestSameBytes(t *testing.T) {
	for _, tier := range kernel.Tiers() {
		for _, workers := range []int{2, 3, 8} {
			t.Run(fmt.Sprintf("%s/%d workers", tier, workers), func(t *testing.T) {
				precision := cpu.Precision(workers % 2)
				one := open(t, cpu.Options{Tier: tier.String(), Workers: 1, Precision: precision})
				many := open(t, cpu.Options{Tier: tier.String(), Workers: workers, Precision: precision})
				devicetest.SameBytes(t, one, many)
				if one.Close() != nil || many.Close() != nil {
					t.Error("close failed")
				}
			})
		}
	}
}

// TestPrecision multiplies a number that BF16 cannot hold by 1, as BF16 and as
// F32.
func TestPrecision(t *testing.T) {
	const x = 1 + 0x1p-10
	tests := []struct {
		precision cpu.Precision
		b         tensor.DType
		want      float32
	}{{cpu.F32, tensor.F32, x}, {cpu.F32, tensor.BF16, x}, {cpu.BF16, tensor.F32, x}, {cpu.BF16, tensor.BF16, 1}}
	for _, tier := range kernel.Tiers() {
		for _, tt := range tests {
			d := open(t, cpu.Options{Tier: tier.String(), Workers: 1, Precision: tt.precision})
			a, dst := operands{d}.f32(1, 1), operands{d}.f32(1, 1)
			one := binary.LittleEndian.AppendUint32(nil, math.Float32bits(1))
			b := d.Import(tt.b, tensor.Shape{1, 1}, one[4-tt.b.Size():])
			d.Fill(a, x)
			d.MatMul(dst, a, b, device.MatMul{Alpha: 1})
			got := make([]byte, 4)
			d.Read(got, dst)
			if got := math.Float32frombits(binary.LittleEndian.Uint32(got)); got != tt.want {
				t.Errorf("%v, precision %v, b %v: got %v, want %v", tier, tt.precision, tt.b, got, tt.want)
			}
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}
