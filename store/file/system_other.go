//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package file

import "os"

// fileMode is the mode of contents. Some systems do not replace files that are
// read-only.
const fileMode = 0o666

// tryLock always succeeds: the goroutines of a process are kept apart by other
// means.
func tryLock(*os.File, bool) (bool, error) { return true, nil }

// syncFolder does nothing where folders cannot be flushed.
func syncFolder(string) error { return nil }
