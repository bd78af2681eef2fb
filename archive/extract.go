package archive

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/klauspost/compress/gzip"

	"mole/store"
)

// Limits bound what an archive may unpack to. The zero value of a field means
// the default in its comment.
type Limits struct {
	Files int   // files and folders, 1 million
	Bytes int64 // of all files, 256 GiB
	Ratio int64 // bytes of all files for each byte of the archive, beyond the first 16 MiB; 200
}

// free is how many bytes unpack to whatever the ratio is.
const free = 16 << 20

// withDefaults returns l with the defaults filled in.
func (l Limits) withDefaults() Limits {
	if l.Files == 0 {
		l.Files = 1_000_000
	}
	if l.Bytes == 0 {
		l.Bytes = 256 << 30
	}
	if l.Ratio == 0 {
		l.Ratio = 200
	}
	return l
}

// Errors of archives that are not unpacked.
var (
	// ErrHostile is the error of an entry that no honest archive of a dataset
	// has: a name that leads out of the folder, a link, a device, a name that
	// occurs twice.
	ErrHostile = errors.New("archive is not to be trusted")
	// ErrTooLarge is the error of an archive that exceeds a limit.
	ErrTooLarge = errors.New("archive is too large")
)

// Extract unpacks an archive of [Write], or any gzip-compressed tar file, into
// the new folder dir. If everything in it lies in one folder, dir is that folder.
// dir appears with all files or not at all. Files get the usual modes, whatever
// the archive says.
func Extract(ctx context.Context, r io.Reader, dir string, l Limits) (Stats, error) {
	dir = filepath.Clean(dir)
	if _, err := os.Lstat(dir); err == nil {
		return Stats{}, fmt.Errorf("%s: %w", dir, fs.ErrExist)
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o777); err != nil {
		return Stats{}, err
	}
	temp, err := os.MkdirTemp(filepath.Dir(dir), "."+filepath.Base(dir)+"-*")
	if err != nil {
		return Stats{}, err
	}
	defer func() { _ = os.RemoveAll(temp) }() // an empty folder where all went well
	inside := filepath.Join(temp, "new")
	if err := os.Mkdir(inside, 0o777); err != nil {
		return Stats{}, err
	}
	s, err := extract(ctx, r, inside, l.withDefaults())
	if err != nil {
		return Stats{}, err
	}
	if inside, err = onlyFolder(inside); err != nil {
		return Stats{}, err
	}
	return s, os.Rename(inside, dir)
}

// onlyFolder returns the folder in dir if dir holds nothing else, or else dir.
func onlyFolder(dir string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err == nil && len(entries) == 1 && entries[0].IsDir() {
		dir = filepath.Join(dir, entries[0].Name())
	}
	return dir, err
}

// extract unpacks into an empty folder.
func extract(ctx context.Context, r io.Reader, dir string, l Limits) (s Stats, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	packed := &counter{r: r}
	z, err := gzip.NewReader(packed)
	if err != nil {
		return s, fmt.Errorf("archive: %w", err)
	}
	u := &unpacker{root: root, limits: l, packed: packed, tar: tar.NewReader(z)}
	if err := u.all(ctx); err != nil {
		return u.stats, err
	}
	// The checksum of the compressed file is behind its last byte.
	n, err := io.Copy(io.Discard, io.LimitReader(z, free))
	if err == nil && n == free {
		err = fmt.Errorf("%w: much lies behind the last entry", ErrHostile)
	}
	if err != nil {
		return u.stats, fmt.Errorf("archive: %w", err)
	}
	return u.stats, nil
}

// counter counts what is read.
type counter struct {
	r io.Reader
	n int64
}

// Read implements [io.Reader].
func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// unpacker unpacks one archive.
type unpacker struct {
	root    *os.Root
	limits  Limits
	packed  *counter // the compressed file
	tar     *tar.Reader
	stats   Stats
	entries int
}

