package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
)

// Key identifies a piece of work: what a stage does with which inputs under
// which settings. Two keys with equal members have equal digests.
type Key struct {
	Stage    string            `json:"stage"`    // "preprocess"; with its version, if its results changed: "preprocess-2"
	Inputs   map[string]string `json:"inputs"`   // name to digest of the content
	Settings map[string]any    `json:"settings"` // everything else that the result depends on; JSON values
}

// Digest returns the SHA-256 of k's canonical JSON, in hexadecimal: what stage
// results are stored under.
func (k Key) Digest() (string, error) {
	if k.Stage == "" {
		return "", errors.New("key: no stage")
	}
	for name, digest := range k.Inputs {
		if err := checkDigest(digest); err != nil {
			return "", fmt.Errorf("key of stage %s: input %s: %w", k.Stage, name, err)
		}
	}
	if k.Inputs == nil {
		k.Inputs = map[string]string{}
	}
	if k.Settings == nil {
		k.Settings = map[string]any{}
	}
	text, err := canonical(k)
	if err != nil {
		return "", fmt.Errorf("key of stage %s: %w", k.Stage, err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}

// stagePrefix begins the names of the references of stage results.
const stagePrefix = "stages/"

// ResultRef returns the name of the reference of a stage's result.
func ResultRef(stage, key string) (string, error) {
	if err := checkDigest(key); err != nil {
		return "", fmt.Errorf("key of stage %s: %w", stage, err)
	}
	ref := stagePrefix + stage + "/" + key + refSuffix
	return ref, CheckName(ref)
}

// Result returns what a stage made for a key; ok is false if it has not
// finished.
func Result(ctx context.Context, s Store, stage, key string) (t Tree, ok bool, err error) {
	ref, err := ResultRef(stage, key)
	if err != nil {
		return Tree{}, false, err
	}
	t, err = ReadTree(ctx, s, ref)
	if errors.Is(err, fs.ErrNotExist) {
		return Tree{}, false, nil
	}
	return t, err == nil, err
}

// Finish stores what a stage made for a key, and returns it. If somebody else
// finished the same work before, theirs stays and is what Finish returns.
func Finish(ctx context.Context, s Store, stage, key string, t Tree) (Tree, error) {
	ref, err := ResultRef(stage, key)
	if err != nil {
		return Tree{}, err
	}
	err = PutTree(ctx, s, ref, t, Absent)
	if errors.Is(err, fs.ErrExist) {
		return ReadTree(ctx, s, ref)
	}
	return t, err
}
