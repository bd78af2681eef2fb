package vision

// Grid is the size of an image in patches: frames, rows and columns. Still
// images have one frame; rows and columns are multiples of the merge size.
type Grid struct{ T, H, W int }

// Patches returns the number of patches, T·H·W.
func (g Grid) Patches() int { return g.T * g.H * g.W }

// Tokens returns the number of tokens that reach the text model when merge by
// merge patches become one.
func (g Grid) Tokens(merge int) int { return g.Patches() / (merge * merge) }

// Patches is one image as the vision tower reads it.
type Patches struct {
	Grid Grid
	// Pixels [Grid.Patches(), channels·frames·size·size] holds the normalised
	// samples of each patch, patches in the order of merge blocks
	// (specification qwen3-vl 3.1), samples in the order channel, frame, row,
	// column (3.2).
	Pixels []float32
	// Features, if not nil, is what a frozen tower made of the image. A network
	// whose tower no adapter touches takes it in place of Pixels, which may
	// then be nil.
	Features *Features
}

// Features is the output of a vision tower for one image of N merged cells:
// the tokens, and what the deep stack adds to the first decoder layers. It
// depends on the tower's weights and on the pixels only, so it can be kept for
// every later pass over the same image.
type Features struct {
	Tokens []float32   // [N, C], cells in raster order
	Deep   [][]float32 // [N, C] for each deep-stack merger
}
