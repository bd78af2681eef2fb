package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"path"
	"strings"
)

// Volume is a named set of published folders in a store (specification mole,
// 3.2). The folder at path p of volume v is the tree that the reference
// volumes/v/p.json names.
type Volume struct {
	Store Store
	Name  string
}

// volumePrefix begins the names of the references of volumes.
const volumePrefix = "volumes/"

// Entry is one published folder, or single file, of a volume.
type Entry struct {
	Path string
	Ref  Ref
	Info Info // of the reference
}

// Clean returns the usual form of a path in a volume: without slashes at the
// ends and without empty or "." parts. It refuses "..", and what [CheckName]
// refuses. The root of the volume is "".
func Clean(p string) (string, error) {
	for part := range strings.SplitSeq(p, "/") {
		if part == ".." {
			return "", fmt.Errorf("%w %.100q: part %q", ErrName, p, part)
		}
	}
	p = strings.TrimPrefix(path.Clean("/"+p), "/")
	if p == "" {
		return "", nil
	}
	return p, CheckName(p)
}

// Ref returns the name of the reference of the folder at path p. The name of
// the volume is one part.
func (v Volume) Ref(p string) (string, error) {
	if err := v.check(); err != nil {
		return "", err
	}
	p, err := Clean(p)
	if err != nil {
		return "", err
	}
	if p == "" {
		return "", fmt.Errorf("%w: volume %s: no path", ErrName, v.Name)
	}
	ref := volumePrefix + v.Name + "/" + p + refSuffix
	return ref, CheckName(ref)
}

// check returns an error unless the volume's name is well formed.
func (v Volume) check() error {
	if strings.ContainsAny(v.Name, "/:") {
		return fmt.Errorf("%w %.100q: a volume's name has no slash and no colon", ErrName, v.Name)
	}
	return CheckName(v.Name)
}

// List returns what is published at paths that begin with prefix, by name of
// the reference.
func (v Volume) List(ctx context.Context, prefix string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		if err := v.check(); err != nil {
			yield(Entry{}, err)
			return
		}
		root := volumePrefix + v.Name + "/"
		for info, err := range v.Store.List(ctx, root+strings.TrimLeft(prefix, "/")) {
			var e Entry
			if err == nil {
				e = Entry{Path: strings.TrimSuffix(info.Name[len(root):], refSuffix), Info: info}
				e.Ref, err = ReadRef(ctx, v.Store, info.Name)
			}
			if errors.Is(err, fs.ErrNotExist) {
				continue // removed since it was listed
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// Tree returns the folder that was published at path p. The error wraps
// [fs.ErrNotExist] if there is none.
func (v Volume) Tree(ctx context.Context, p string) (Tree, error) {
	ref, err := v.Ref(p)
	if err != nil {
		return Tree{}, err
	}
	t, err := ReadTree(ctx, v.Store, ref)
	return t, v.missing(err, p)
}

// missing replaces the error for a missing reference by one in the terms of
// volumes.
func (v Volume) missing(err error, p string) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("volume %s: %s: %w", v.Name, p, fs.ErrNotExist)
	}
	return err
}

// Find returns what is at path p: the folder that was published there, or a
// folder or file of the innermost one published above it.
func (v Volume) Find(ctx context.Context, p string) (Tree, error) {
	p, err := Clean(p)
	if err != nil {
		return Tree{}, err
	}
	for at := p; at != "." && at != ""; at = path.Dir(at) {
		t, err := v.Tree(ctx, at)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil || at == p {
			return t, err
		}
		if sub, ok := t.Sub(p[len(at)+1:]); ok {
			return sub, nil
		}
		break
	}
	return Tree{}, v.missing(fs.ErrNotExist, p)
}

// Publish makes t the folder at path p in one step. All its objects have to be
// stored. The error wraps [fs.ErrExist] or [ErrChanged] if the condition is
// not met; versions are those of the reference, see [Stat].
func (v Volume) Publish(ctx context.Context, p string, t Tree, when Condition) error {
	ref, err := v.Ref(p)
	if err != nil {
		return err
	}
	return PutTree(ctx, v.Store, ref, t, when)
}

// Remove removes what was published at path p, not what lies below it. That
// there is nothing is no error. The objects stay until [Sweep].
func (v Volume) Remove(ctx context.Context, p string) error {
	ref, err := v.Ref(p)
	if err != nil {
		return err
	}
	return v.Store.Delete(ctx, ref)
}

// Records returns the name for [AppendLine] of the records at path p of the
// volume: records/VOLUME/PATH.
func (v Volume) Records(p string) (string, error) {
	if err := v.check(); err != nil {
		return "", err
	}
	p, err := Clean(p)
	if err != nil {
		return "", err
	}
	name := "records/" + v.Name + "/" + p
	return name, CheckName(name)
}

// Volumes returns the names of the volumes that hold anything, in order.
func Volumes(ctx context.Context, s Store) ([]string, error) {
	var names []string
	for info, err := range s.List(ctx, volumePrefix) {
		if err != nil {
			return nil, err
		}
		name, _, _ := strings.Cut(info.Name[len(volumePrefix):], "/")
		if len(names) == 0 || names[len(names)-1] != name {
			names = append(names, name)
		}
	}
	return names, nil
}

// mounts maps the first part of absolute paths in older records to keys of
// config/adapters.yaml, the first configured one counts (specification mole,
// 3.2).
var mounts = map[string][]string{
	"moe-data":      {"moe_data"},
	"data":          {"moe_data"},
	"training-data": {"lora_training", "training_data"},
	"expert-data":   {"lora_training", "training_data"},
	"training":      {"lora_training", "training_data"},
	"inference":     {"inference"},
	"history":       {"training_history"},
	"models":        {"model_cache"},
	"archive":       {"archives"},
	"config":        {"config"},
}

// Locate returns volume and path of an absolute path in a container, such as
// older records hold ("/moe-data/checkpoints/x"). Volumes maps the keys of
// volumes in config/adapters.yaml ("moe_data") to their names.
func Locate(abs string, volumes map[string]string) (volume, p string, err error) {
	if !strings.HasPrefix(abs, "/") {
		return "", "", fmt.Errorf("path %.100q: want one that begins with a slash", abs)
	}
	p, err = Clean(abs)
	if err != nil {
		return "", "", err
	}
	mount, rest, _ := strings.Cut(p, "/")
	keys, ok := mounts[mount]
	if !ok {
		return "", "", fmt.Errorf("path %.100q: /%s is not a mount point of a volume", abs, mount)
	}
	for _, key := range keys {
		if name := volumes[key]; name != "" {
			return name, rest, nil
		}
	}
	return "", "", fmt.Errorf("path %.100q: volume %s is not configured", abs, strings.Join(keys, " or "))
}
