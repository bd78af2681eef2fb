// Package cpu is the device that every machine has: its cores and its memory.
//
// Operations are done before the call returns. Inner loops are those of package
// kernel; this package checks shapes and splits work over a pool of workers, by
// tokens where it can, so that a core meets the rows of its tokens again in the
// next operation. No unit of work depends on where the cuts are, and what is
// summed over units is summed in their order: results are the same bytes for
// any number of workers.
//
// Once a few operations of each kind have run, none of them takes memory from
// the heap.
package cpu

import (
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"

	"mole/device"
	"mole/internal/kernel"
)

var _ device.Accelerator = (*Device)(nil)

// Options holds the settings of a device. The zero value is a good one.
type Options struct {
	// Workers is the number of cores to use, 0 for all that the process may.
	Workers int
	// Tier names the kernels to use: "generic", "avx2", "avx512", "avx512bf16",
	// "neon"; "" for those that the environment variable MOLE_DEBUG_CPU names or
	// else the best that the processor runs.
	Tier string
	// Precision is that of products with frozen matrices in BF16.
	Precision Precision
}

// Precision says how matrix products treat frozen matrices in BF16.
type Precision uint8

// The precisions. Sums are F32 in all.
const (
	F32  Precision = iota // BF16 values are widened
	BF16                  // the other operand is rounded to BF16
	Auto                  // BF16 where the kernels multiply in it, else F32
)

// String returns "f32", "bf16" or "auto".
func (p Precision) String() string {
	switch p {
	case F32:
		return "f32"
	case BF16:
		return "bf16"
	case Auto:
		return "auto"
	}
	return fmt.Sprintf("Precision(%d)", uint8(p))
}

// ParsePrecision is the inverse of String.
func ParsePrecision(s string) (Precision, error) {
	for _, p := range []Precision{F32, BF16, Auto} {
		if s == p.String() {
			return p, nil
		}
	}
	return 0, fmt.Errorf("precision %q: want f32, bf16 or auto", s)
}

// Device is a set of cores and their memory. Alloc, Import and Free may be
// called by any goroutine, operations by one at a time.
type Device struct {
	tier      kernel.Tier
	why       string
	precision Precision
	pool      *pool
	mapped    mappings
	closed    bool

	tasks tasks // of the operation in progress
	delta []float64
	sums  []float64
	trees []tree
}

// Open starts the workers of a device. It fails if there are no kernels of the
// name o.Tier or the processor lacks their instructions.
func Open(o Options) (*Device, error) {
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		return nil, errors.New("cpu device: the processor is big-endian, want little-endian")
	}
	if o.Workers < 0 {
		return nil, fmt.Errorf("cpu device: %d workers, want 1 or more, or 0 for all cores", o.Workers)
	}
	if o.Precision > Auto {
		return nil, fmt.Errorf("cpu device: unknown precision %v", o.Precision)
	}
	tier, why, err := chooseTier(o.Tier)
	if err != nil {
		return nil, fmt.Errorf("cpu device: %w", err)
	}
	if o.Precision == Auto {
		o.Precision = F32
		if tier == kernel.AVX512BF16 {
			o.Precision = BF16
		}
	}
	n := o.Workers
	if n == 0 {
		n = runtime.GOMAXPROCS(0)
	}
	return &Device{tier: tier, why: why, precision: o.Precision, pool: newPool(n)}, nil
}

// Name returns "cpu", the tier, and the precision of products with BF16 matrices
// unless it is F32.
func (d *Device) Name() string {
	if d.precision == F32 {
		return "cpu " + d.tier.String()
	}
	return "cpu " + d.tier.String() + ", " + d.precision.String()
}

// Tier returns the kernels in use.
func (d *Device) Tier() kernel.Tier { return d.tier }

// Why returns why these kernels were chosen, for people.
func (d *Device) Why() string { return d.why }

// Workers returns the number of cores in use.
func (d *Device) Workers() int { return len(d.pool.workers) }

// Precision returns the precision of products with BF16 matrices, F32 or BF16.
func (d *Device) Precision() Precision { return d.precision }

// Sync implements [device.Device]. No work is ever queued; the only failure is
// that the device is closed.
func (d *Device) Sync() error {
	if d.closed {
		return errors.New("cpu device: closed")
	}
	return nil
}

// Close implements [device.Device]. Operations on a closed device panic. To
// close twice is fine.
func (d *Device) Close() error {
	if !d.closed {
		d.closed = true
		d.pool.close()
		d.mapped.close()
	}
	return nil
}