// all unpacks all entries.
func (u *unpacker) all(ctx context.Context) error {
	var err error
	for err == nil {
		if err = context.Cause(ctx); err == nil {
			err = u.next(ctx)
		}
	}
	if !errors.Is(err, io.EOF) {
		return err
	}
	if u.stats.Files == 0 {
		return errors.New("archive: no files")
	}
	return nil
}

// next unpacks the next entry. The error is io.EOF after the last.
func (u *unpacker) next(ctx context.Context) error {
	h, err := u.tar.Next()
	if errors.Is(err, io.EOF) {
		return io.EOF
	}
	if err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	if h.Typeflag == tar.TypeXGlobalHeader { // a comment
		return nil
	}
	name, err := checkEntry(h)
	if err != nil {
		return fmt.Errorf("%w: entry %.200q: %w", ErrHostile, h.Name, err)
	}
	if u.entries++; u.entries > u.limits.Files {
		return fmt.Errorf("%w: more than %d files and folders", ErrTooLarge, u.limits.Files)
	}
	if h.Typeflag == tar.TypeDir {
		return u.folder(name)
	}
	return u.file(ctx, name, h.Size)
}

// kinds names the entries that are refused.
var kinds = map[byte]string{
	tar.TypeLink: "a hard link", tar.TypeSymlink: "a symbolic link", tar.TypeChar: "a device", tar.TypeBlock: "a device", tar.TypeFifo: "a pipe",
	tar.TypeGNUSparse: "a sparse file",
}

// checkEntry returns the path of an entry, relative to the new folder, "." for
// that folder.
func checkEntry(h *tar.Header) (string, error) {
	if h.Typeflag != tar.TypeReg && h.Typeflag != tar.TypeDir {
		kind := kinds[h.Typeflag]
		if kind == "" {
			kind = fmt.Sprintf("of type %q", h.Typeflag)
		}
		return "", fmt.Errorf("is %s, want a file or a folder", kind)
	}
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return "", errors.New("is a sparse file, want a whole one")
		}
	}
	name := h.Name
	if h.Typeflag == tar.TypeDir {
		name = strings.TrimSuffix(name, "/")
		if name == "." {
			return ".", nil
		}
	}
	name = strings.TrimPrefix(name, "./") // as tar writes them for a folder "."
	if err := store.CheckPath(name); err != nil {
		return "", err
	}
	if !filepath.IsLocal(filepath.FromSlash(name)) {
		return "", errors.New("name leads elsewhere on this system")
	}
	return name, nil
}

// folder makes a folder. It may be there: files make theirs.
func (u *unpacker) folder(name string) error {
	err := u.root.MkdirAll(name, 0o755)
	if errors.Is(err, fs.ErrExist) || errors.Is(err, syscall.ENOTDIR) {
		return fmt.Errorf("%w: entry %q: the name is that of a file, too", ErrHostile, name)
	}
	return err
}

// file unpacks a file, which must not be there.
func (u *unpacker) file(ctx context.Context, name string, size int64) (err error) {
	if size < 0 || size > u.limits.Bytes-u.stats.Bytes {
		return u.tooLarge()
	}
	if err := u.folder(path.Dir(name)); err != nil {
		return err
	}
	f, err := u.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w: entry %q: the name occurs twice", ErrHostile, name)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	u.stats.Files++
	if err := u.copy(ctx, f, size); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// copy copies the content of a file.
func (u *unpacker) copy(ctx context.Context, f io.Writer, size int64) error {
	const part = 1 << 20
	for size > 0 {
		n, err := io.CopyN(f, u.tar, min(part, size))
		size -= n
		u.stats.Bytes += n
		if errors.Is(err, io.EOF) { // which means the end of the archive
			err = io.ErrUnexpectedEOF
		}
		if err == nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			return err
		}
		if u.stats.Bytes > free && (u.stats.Bytes-free)/u.limits.Ratio > u.packed.n {
			return fmt.Errorf("%w: it unpacks to more than %d times its size", ErrTooLarge, u.limits.Ratio)
		}
	}
	return nil
}

func (u *unpacker) tooLarge() error {
	return fmt.Errorf("%w: files of more than %d bytes", ErrTooLarge, u.limits.Bytes)
}
