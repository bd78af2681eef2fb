//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package file

// fileMode is the mode of contents. Some systems do not replace files that are
// read-only.
const fileMode = 0o666

// syncFolder does nothing where folders cannot be flushed.
func syncFolder(string) error { return nil }
