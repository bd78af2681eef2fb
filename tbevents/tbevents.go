// Package tbevents writes and reads the event files of TensorBoard, without
// TensorBoard: scalars and texts over steps (specification mole, 4.21). Stock
// TensorBoard shows the files that it writes, and it reads those of stock
// writers as far as scalars, texts and pictures go.
//
// A file is a sequence of records. Each is framed by its length and two
// checksums, and holds one Event in protobuf's wire format:
//
//	uint64 length │ uint32 masked CRC-32C of the length │ payload │ uint32 masked CRC-32C of the payload
//
// All numbers are little-endian. Files only grow, so one that a killed process
// left ends at the worst inside a record; readers stop before it.
package tbevents

// Event is one record. A record that opens a file has Version, one that says
// that a program starts again from a step has Start, all others have Values.
type Event struct {
	Wall    float64 // when it was written, seconds since 1970
	Step    int64
	Version string // "brain.Event:2" in the first record of a file
	Start   bool   // what an earlier process wrote for this step and later ones is void
	Values  []Value
}

// Kind says what a Value is.
type Kind int

// The kinds of values.
const (
	Other  Kind = iota // a histogram, a tensor: its tag and plug-in only
	Scalar             // a number
	Text               // one or more strings, joined by newlines
	Image              // one or more pictures
)

// Value is what an Event says about one tag.
type Value struct {
	Tag    string
	Kind   Kind
	Scalar float64
	Text   string
	Images [][]byte // files: PNG as a rule, but nobody checked
	Plugin string   // that the file names, may be empty
}

// fileVersion is in the first record of every file.
const fileVersion = "brain.Event:2"

// The plug-ins of TensorBoard that show our values.
const (
	scalarsPlugin = "scalars"
	textPlugin    = "text"
	imagesPlugin  = "images"
)
