package main

// An isa writes arithmetic in one set of vector registers. What it works on is
// a column: one register, or some side by side. Columns are numbers from 0 to 15;
// an operand that may be memory is a number, a [mem] or a [word]. Sources come
// first, the destination last.
type isa interface {
	// requires returns the instruction sets.
	requires() string
	// begin writes what a function begins with, and returns what writes the
	// rest. sums says that the function sums up, in lanes.
	begin(a *asm, sums bool) isa
	// column returns the bytes of one.
	column(e *vector) int
	// two writes dst = x o y, or, for a fused product, dst += x·y; y may be
	// memory.
	two(e *vector, o operation, x int, y any, dst int)
	// horner writes p = p·x + c.
	horner(e *vector, p, x int, c word)
	// scaledLess writes x = x·y − z.
	scaledLess(e *vector, x, y, z int)
	// atLeast writes x = max(x, c), and atMost x = min(x, c). A NaN stays one.
	atLeast(e *vector, x int, c word, temp int)
	atMost(e *vector, x int, c word, temp int)
	// root writes the square root of x.
	root(e *vector, x, dst int)
	// signs writes a mask of the lanes of x that have the sign bit.
	signs(e *vector, x, dst int)
	// exponent moves the low bits of x to where a float32 has its exponent.
	exponent(e *vector, x int)
	// choose writes dst = mask ? yes : no, for a mask of whole lanes. temp may
	// be yes; dst may be no. yes and no may be memory.
	choose(e *vector, mask int, yes, no any, dst, temp int)
	// clear clears a column.
	clear(e *vector, x int)
	// read and write move a column; from may be memory. Of one that is at the
	// end of a slice, only some lanes are; the others are 0 on the way in.
	read(e *vector, from any, to int)
	write(e *vector, from int, to mem)
	// drop clears the lanes that are not of the slice.
	drop(e *vector, x int)
	// scalar puts a parameter of four bytes into every lane, and spread the low
	// half of a general register.
	scalar(e *vector, name string, to int)
	spread(e *vector, r reg, to int)
	// walk writes p's work on all elements, whose number is in cx, and stores
	// the sums.
	walk(e *vector, p *pointwise, s scalars)
}

// An operation is one on two operands.
type operation uint8

// The operations. The larger of a NaN and y is y.
const (
	plus operation = iota
	minus
	times
	over
	larger
	bitAnd
	fused      // dst += x·y
	fusedMinus // dst −= x·y
	intPlus
	intMinus
)

// A word is the memory that holds these bits in every lane.
type word uint32

// words are constants in use: their places, in the order of their first use.
type words map[word]int

// use returns w, which is in use from now on.
func (u words) use(w word) word {
	if _, ok := u[w]; !ok {
		u[w] = len(u)
	}
	return w
}
