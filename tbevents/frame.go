package tbevents

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// Sizes of the parts of a record, in bytes: the length and its checksum before
// the payload, the payload's checksum after it.
const (
	headerSize  = 12
	trailerSize = 4
)

// ErrDamaged is the error of a record whose checksum or content is wrong.
var ErrDamaged = errors.New("damaged record")

// errTorn is the error of a record that the file ends in.
var errTorn = errors.New("torn record")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// mask turns a CRC-32C into what is stored, so that a checksum of data that
// holds checksums stays a good one.
func mask(crc uint32) uint32 { return (crc>>15 | crc<<17) + 0xa282ead8 }

// checksum returns the masked CRC-32C of b.
func checksum(b []byte) uint32 { return mask(crc32.Checksum(b, castagnoli)) }

// appendFrame appends a record with the given payload.
func appendFrame(dst, payload []byte) []byte {
	at := len(dst)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(len(payload)))
	dst = binary.LittleEndian.AppendUint32(dst, checksum(dst[at:]))
	dst = append(dst, payload...)
	return binary.LittleEndian.AppendUint32(dst, checksum(payload))
}

// frames reads records.
type frames struct {
	r       io.Reader
	max     int64 // longest payload that is kept
	offset  int64 // of the next record
	payload []byte
}

// next returns the payload of the next record, valid until the next call, or
// nil for one longer than max, which is checked and passed over. The error is
// io.EOF after the last record, errTorn in an incomplete one, and wraps
// ErrDamaged where a checksum is wrong.
func (f *frames) next() ([]byte, error) {
	var head [headerSize]byte
	if _, err := io.ReadFull(f.r, head[:]); err != nil {
		return nil, tornIf(err)
	}
	length := binary.LittleEndian.Uint64(head[:8])
	if err := f.compare("length", checksum(head[:8]), binary.LittleEndian.Uint32(head[8:])); err != nil {
		return nil, err
	}
	const longest = 1<<63 - 1 - headerSize - trailerSize
	if length > longest-uint64(f.offset) {
		return nil, fmt.Errorf("byte %d: %w: length is %d", f.offset, ErrDamaged, length)
	}
	crc, err := f.read(int64(length))
	if err != nil {
		return nil, err
	}
	var tail [trailerSize]byte
	if _, err := io.ReadFull(f.r, tail[:]); err != nil {
		return nil, torn(err)
	}
	if err := f.compare("content", mask(crc), binary.LittleEndian.Uint32(tail[:])); err != nil {
		return nil, err
	}
	f.offset += headerSize + int64(length) + trailerSize
	if int64(length) > f.max {
		return nil, nil
	}
	return f.payload, nil
}

// read reads a payload, keeps it unless it is too long, and returns its CRC.
// Memory grows with what is there, not with what the length says.
func (f *frames) read(length int64) (uint32, error) {
	const chunk = 64 << 10
	f.payload = f.payload[:0]
	var crc uint32
	for left := length; left > 0; {
		n := int(min(left, chunk))
		if length > f.max {
			f.payload = f.payload[:0]
		}
		at := len(f.payload)
		f.payload = append(f.payload, make([]byte, n)...)
		part := f.payload[at:]
		if _, err := io.ReadFull(f.r, part); err != nil {
			return 0, torn(err)
		}
		crc = crc32.Update(crc, castagnoli, part)
		left -= int64(n)
	}
	return crc, nil
}

// compare returns an error unless a checksum is the stored one.
func (f *frames) compare(of string, got, stored uint32) error {
	if got == stored {
		return nil
	}
	return fmt.Errorf("byte %d: %w: checksum of the %s is %08x, want %08x", f.offset, ErrDamaged, of, got, stored)
}

// tornIf is torn for the first bytes of a record, before which a file may end.
func tornIf(err error) error {
	if errors.Is(err, io.EOF) {
		return io.EOF
	}
	return torn(err)
}

// torn turns the end of the input inside a record into errTorn.
func torn(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errTorn
	}
	return err
}
