package hub

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
)

// Pull downloads what the cache lacks of a model and returns where it lies. The
// files of a revision appear when all of them are there and right; until then a
// snapshot of before stays what the revision names. Several processes may pull
// at once: each file is downloaded by one of them.
//
// Offline it finds what is there, and otherwise the error wraps [ErrOffline].
func (c *Client) Pull(ctx context.Context, n Name) (*Snapshot, error) {
	if err := n.check(); err != nil {
		return nil, err
	}
	if c.o.Offline {
		s, err := c.o.Cache.Lookup(n)
		if err != nil {
			err = fmt.Errorf("%w, and this program is %w", err, ErrOffline)
		}
		return s, err
	}
	commit, err := c.resolve(ctx, n)
	if err != nil {
		return nil, fmt.Errorf("model %v: %w", n, err)
	}
	files, err := c.list(ctx, n, commit)
	if err != nil {
		return nil, fmt.Errorf("model %v: %w", n, err)
	}
	if err := c.fetch(ctx, n, commit, files); err != nil {
		return nil, fmt.Errorf("model %v: %w", n, err)
	}
	if err := c.o.Cache.publish(n, commit, files); err != nil {
		return nil, fmt.Errorf("model %v: %w", n, err)
	}
	return c.o.Cache.snapshot(n, commit)
}

// fetch downloads files, several at once. After the first error it begins no
// other, and ends those under way.
func (c *Client) fetch(ctx context.Context, n Name, commit string, files []file) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	p := &progress{tell: c.o.Progress}
	queue := make(chan file, len(files))
	for _, f := range files {
		p.total += f.size
		queue <- f
	}
	close(queue)
	p.add(0)
	var jobs sync.WaitGroup
	for range min(c.o.Jobs, len(files)) {
		jobs.Go(func() {
			for f := range queue {
				if ctx.Err() != nil {
					return
				}
				if err := c.blob(ctx, n, commit, f, p); err != nil {
					cancel(fmt.Errorf("%s: %w", f.name, err))
				}
			}
		})
	}
	jobs.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// progress adds up what several downloads bring.
type progress struct {
	mu          sync.Mutex
	done, total int64
	tell        func(done, total int64)
}

// add tells of n bytes more.
func (p *progress) add(n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done += n
	if p.tell != nil {
		p.tell(p.done, p.total)
	}
}

// publish makes the links of a snapshot whose contents are there, and then the
// reference to it.
func (c Cache) publish(n Name, commit string, files []file) error {
	dir := filepath.Join(c.repo(n), "snapshots", commit)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	for _, f := range files {
		if err := c.link(n, filepath.Join(dir, f.name), f.hash); err != nil {
			return err
		}
	}
	if n.rev() == commit {
		return nil
	}
	return c.replace(n, c.ref(n), func(temp string) error { return os.WriteFile(temp, []byte(commit), 0o666) })
}

// link makes path a link to a content.
func (c Cache) link(n Name, path, hash string) error {
	target := filepath.Join("..", "..", "blobs", hash)
	if have, err := os.Readlink(path); err == nil && have == target {
		return nil
	}
	return c.replace(n, path, func(temp string) error {
		err := os.Symlink(target, temp)
		if err != nil { // not every system and user may make one
			err = os.Link(c.blob(n, hash), temp)
		}
		return err
	})
}

// replace puts the file that write makes at path, in one step.
func (c Cache) replace(n Name, path string, write func(temp string) error) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	// Beside the folders that hold names, so that nobody takes it for one.
	temp := filepath.Join(c.repo(n), fmt.Sprintf(".tmp-%x", rand.Uint64()))
	err := write(temp)
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		_ = os.Remove(temp) // the error that counts is err
	}
	return err
}
