package base

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"mole/hub"
	"mole/store"
)

// find returns the folder of a base network that is not part of the program:
// nameOrDir itself if it exists, or where the volume models or the cache of
// downloaded models has the model of that name. It looks at no file inside. The
// error wraps [ErrIncomplete] if there is none of them.
func find(ctx context.Context, models store.Volume, nameOrDir string) (folder, error) {
	if _, err := os.Stat(nameOrDir); !errors.Is(err, fs.ErrNotExist) {
		return dirFolder(nameOrDir), err
	}
	name, err := hub.ParseName(nameOrDir)
	if err != nil {
		return folder{}, fmt.Errorf("%w: there is no such directory; want %q, which is part of the program, the directory of a Qwen3-VL checkpoint, or the name of one on a hub, OWNER/NAME",
			ErrIncomplete, Tiny)
	}
	stored, err := lookup(ctx, models, name)
	if err == nil {
		return stored.folder, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return folder{}, err
	}
	return findDownloaded(name)
}

// findDownloaded returns the folder of a model in the cache of downloaded ones.
func findDownloaded(name hub.Name) (folder, error) {
	cache, err := hub.CacheFromEnvironment(os.Getenv)
	if err != nil {
		return folder{}, err
	}
	s, err := cache.Lookup(name)
	if errors.Is(err, hub.ErrAbsent) {
		return folder{}, fmt.Errorf("%w: there is no such directory, and the model is %w; mole model pull %v downloads it", ErrIncomplete, err, name)
	}
	if err != nil {
		return folder{}, err
	}
	return dirFolder(s.Dir), nil
}

// Present reports whether [OpenFrom] would find a network of that name on this
// machine, be it usable or not.
func Present(ctx context.Context, models store.Volume, nameOrDir string) bool {
	if nameOrDir == "" || nameOrDir == Tiny {
		return true
	}
	_, err := find(ctx, models, nameOrDir)
	return !errors.Is(err, ErrIncomplete)
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
