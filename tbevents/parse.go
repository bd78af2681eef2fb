package tbevents

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"iter"
	"math"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// field is one field of a message: a number, or the bytes of a string, of an
// embedded message or of packed numbers.
type field struct {
	number protowire.Number
	bits   uint64
	bytes  []byte
}

// fields walks over a message. After an error there is nothing more.
func fields(b []byte) iter.Seq2[field, error] {
	return func(yield func(field, error) bool) {
		for len(b) > 0 {
			f, n := parseField(b)
			if n < 0 {
				yield(field{}, fmt.Errorf("%w: %w", ErrDamaged, protowire.ParseError(n)))
				return
			}
			b = b[n:]
			if !yield(f, nil) {
				return
			}
		}
	}
}

// parseField reads the first field of b and returns its length, negative for
// an error.
func parseField(b []byte) (f field, length int) {
	number, kind, tag := protowire.ConsumeTag(b)
	if tag < 0 {
		return field{}, tag
	}
	f.number = number
	n := 0
	switch kind {
	case protowire.VarintType:
		f.bits, n = protowire.ConsumeVarint(b[tag:])
	case protowire.Fixed32Type:
		var v uint32
		v, n = protowire.ConsumeFixed32(b[tag:])
		f.bits = uint64(v)
	case protowire.Fixed64Type:
		f.bits, n = protowire.ConsumeFixed64(b[tag:])
	case protowire.BytesType:
		f.bytes, n = protowire.ConsumeBytes(b[tag:])
	default: // groups, which none of the messages has
		n = protowire.ConsumeFieldValue(number, kind, b[tag:])
	}
	if n < 0 {
		return field{}, n
	}
	return f, tag + n
}

// parseEvent reads an Event.
func parseEvent(b []byte) (Event, error) {
	var e Event
	for f, err := range fields(b) {
		if err == nil {
			err = e.set(f)
		}
		if err != nil {
			return Event{}, err
		}
	}
	return e, nil
}

// set takes one field of an Event.
func (e *Event) set(f field) error {
	switch f.number {
	case eventWall:
		e.Wall = math.Float64frombits(f.bits)
	case eventStep:
		e.Step = int64(f.bits)
	case eventVersion:
		e.Version = text(f.bytes)
	case eventSummary:
		return e.setSummary(f.bytes)
	case eventSession:
		for s, err := range fields(f.bytes) {
			if err != nil {
				return err
			}
			e.Start = e.Start || s.number == sessionStatus && s.bits == statusStart
		}
	}
	return nil
}

// setSummary takes the values of a Summary.
func (e *Event) setSummary(b []byte) error {
	for f, err := range fields(b) {
		if err != nil {
			return err
		}
		if f.number != summaryValue {
			continue
		}
		if len(e.Values) == maxValues {
			return fmt.Errorf("%w: more than %d values in one event", ErrDamaged, maxValues)
		}
		v, err := parseValue(f.bytes)
		if err != nil {
			return err
		}
		e.Values = append(e.Values, v)
	}
	return nil
}

// parseValue reads a Summary.Value. The plug-in decides what a tensor is; it
// may stand before or after the tensor.
func parseValue(b []byte) (Value, error) {
	var v Value
	var t tensor
	for f, err := range fields(b) {
		if err != nil {
			return v, err
		}
		switch f.number {
		case valueTag:
			v.Tag = text(f.bytes)
		case valueSimple:
			v.Kind, v.Scalar = Scalar, float64(math.Float32frombits(uint32(f.bits)))
		case valueImage:
			err = v.setImage(f.bytes)
		case valueTensor:
			t, err = parseTensor(f.bytes)
		case valueMetadata:
			v.Plugin, err = parsePlugin(f.bytes)
		}
		if err != nil {
			return v, err
		}
	}
	v.take(t)
	return v, nil
}

