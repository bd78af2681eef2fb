package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
)

// Object identifies a content by the digest of its bytes.
type Object struct {
	Digest string // SHA-256 in lower-case hexadecimal
	Size   int64  // bytes
}

// objectPrefix begins the names of all objects.
const objectPrefix = "objects/"

// ObjectName returns the name that the content with a digest is stored under.
func ObjectName(digest string) (string, error) {
	if err := checkDigest(digest); err != nil {
		return "", err
	}
	return objectPrefix + digest[:2] + "/" + digest[2:], nil
}

// checkDigest returns an error unless digest is one.
func checkDigest(digest string) error {
	for _, c := range []byte(digest) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return fmt.Errorf("digest %.80q: want lower-case hexadecimal", digest)
		}
	}
	if len(digest) != hex.EncodedLen(sha256.Size) {
		return fmt.Errorf("digest %.80q: %d digits, want %d", digest, len(digest), hex.EncodedLen(sha256.Size))
	}
	return nil
}

// PutObject stores what r holds under its digest, unless it is there already.
// A reader that can seek is read twice: a content that is there is not stored
// again, and one that changes meanwhile gives an error. Any other is kept on the
// way, in memory or, above 1 MiB, in a temporary file.
func PutObject(ctx context.Context, s Store, r io.Reader) (Object, error) {
	if rs, ok := r.(io.ReadSeeker); ok {
		if start, err := rs.Seek(0, io.SeekCurrent); err == nil { // a pipe has Seek too
			return putSeeker(ctx, s, rs, start)
		}
	}
	const inMemory = 1 << 20
	var head bytes.Buffer
	if _, err := io.CopyN(&head, withContext(ctx, r), inMemory); err == io.EOF {
		return putSeeker(ctx, s, bytes.NewReader(head.Bytes()), 0)
	} else if err != nil {
		return Object{}, err
	}
	return putSpooled(ctx, s, io.MultiReader(&head, r))
}

// putSpooled stores r by way of a temporary file.
func putSpooled(ctx context.Context, s Store, r io.Reader) (o Object, err error) {
	f, err := os.CreateTemp("", "mole-object-*")
	if err != nil {
		return Object{}, err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	if _, err := io.Copy(f, withContext(ctx, r)); err != nil {
		return Object{}, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return Object{}, err
	}
	return putSeeker(ctx, s, f, 0)
}

// putSeeker stores what r holds from start on.
func putSeeker(ctx context.Context, s Store, r io.ReadSeeker, start int64) (Object, error) {
	h := sha256.New()
	n, err := io.CopyBuffer(h, withContext(ctx, r), make([]byte, bufferSize))
	if err != nil {
		return Object{}, err
	}
	o := Object{hex.EncodeToString(h.Sum(nil)), n}
	name, err := ObjectName(o.Digest)
	if err != nil {
		return Object{}, err
	}
	when := Absent
	switch info, err := Stat(ctx, s, name); {
	case err == nil && info.Size == o.Size:
		return o, nil
	case err == nil: // damaged: what is put is what belongs there
		when = Always
	case !errors.Is(err, fs.ErrNotExist):
		return Object{}, err
	}
	if _, err := r.Seek(start, io.SeekStart); err != nil {
		return Object{}, err
	}
	v := &verifier{r: r, sum: sha256.New(), digest: o.Digest, damage: errors.New("content changed while it was read")}
	if err := s.Put(ctx, name, v, when); err != nil && !errors.Is(err, fs.ErrExist) {
		return Object{}, err
	}
	return o, nil
}

// GetObject returns the content with a digest, and checks it on the way: the
// last Read, or Close after all was read, gives an error that wraps
// [ErrDamaged] and names the object if the bytes do not have that digest.
func GetObject(ctx context.Context, s Store, digest string) (io.ReadCloser, error) {
	name, err := ObjectName(digest)
	if err != nil {
		return nil, err
	}
	r, err := s.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	v := &verifier{r: r, sum: sha256.New(), digest: digest, damage: fmt.Errorf("object %s: %w", name, ErrDamaged)}
	return &objectReader{v, r}, nil
}

// Has reports whether the content with a digest is stored.
func Has(ctx context.Context, s Store, digest string) (bool, error) {
	name, err := ObjectName(digest)
	if err != nil {
		return false, err
	}
	_, err = Stat(ctx, s, name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// objectReader is what GetObject returns.
type objectReader struct {
	*verifier
	closer io.Closer
}

// Close implements [io.Closer]. If nothing is left to read, it checks.
func (o *objectReader) Close() error {
	var err error
	if o.end == nil {
		_, err = o.Read(make([]byte, 1))
		if err == io.EOF {
			err = nil
		}
	}
	return errors.Join(err, o.closer.Close())
}

// verifier reads from r and, at the end, checks the digest of what it read.
type verifier struct {
	r      io.Reader
	sum    hash.Hash
	digest string
	damage error // what the end of the wrong content gives
	end    error // of r, or damage
}

// Read implements [io.Reader].
func (v *verifier) Read(p []byte) (int, error) {
	if v.end != nil {
		return 0, v.end
	}
	n, err := v.r.Read(p)
	v.sum.Write(p[:n])
	if err == io.EOF && hex.EncodeToString(v.sum.Sum(nil)) != v.digest {
		err = v.damage
	}
	v.end = err
	return n, err
}

// bufferSize is what files are copied by, in bytes.
const bufferSize = 128 << 10

// withContext returns a reader that ends with the context.
func withContext(ctx context.Context, r io.Reader) io.Reader { return contextReader{ctx, r} }

// contextReader reads until its context ends. It also hides other methods of
// the reader, so that nothing is copied in one long step.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

// Read implements [io.Reader].
func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, context.Cause(c.ctx)
	}
	return c.r.Read(p)
}
