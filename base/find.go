package base

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"mole/hub"
)

// Find returns the directory of a base network that is not part of the program:
// nameOrDir itself if it exists, or where the cache of downloaded models has
// the model of that name. It looks at no file inside. The error wraps
// [ErrIncomplete] if there is neither.
func Find(nameOrDir string) (dir string, err error) {
	if _, err := os.Stat(nameOrDir); !errors.Is(err, fs.ErrNotExist) {
		return nameOrDir, err
	}
	name, err := hub.ParseName(nameOrDir)
	if err != nil {
		return "", fmt.Errorf("%w: there is no such directory; want %q, which is part of the program, the directory of a Qwen3-VL checkpoint, or the name of one on a hub, OWNER/NAME",
			ErrIncomplete, Tiny)
	}
	cache, err := hub.CacheFromEnvironment(os.Getenv)
	if err != nil {
		return "", err
	}
	s, err := cache.Lookup(name)
	if errors.Is(err, hub.ErrAbsent) {
		return "", fmt.Errorf("%w: there is no such directory, and the model is %w; mole model pull %v downloads it", ErrIncomplete, err, name)
	}
	if err != nil {
		return "", err
	}
	return s.Dir, nil
}

// Present reports whether Open would find a network of that name on this
// machine, be it usable or not.
func Present(nameOrDir string) bool {
	if nameOrDir == "" || nameOrDir == Tiny {
		return true
	}
	_, err := Find(nameOrDir)
	return err == nil
}

// SplitName splits a name on a hub into the model and the revision, which is
// "" if there is none. The name of a directory stays as it is.
func SplitName(nameOrDir string) (model, revision string) {
	if _, err := hub.ParseName(nameOrDir); err != nil {
		return nameOrDir, ""
	}
	model, revision, _ = strings.Cut(nameOrDir, "@")
	return model, revision
}
