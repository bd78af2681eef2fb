// Package vision turns image files into the patches that a vision tower reads.
package vision
