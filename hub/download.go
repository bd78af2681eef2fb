package hub

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"mole/internal/flock"
)

// blob puts the content of a file into the cache, unless it is there.
func (c *Client) blob(ctx context.Context, n Name, commit string, f file, p *progress) (err error) {
	at := c.o.Cache.blob(n, f.hash)
	if has(at, f.size) {
		p.add(f.size)
		return nil
	}
	lock, err := c.o.Cache.lock(ctx, n, f.hash)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	if has(at, f.size) { // another process was faster
		p.add(f.size)
		return nil
	}
	d := &download{client: c, file: f, name: n, commit: commit, path: at, progress: p}
	return d.run(ctx)
}

// has reports whether there is a file of that size.
func has(path string, size int64) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Size() == size
}

// lock waits for the lock of a content.
func (c Cache) lock(ctx context.Context, n Name, hash string) (*os.File, error) {
	path := filepath.Join(c.Dir, ".locks", folder(n), hash+".lock")
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	if err := flock.Wait(ctx, f, 10*time.Millisecond, time.Second); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// download is one content on its way.
type download struct {
	client   *Client
	file     file
	name     Name
	commit   string
	path     string // where it will be
	progress *progress

	part *os.File // what came so far, which a next process continues
	have int64    // bytes of it
	sum  hash.Hash
	old  bool // some of it came before this process, or was begun again
}

// run downloads the content and gives it its name.
func (d *download) run(ctx context.Context) (err error) {
	if err := os.MkdirAll(filepath.Dir(d.path), 0o777); err != nil {
		return err
	}
	if d.part, err = os.OpenFile(d.path+".incomplete", os.O_RDWR|os.O_CREATE, 0o666); err != nil {
		return err
	}
	defer func() {
		if d.part != nil {
			err = errors.Join(err, d.part.Close())
		}
	}()
	if err := d.resume(); err != nil {
		return err
	}
	for {
		if err := d.client.retry(ctx, d.client.o.Attempts, func() (int64, error) { return d.more(ctx) }); err != nil {
			return err
		}
		got := hex.EncodeToString(d.sum.Sum(nil))
		if got == d.file.hash {
			return d.finish()
		}
		again := d.old // then the fault may be in what was there
		if err := d.restart(); err != nil {
			return err
		}
		if !again {
			return forGood("content has the hash %s, the hub lists %s", got, d.file.hash)
		}
		d.old = false
	}
}

// begin forgets what came.
func (d *download) begin() {
	d.progress.add(-d.have)
	d.have, d.sum = 0, newSum(d.file.hash, d.file.size)
}

// newSum returns the sum that makes a hash like want of a content of that size.
func newSum(want string, size int64) hash.Hash {
	if sha256ID.MatchString(want) {
		return sha256.New()
	}
	sum := sha1.New() // git's hash of a file is over a header, too
	fmt.Fprintf(sum, "blob %d\x00", size)
	return sum
}

// restart removes what came.
func (d *download) restart() error {
	d.begin()
	if err := d.part.Truncate(0); err != nil {
		return err
	}
	_, err := d.part.Seek(0, io.SeekStart)
	return err
}

// resume takes up what a process before left.
func (d *download) resume() error {
	d.begin()
	n, err := io.Copy(d.sum, io.LimitReader(d.part, d.file.size+1))
	if err != nil {
		return err
	}
	if n > d.file.size {
		return d.restart()
	}
	d.have, d.old = n, n > 0
	d.progress.add(n)
	return nil
}

// more asks for what is missing and returns how much of it came.
func (d *download) more(ctx context.Context) (n int64, err error) {
	before := d.have
	if before == d.file.size {
		return 0, nil
	}
	err = d.client.watch(ctx, func(ctx context.Context, alive func()) error {
		u := d.client.url(d.name.Owner, d.name.Model, "resolve", d.commit, d.file.name)
		a, err := d.client.get(ctx, u, d.have)
		if s := (*StatusError)(nil); errors.As(err, &s) && s.Code == http.StatusRequestedRangeNotSatisfiable && d.have > 0 {
			return errors.Join(d.restart(), errors.New("the server does not continue"))
		}
		if err != nil {
			return err
		}
		defer func() { _ = a.Body.Close() }() // all that is wanted was read
		if err := d.accept(a); err != nil {
			return err
		}
		return d.copy(reader{a.Body, alive})
	})
	return max(0, d.have-before), err
}

// accept compares an answer with what the hub listed, and with the part that was
// asked for.
func (d *download) accept(a *answer) error {
	if err := d.acceptHub(a.hub); err != nil {
		return err
	}
	if a.StatusCode == http.StatusPartialContent {
		return d.acceptPart(a.Header.Get("Content-Range"))
	}
	if a.StatusCode != http.StatusOK {
		return forGood("status %d, want 200", a.StatusCode)
	}
	if d.have > 0 { // the server does not continue: all of it comes again
		if err := d.restart(); err != nil {
			return err
		}
	}
	return d.acceptLength(a.ContentLength)
}

// acceptHub compares what the hub says of a file with what it listed.
func (d *download) acceptHub(h http.Header) error {
	for _, v := range []struct{ what, got, want string }{
		{"commit", h.Get("X-Repo-Commit"), d.commit},
		{"hash", etag(h.Get("X-Linked-Etag")), d.file.hash},
		{"size", h.Get("X-Linked-Size"), strconv.FormatInt(d.file.size, 10)},
	} {
		if v.got != "" && v.got != v.want {
			return forGood("the server answers with the %s %.100q, the hub lists %s", v.what, v.got, v.want)
		}
	}
	return nil
}

// acceptLength refuses a body whose length cannot be right. -1 is not known.
func (d *download) acceptLength(n int64) error {
	if want := d.file.size - d.have; n >= 0 && n != want {
		return forGood("the server sends %d bytes, want %d", n, want)
	}
	return nil
}

// acceptPart refuses a part that is not the one that was asked for.
func (d *download) acceptPart(r string) error {
	var first, last int64
	n, err := fmt.Sscanf(r, "bytes %d-%d/", &first, &last)
	if n != 2 || first != d.have {
		return forGood("the server sends %.100q, want the bytes from %d on: %w", r, d.have, errors.Join(err, errRange))
	}
	_, total, _ := strings.Cut(r, "/")
	if total != "*" && total != strconv.FormatInt(d.file.size, 10) {
		return forGood("the server has %.100q bytes, the hub lists %d", total, d.file.size)
	}
	return nil
}

var errRange = errors.New("wrong part")

// etag returns the hash in a header.
func etag(v string) string {
	return strings.Trim(strings.TrimPrefix(v, "W/"), `"`)
}

// copy appends a body. It reads one byte more than there should be, and no
// further.
func (d *download) copy(body io.Reader) error {
	buf := make([]byte, 256<<10)
	for {
		left := d.file.size - d.have
		n, err := body.Read(buf[:min(int64(len(buf)), left+1)])
		if int64(n) > left {
			return errors.Join(d.restart(), forGood("the server sends more than the %d bytes that the hub lists", d.file.size))
		}
		if n > 0 {
			if err := d.keep(buf[:n]); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF) && d.have < d.file.size:
			return fmt.Errorf("the connection ended after %d of %d bytes", d.have, d.file.size)
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

// keep appends bytes.
func (d *download) keep(p []byte) error {
	if _, err := d.part.Write(p); err != nil {
		return permanent{err} // the disk's fault
	}
	d.sum.Write(p) // never fails
	d.have += int64(len(p))
	d.progress.add(int64(len(p)))
	return nil
}

// finish gives the content its name.
func (d *download) finish() error {
	part := d.part
	d.part = nil
	if err := errors.Join(part.Sync(), part.Close()); err != nil {
		return err
	}
	return os.Rename(part.Name(), d.path)
}
