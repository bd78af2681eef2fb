package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"mole/store"
)

// Mem is a store in memory. It is not a [store.Mapper].
type Mem struct {
	mu      sync.Mutex
	puts    int // so far, for versions
	content map[string]memContent
	locks   map[string]*memLock
}

// memContent is what a name holds.
type memContent struct {
	data []byte
	info store.Info
}

// Memory returns an empty store in memory.
func Memory() *Mem {
	return &Mem{content: map[string]memContent{}, locks: map[string]*memLock{}}
}

// Get implements [store.Store].
func (m *Mem) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	c, err := m.get(ctx, name)
	if err != nil {
		return nil, err
	}
	return io.NopCloser(limited{ctx, bytes.NewReader(c.data)}), nil
}

// Stat implements [store.Stater].
func (m *Mem) Stat(ctx context.Context, name string) (store.Info, error) {
	c, err := m.get(ctx, name)
	return c.info, err
}

// get returns what a name holds.
func (m *Mem) get(ctx context.Context, name string) (memContent, error) {
	if err := begin(ctx, name); err != nil {
		return memContent{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	c, ok := m.content[name]
	if !ok {
		return memContent{}, store.NotExist(name)
	}
	return c, nil
}

// begin checks the arguments that every method has.
func begin(ctx context.Context, name string) error {
	return errors.Join(store.CheckName(name), context.Cause(ctx))
}

// limited reads until its context ends.
type limited struct {
	ctx context.Context
	r   io.Reader
}

// Read implements [io.Reader].
func (l limited) Read(p []byte) (int, error) {
	if l.ctx.Err() != nil {
		return 0, context.Cause(l.ctx)
	}
	return l.r.Read(p)
}

// Put implements [store.Store].
func (m *Mem) Put(ctx context.Context, name string, r io.Reader, when store.Condition) error {
	if err := begin(ctx, name); err != nil {
		return err
	}
	data, err := io.ReadAll(limited{ctx, r})
	if err != nil {
		return fmt.Errorf("put %s: %w", name, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	old, exists := m.content[name]
	if err := when.Check(name, old.info, exists); err != nil {
		return err
	}
	for other := range m.content {
		if strings.HasPrefix(other, name+"/") || strings.HasPrefix(name, other+"/") {
			return fmt.Errorf("put %s: %s exists, and one name never continues another", name, other)
		}
	}
	m.puts++
	m.content[name] = memContent{data, store.Info{
		Name: name, Size: int64(len(data)), Version: strconv.Itoa(m.puts), Time: time.Now(),
	}}
	return nil
}

// List implements [store.Store].
func (m *Mem) List(ctx context.Context, prefix string) iter.Seq2[store.Info, error] {
	return func(yield func(store.Info, error) bool) {
		if err := store.CheckPrefix(prefix); err != nil {
			yield(store.Info{}, err)
			return
		}
		m.mu.Lock()
		content := maps.Clone(m.content)
		m.mu.Unlock()
		for _, name := range slices.Sorted(maps.Keys(content)) {
			if !strings.HasPrefix(name, prefix) {
				continue
			}
			if err := ctx.Err(); err != nil {
				yield(store.Info{}, context.Cause(ctx))
				return
			}
			if !yield(content[name].info, nil) {
				return
			}
		}
	}
}

// Delete implements [store.Store].
func (m *Mem) Delete(ctx context.Context, name string) error {
	if err := begin(ctx, name); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.content, name)
	return nil
}

// memLock is the state of a lock that somebody has.
type memLock struct {
	holder store.Holder
	shared int // how many share it; 0 if one has it alone
}

// Lock implements [store.Locker].
func (m *Mem) Lock(ctx context.Context, name, owner string, shared bool) (io.Closer, error) {
	if err := begin(ctx, name); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.locks[name]
	if l != nil && (l.shared == 0 || !shared) {
		return nil, &store.LockedError{Name: name, Holder: l.holder}
	}
	if l == nil {
		l = &memLock{holder: store.Holder{Owner: owner, PID: os.Getpid(), Host: "memory", Since: time.Now()}}
		m.locks[name] = l
	}
	if shared {
		l.shared++
	}
	return &memHold{f: func() { m.unlock(name) }}, nil
}

// unlock gives back a lock, or one share of it.
func (m *Mem) unlock(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.locks[name]
	l.shared--
	if l.shared <= 0 {
		delete(m.locks, name)
	}
}

// memHold gives back what was taken, once.
type memHold struct {
	once sync.Once
	f    func()
}

// Close implements [io.Closer].
func (m *memHold) Close() error {
	m.once.Do(m.f)
	return nil
}
