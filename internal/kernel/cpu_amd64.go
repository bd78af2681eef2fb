package kernel

import (
	"encoding/binary"
	"strings"
)

// cpuid runs the instruction of that name, subleaf 0.
func cpuid(leaf uint32) (eax, ebx, ecx, edx uint32)

// cpuModel returns the brand string: 48 bytes, which the three leaves from
// 0x80000002 hold, if the processor has them.
func cpuModel() string {
	const first, last = 0x80000002, 0x80000004
	if top, _, _, _ := cpuid(0x80000000); top < last {
		return "amd64"
	}
	var brand []byte
	for leaf := uint32(first); leaf <= last; leaf++ {
		a, b, c, d := cpuid(leaf)
		for _, word := range []uint32{a, b, c, d} {
			brand = binary.LittleEndian.AppendUint32(brand, word)
		}
	}
	name, _, _ := strings.Cut(string(brand), "\x00")
	return strings.Join(strings.Fields(name), " ")
}
