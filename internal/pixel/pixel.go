// Package pixel holds the inner loops of package vision, on flat slices of
// samples: one goroutine, no memory of their own. The arithmetic is integer, or
// rounded after every operation, so that the vector versions give the same bytes
// as the plain ones beside them, which run everywhere and are what they are
// tested against.
package pixel

// channels is the number of samples of a pixel where nothing else is said: red,
// green, blue.
const channels = 3
