package store

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
)

// tempSuffix ends the names of files and folders that are being written.
const tempSuffix = ".mole-tmp"

// Extract writes the files of t to the folder dir. If dir is new, it appears
// with all files or not at all; an interrupted Extract is continued by the
// next, from the hidden folder beside dir that it left. In a folder that is
// there, each file is replaced whole, equal ones are left alone, and so is what
// t does not have. Files are copies, checked on the way; nothing is written
// through a link that leads out of dir.
func Extract(ctx context.Context, s Store, t Tree, dir string) error {
	digest, err := t.Digest()
	if err != nil {
		return err
	}
	if _, err := os.Stat(dir); err == nil {
		return extractInto(ctx, s, t, dir)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent, name := filepath.Split(filepath.Clean(dir))
	sum := sha256.Sum256([]byte(digest + name))
	temp := filepath.Join(parent, "."+hex.EncodeToString(sum[:8])+tempSuffix)
	if err := os.MkdirAll(temp, 0o777); err != nil {
		return err
	}
	if err := extractInto(ctx, s, t, temp); err != nil {
		return err
	}
	err = os.Rename(temp, dir)
	if _, there := os.Stat(dir); err != nil && there == nil { // somebody else made it meanwhile
		return errors.Join(extractInto(ctx, s, t, dir), os.RemoveAll(temp))
	}
	return err
}

// extractInto writes the files of t to a folder that is there.
func extractInto(ctx context.Context, s Store, t Tree, dir string) (err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	return each(ctx, 0, len(t.Files), func(ctx context.Context, i int) error {
		if err := extractFile(ctx, s, root, t.Files[i]); err != nil {
			return fmt.Errorf("extract %s to %s: %w", t.Files[i].Path, dir, err)
		}
		return nil
	})
}

// extractFile writes one file, unless it is there.
func extractFile(ctx context.Context, s Store, root *os.Root, f File) error {
	same, err := sameFile(ctx, root, f)
	if err != nil || same {
		return err
	}
	folder := path.Dir(f.Path)
	if err := root.MkdirAll(folder, 0o777); err != nil {
		return err
	}
	temp := path.Join(folder, "."+rand.Text()+tempSuffix)
	w, err := root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	err = copyObject(ctx, s, f, w)
	if err := errors.Join(err, w.Close()); err != nil {
		return errors.Join(err, root.Remove(temp))
	}
	if err := root.Rename(temp, f.Path); err != nil {
		return errors.Join(err, root.Remove(temp))
	}
	return nil
}

// sameFile reports whether a file is there with the right content.
func sameFile(ctx context.Context, root *os.Root, f File) (same bool, err error) {
	info, err := root.Lstat(f.Path)
	if err != nil || !info.Mode().IsRegular() || info.Size() != f.Size {
		return false, nil // what is wrong will show when it is written
	}
	r, err := root.Open(f.Path)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	h := sha256.New()
	if _, err := io.Copy(h, withContext(ctx, r)); err != nil {
		return false, err
	}
	want, err := hex.DecodeString(f.Digest)
	return bytes.Equal(h.Sum(nil), want), err
}

// copyObject writes the content of a file to w and flushes it.
func copyObject(ctx context.Context, s Store, f File, w *os.File) error {
	r, err := GetObject(ctx, s, f.Digest)
	if err != nil {
		return err
	}
	// Only Write, so that the copy goes through the reader, which checks.
	n, err := io.CopyBuffer(struct{ io.Writer }{w}, r, make([]byte, bufferSize))
	if err == nil && n != f.Size {
		err = fmt.Errorf("%w: %d bytes, want %d", ErrDamaged, n, f.Size)
	}
	return errors.Join(err, r.Close(), w.Sync())
}

// Prune removes from the folder dir the files that t does not have, and the
// folders that become empty. It returns how many files it removed.
func Prune(ctx context.Context, t Tree, dir string) (removed int, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	var folders []string
	err = fs.WalkDir(root.FS(), ".", func(p string, d fs.DirEntry, err error) error {
		if err == nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			return err
		}
		if _, keep := t.File(p); d.IsDir() || keep {
			if d.IsDir() && p != "." && len(t.under(p)) == 0 {
				folders = append(folders, p)
			}
			return nil
		}
		removed++
		return root.Remove(p)
	})
	for _, folder := range slices.Backward(folders) { // the inner ones come last
		err = errors.Join(err, root.Remove(folder))
	}
	return removed, err
}
