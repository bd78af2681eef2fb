package hub

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// FromEnvironment returns the options that the variables of the Python tools
// give: HF_HUB_CACHE, or HUGGINGFACE_HUB_CACHE, or the folder hub in HF_HOME,
// for the cache; HF_ENDPOINT; HF_TOKEN, or HUGGING_FACE_HUB_TOKEN, or what the
// file HF_TOKEN_PATH, or token in HF_HOME, holds; HF_HUB_OFFLINE or
// TRANSFORMERS_OFFLINE. HF_HOME itself is huggingface in XDG_CACHE_HOME or
// ~/.cache unless it is set. env is [os.Getenv], or a replacement.
func FromEnvironment(env func(string) string) (Options, error) {
	home, err := hubHome(env)
	if err != nil {
		return Options{}, err
	}
	o := Options{
		Endpoint: strings.TrimRight(env("HF_ENDPOINT"), "/"),
		Cache:    cacheIn(env, home),
		Offline:  isTrue(first(env, "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")),
		Token:    strings.TrimSpace(first(env, "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")),
	}
	if o.Token == "" {
		path := expand(env("HF_TOKEN_PATH"))
		if path == "" {
			path = filepath.Join(home, "token")
		}
		o.Token, err = readToken(path)
	}
	return o, err
}

// CacheFromEnvironment returns the cache that [FromEnvironment] gives.
func CacheFromEnvironment(env func(string) string) (Cache, error) {
	home, err := hubHome(env)
	return cacheIn(env, home), err
}

// cacheIn returns the cache, given the folder of everything.
func cacheIn(env func(string) string, home string) Cache {
	if dir := first(env, "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"); dir != "" {
		return Cache{expand(dir)}
	}
	return Cache{filepath.Join(home, "hub")}
}

// hubHome returns the folder of everything that the tools keep.
func hubHome(env func(string) string) (string, error) {
	if dir := env("HF_HOME"); dir != "" {
		return expand(dir), nil
	}
	if dir := env("XDG_CACHE_HOME"); dir != "" {
		return filepath.Join(expand(dir), "huggingface"), nil
	}
	// Not os.UserCacheDir: the Python tools use this folder on every system.
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("cache of models: %w; HF_HOME can name a folder for it", err)
	}
	return filepath.Join(home, ".cache", "huggingface"), nil
}

// first returns the first variable that is set.
func first(env func(string) string, names ...string) string {
	for _, name := range names {
		if v := env(name); v != "" {
			return v
		}
	}
	return ""
}

// expand replaces a leading ~ by the user's folder, as the Python tools do.
func expand(path string) string {
	rest, ok := strings.CutPrefix(path, "~")
	if !ok || rest != "" && !os.IsPathSeparator(rest[0]) {
		return path
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return path
	}
	return filepath.Join(home, rest)
}

// isTrue reports whether a variable says yes.
func isTrue(value string) bool {
	switch strings.ToUpper(value) {
	case "1", "ON", "YES", "TRUE":
		return true
	}
	return false
}

// readToken reads the file that the login command of the Python tools writes.
// Its first line counts.
func readToken(path string) (string, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	line, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	return strings.TrimSpace(line), nil
}
