package synth

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"time"
)

// pool says which part of the synthetic texts a picture may use. Names of the
// test pool never occur in training or validation pictures (13.2.5).
type pool bool

const (
	trainPool pool = false
	testPool  pool = true
)

// stream returns the source of randomness of one picture: a function of the
// seed and of what the picture is, not of when it is drawn (13.2.2).
func stream(seed uint64, expert, task, split string, i int) *rand.Rand {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d\x00%s\x00%s\x00%s\x00%d", seed, expert, task, split, i))
	return rand.New(rand.NewPCG(binary.LittleEndian.Uint64(sum[:]), binary.LittleEndian.Uint64(sum[8:])))
}

// pick returns one of the values.
func pick[T any](r *rand.Rand, values []T) T { return values[r.IntN(len(values))] }

// between returns a number in lo..hi, both included.
func between(r *rand.Rand, lo, hi int) int { return lo + r.IntN(hi-lo+1) }

// chance reports true with probability p.
func chance(r *rand.Rand, p float64) bool { return r.Float64() < p }

// weighted returns one of the keys with the probability of its weight. The
// weights need not sum to one.
func weighted(r *rand.Rand, keys []string, weight map[string]float64) string {
	sum := 0.0
	for _, k := range keys {
		sum += weight[k]
	}
	at := r.Float64() * sum
	for _, k := range keys {
		if at -= weight[k]; at < 0 {
			return k
		}
	}
	return keys[0]
}

// Syllables of the names. They were put together so that the words sound like
// names and are none in particular.
var (
	familyFirst = strings.Fields("Bel Cor Dav El Fen Gar Hol Ist Jor Kel Lor Mar Nor Ost Per Quil Ras Sel Tor Ul Ven Wil Yar Zan")
	familyMid   = strings.Fields("a an e en er i in o on ul ar is")
	familyLast  = strings.Fields("dell mont rick sen tova vek wyn zar by cott lund mere nard quist rell gard")
	givenFirst  = strings.Fields("Al Bre Cas Dor Eli Fin Gwe Han Iri Jas Kai Lio Mir Nel Ori Pav Rhe Sim Tal Una Vio Wes Yve Zor")
	givenLast   = strings.Fields("a en is o ra na el ia on ys")
)

// inPool reports whether a word belongs to the pool: one in ten is kept for
// the tests.
func (p pool) has(word string) bool {
	h := fnv.New32a()
	_, _ = h.Write([]byte(word))
	return (h.Sum32()>>7%10 == 0) == bool(p)
}

// family returns a family name of the pool.
func (p pool) family(r *rand.Rand) string {
	for {
		if name := pick(r, familyFirst) + pick(r, familyMid) + pick(r, familyLast); p.has(name) {
			return name
		}
	}
}

// given returns a first name. They are shared by both pools: the family name
// tells the people apart.
func given(r *rand.Rand) string { return pick(r, givenFirst) + pick(r, givenLast) }

// person returns "Family, Given".
func (p pool) person(r *rand.Rand) string { return p.family(r) + ", " + given(r) }

// distinct returns n different results of draw. It gives up on a draw that
// cannot make so many and returns fewer.
func distinct(n int, draw func() string) []string {
	seen := map[string]bool{}
	out := make([]string, 0, n)
	for tries := 0; len(out) < n && tries < 50*n; tries++ {
		if s := draw(); !seen[s] {
			seen[s] = true
			out = append(out, s)
		}
	}
	return out
}

// digits returns n decimal digits.
func digits(r *rand.Rand, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('0' + r.IntN(10))
	}
	return string(b)
}

// code returns a procedure code, "D" and four digits.
func code(r *rand.Rand) string { return "D" + digits(r, 4) }

// memberID returns three letters and six digits.
func memberID(r *rand.Rand) string {
	b := make([]byte, 3)
	for i := range b {
		b[i] = byte('A' + r.IntN(26))
	}
	return string(b) + digits(r, 6)
}

// phone returns a number of the block that is kept for fiction.
func phone(r *rand.Rand) string {
	return fmt.Sprintf("(%d) 555-01%s", between(r, 201, 989), digits(r, 2))
}

// money returns an amount below limit with two decimals.
func money(r *rand.Rand, limit int) string {
	return fmt.Sprintf("%d.%02d", r.IntN(limit), pick(r, []int{0, 0, 0, 50, 25, 40, 95, r.IntN(100)}))
}

// day returns a day of the years 2020 to 2029.
func day(r *rand.Rand) time.Time {
	return time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, r.IntN(3652))
}

// shortDate is how the screens write a date.
const shortDate = "1/2/2006"

// procedures are descriptions of work, made up for these screens.
var procedures = []string{
	"Routine visit, established patient", "First visit, full record taken", "Panoramic picture", "Two bitewing pictures",
	"Four bitewing pictures", "Single periapical picture", "Cleaning, adult", "Cleaning, child", "Fluoride varnish, both arches",
	"Sealant, one surface", "Filling, one surface, front", "Filling, two surfaces, back", "Filling, three surfaces, back",
	"Core build-up with pins", "Crown, ceramic", "Crown, metal with ceramic", "Temporary crown", "Recement crown",
	"Root treatment, one canal", "Root treatment, molar", "Post and core, prefabricated", "Scaling, one quadrant",
	"Scaling, whole mouth", "Follow-up after scaling", "Complete denture, upper", "Complete denture, lower",
	"Partial denture, resin base", "Adjust denture", "Reline denture in the chair", "Bridge pontic, ceramic",
	"Bridge retainer, ceramic", "Simple removal", "Removal with flap", "Removal, bony", "Drain abscess",
	"Night guard, hard", "Adjust bite, limited", "Whitening tray, one arch", "Local anaesthetic", "Telephone advice, no charge",
	"Emergency visit, pain relief", "Implant placed, single", "Impression for study models", "Missed visit, no notice given",
}
