//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package tbevents

import "os"

// tryLock always succeeds: here nothing keeps a run that is at work from being
// removed.
func tryLock(*os.File, bool) (bool, error) { return true, nil }
