// Package batch is the language between data and networks: token ids, image
// patches, positions, and the labels that count.
package batch

import "mole/vision"

// Ignore is the label of a token that is not supervised.
const Ignore = -100

// Example is one prompt, ready for the network, with its answer if it has one.
type Example struct {
	Tokens []int32
	// Labels [len(Tokens)] holds Tokens[i] where token i is supervised, which
	// row i−1 predicts, and Ignore elsewhere. It is nil when there is no answer.
	Labels []int32
	// Images holds the images in the order of their runs of placeholders. The
	// same pointer means the same image.
	Images []*vision.Patches
	// Weight multiplies the loss of each label; 0 means 1.
	Weight float32
	// Weights [len(Tokens)] multiplies the loss of the label of each token
	// besides; nil means 1 for all. Unlike Weight, 0 is 0.
	Weights []float32
	// Parts [len(Tokens)] says what part of the answer each labelled token is.
	// It changes nothing but reports; nil means that no part is told from others.
	Parts []Part
}

// Batch is a forest of token runs for one pass of a network. T is the number
// of tokens.
//
// A token attends to its own segment up to itself and to every ancestor
// segment; an example is a path from a root, as far down as it goes, and
// positions are those of the path. Plain packing is the forest of single
// segments.
type Batch struct {
	Tokens   []int32           // [T]
	Pos      [][3]int32        // [T]: time, row and column for the rotary embedding
	Segments []Segment         // in order of Start, the first at 0
	Labels   []Label           // in order of examples and positions; rows may repeat in a forest
	Ends     []int32           // last row of each example, as Pack and Share got them; nil in batches made otherwise
	Images   []*vision.Patches // every image once
	// Merge is the spatial merge size: Merge by Merge patches become one
	// feature. It is 0 only where there are no images.
	Merge int
	// Visual says where the merged features of the images go. Features are
	// numbered over all Images in order, merged cells in raster order. Rows
	// ascend; a feature may go to several rows.
	Visual []Visual
}

// Segment is a run of tokens from Start to the Start of the next segment (or
// T). Parent is the index of the segment that it continues, always smaller
// than its own, or NoParent.
type Segment struct{ Start, Parent int32 }

// NoParent is the Parent of a segment that begins a sequence.
const NoParent = -1

// Label says that the logits of row Row should predict token Target. Its loss
// counts Weight times in the sum that is minimised.
type Label struct {
	Row, Target int32
	Weight      float32
}

// Visual says that row Row of the batch takes feature Feature.
type Visual struct{ Row, Feature int32 }

// End returns the first row after segment i.
func (b *Batch) End(i int) int32 {
	if i+1 < len(b.Segments) {
		return b.Segments[i+1].Start
	}
	return int32(len(b.Tokens))
}
