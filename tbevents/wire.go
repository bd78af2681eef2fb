package tbevents

import (
	"math"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// Field numbers of TensorFlow's messages.
const (
	eventWall       = 1 // Event
	eventStep       = 2
	eventVersion    = 3
	eventSummary    = 5
	eventSession    = 7
	sessionStatus   = 1 // SessionLog
	summaryValue    = 1 // Summary
	valueTag        = 1 // Summary.Value
	valueSimple     = 2
	valueImage      = 4
	valueTensor     = 8
	valueMetadata   = 9
	metadataPlugin  = 1 // SummaryMetadata
	pluginName      = 1 // SummaryMetadata.PluginData
	tensorType      = 1 // TensorProto
	tensorShape     = 2
	tensorContent   = 4
	tensorFloat     = 5
	tensorDouble    = 6
	tensorString    = 8
	imageEncoded    = 4 // Summary.Image
	statusStart     = 1 // SessionLog.SessionStatus
	typeFloat       = 1 // DataType
	typeDouble      = 2
	typeString      = 7
	bytesPerFloat   = 4
	bytesPerDouble  = 8
	maxValues       = 1 << 16 // of one event
	maxStringsShown = 1 << 12 // of one text
)

// appendEvent appends an Event in the order of its field numbers, without
// fields that are zero, as protobuf's own writers do.
func appendEvent(b []byte, e Event) []byte {
	if e.Wall != 0 {
		b = protowire.AppendTag(b, eventWall, protowire.Fixed64Type)
		b = protowire.AppendFixed64(b, math.Float64bits(e.Wall))
	}
	if e.Step != 0 {
		b = protowire.AppendTag(b, eventStep, protowire.VarintType)
		b = protowire.AppendVarint(b, uint64(e.Step))
	}
	if e.Version != "" {
		b = appendString(b, eventVersion, e.Version)
	}
	if len(e.Values) > 0 {
		var s []byte
		for _, v := range e.Values {
			s = appendMessage(s, summaryValue, appendValue(nil, v))
		}
		b = appendMessage(b, eventSummary, s)
	}
	if e.Start {
		b = appendMessage(b, eventSession, appendNumber(nil, sessionStatus, statusStart))
	}
	return b
}

// appendValue appends a Summary.Value. A scalar is a simple value, which every
// version of TensorBoard takes; a text is a tensor without dimensions that
// names its plug-in.
func appendValue(b []byte, v Value) []byte {
	b = appendString(b, valueTag, v.Tag)
	if v.Kind == Scalar {
		b = protowire.AppendTag(b, valueSimple, protowire.Fixed32Type)
		return protowire.AppendFixed32(b, math.Float32bits(float32(v.Scalar)))
	}
	t := appendNumber(nil, tensorType, typeString)
	t = appendMessage(t, tensorShape, nil)
	t = appendString(t, tensorString, v.Text)
	b = appendMessage(b, valueTensor, t)
	plugin := appendString(nil, pluginName, textPlugin)
	return appendMessage(b, valueMetadata, appendMessage(nil, metadataPlugin, plugin))
}

// appendString appends a string. Readers refuse records with strings that are
// not UTF-8, so what is not is replaced.
func appendString(b []byte, field protowire.Number, s string) []byte {
	b = protowire.AppendTag(b, field, protowire.BytesType)
	return protowire.AppendString(b, strings.ToValidUTF8(s, "\uFFFD"))
}

// appendMessage appends an embedded message.
func appendMessage(b []byte, field protowire.Number, message []byte) []byte {
	b = protowire.AppendTag(b, field, protowire.BytesType)
	return protowire.AppendBytes(b, message)
}

// appendNumber appends an integer.
func appendNumber(b []byte, field protowire.Number, n uint64) []byte {
	b = protowire.AppendTag(b, field, protowire.VarintType)
	return protowire.AppendVarint(b, n)
}