// setImage takes a Summary.Image.
func (v *Value) setImage(b []byte) error {
	for f, err := range fields(b) {
		if err != nil {
			return err
		}
		if f.number == imageEncoded {
			v.Kind, v.Images = Image, [][]byte{bytes.Clone(f.bytes)}
		}
	}
	return nil
}

// take makes v a scalar, a text or pictures if the tensor is one. Files name the plug-in
// of a tag only once at times: a string is a text, and one number a scalar,
// also without.
func (v *Value) take(t tensor) {
	isFor := func(plugin string) bool { return v.Plugin == plugin || v.Plugin == "" }
	switch {
	case t.isNumber && isFor(scalarsPlugin):
		v.Kind, v.Scalar = Scalar, t.number
	case t.kind != typeString:
	case v.Plugin == imagesPlugin:
		v.takeImages(t.strings)
	case isFor(textPlugin):
		v.Kind, v.Text = Text, t.text()
	}
}

// takeImages takes the strings of a tensor of pictures.
func (v *Value) takeImages(strings [][]byte) {
	for _, s := range strings[min(len(strings), sizes):] {
		v.Kind, v.Images = Image, append(v.Images, bytes.Clone(s))
	}
}

// sizes is how many strings of a tensor of pictures come before them: width and
// height.
const sizes = 2

// parsePlugin returns the name of the plug-in in a SummaryMetadata.
func parsePlugin(b []byte) (name string, err error) {
	for f, err := range fields(b) {
		if err != nil {
			return "", err
		}
		if f.number != metadataPlugin {
			continue
		}
		for p, err := range fields(f.bytes) {
			if err != nil {
				return "", err
			}
			if p.number == pluginName {
				name = text(p.bytes)
			}
		}
	}
	return name, nil
}

// tensor is what matters of a TensorProto.
type tensor struct {
	kind     uint64
	number   float64 // of a float or double tensor with one element
	isNumber bool
	strings  [][]byte // parts of the record
}

// text returns the strings, joined by newlines.
func (t tensor) text() string { return text(bytes.Join(t.strings, []byte("\n"))) }

// parseTensor reads a TensorProto. Its numbers may be repeated fields, packed
// ones, or raw content; those of another type than the tensor's do not count.
func parseTensor(b []byte) (t tensor, err error) {
	numbers := map[protowire.Number][]byte{}
	for f, err := range fields(b) {
		if err != nil {
			return t, err
		}
		switch f.number {
		case tensorType:
			t.kind = f.bits
		case tensorContent:
			numbers[f.number] = f.bytes
		case tensorFloat:
			numbers[f.number] = append(numbers[f.number], packed(f, bytesPerFloat)...)
		case tensorDouble:
			numbers[f.number] = append(numbers[f.number], packed(f, bytesPerDouble)...)
		case tensorString:
			t.strings = append(t.strings, f.bytes)
		}
	}
	t.strings = t.strings[:min(len(t.strings), maxStringsShown)]
	switch t.kind {
	case typeFloat:
		t.number, t.isNumber = one(append(numbers[tensorFloat], numbers[tensorContent]...), bytesPerFloat)
	case typeDouble:
		t.number, t.isNumber = one(append(numbers[tensorDouble], numbers[tensorContent]...), bytesPerDouble)
	}
	return t, nil
}

// one returns the number in b, unless it holds none or several.
func one(b []byte, size int) (float64, bool) {
	switch {
	case len(b) != size:
		return 0, false
	case size == bytesPerFloat:
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(b))), true
	}
	return math.Float64frombits(binary.LittleEndian.Uint64(b)), true
}

// packed returns the bytes of a number field, whichever way it is stored.
func packed(f field, size int) []byte {
	if f.bytes != nil {
		return f.bytes
	}
	return binary.LittleEndian.AppendUint64(nil, f.bits)[:size]
}

// text returns a string that is valid UTF-8.
func text(b []byte) string { return strings.ToValidUTF8(string(b), "\uFFFD") }
