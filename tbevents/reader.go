package tbevents

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"iter"
)

// MaxRecord is the longest record that a Reader looks into, in bytes. It
// checks and passes over longer ones, which hold pictures or graphs.
const MaxRecord = 16 << 20

// Reader reads the events of one file in order. It holds one record at a time.
// Make one with NewReader; it is for one goroutine.
type Reader struct {
	frames frames
	torn   bool
	passed int
	err    error
}

// NewReader returns a Reader of r.
func NewReader(r io.Reader) *Reader {
	return &Reader{frames: frames{r: bufio.NewReaderSize(r, 64<<10), max: MaxRecord, payload: []byte{}}}
}

// Next returns the next event. The error is io.EOF after the last whole record;
// it wraps [ErrDamaged] and names the byte where a checksum or the content is
// wrong. After an error there are no more events.
func (r *Reader) Next() (Event, error) {
	for r.err == nil {
		payload, err := r.frames.next()
		switch {
		case errors.Is(err, errTorn):
			r.torn, r.err = true, io.EOF
		case err != nil:
			r.err = err
		case payload == nil:
			r.passed++
		default:
			e, err := parseEvent(payload)
			if err == nil {
				return e, nil
			}
			r.err = fmt.Errorf("record before byte %d: %w", r.frames.offset, err)
		}
	}
	return Event{}, r.err
}

// All returns the events that are left. The last pair has an error if the file
// is not whole and not merely torn.
func (r *Reader) All() iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for {
			e, err := r.Next()
			if err == io.EOF || !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// Offset returns where the records that were read end, in bytes from the
// beginning. Who follows a growing file goes on from there.
func (r *Reader) Offset() int64 { return r.frames.offset }

// Torn reports whether the file ended inside a record, as one does whose
// writer was killed or is at work.
func (r *Reader) Torn() bool { return r.torn }

// Passed returns how many records were passed over for their length.
func (r *Reader) Passed() int { return r.passed }
