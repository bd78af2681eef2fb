package pixel

// adlerBase is the largest prime below 1<<16.
const adlerBase = 65521

// adlerMost is how many bytes can be summed before the sums must be reduced, in
// whole blocks of 32: 255·n·(n+1)/2 + (n+1)·(adlerBase-1) stays below 1<<32.
const adlerMost = 5536

// Adler32 continues a checksum of zlib (RFC 1950), which begins with 1: in its
// lower half the sum of all bytes, in its upper half the sum of these sums.
func Adler32(sum uint32, p []uint8) uint32 {
	a, b := sum&0xffff, sum>>16
	for len(p) > 0 {
		part := p[:min(len(p), adlerMost)]
		p = p[len(part):]
		n := 0
		a, b, n = adlerVector(a, b, part)
		for _, v := range part[n:] {
			a += uint32(v)
			b += a
		}
		a %= adlerBase
		b %= adlerBase
	}
	return b<<16 | a
}
