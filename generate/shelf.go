package generate

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"sync"

	"mole/lora"
	"mole/spec"
)

// Why an adapter cannot be had at once.
var (
	errReading = errors.New("adapter is being read")
	errMemory  = errors.New("no memory for the adapter now")
)

// maxReads is how many adapters are read at the same time, or wait in memory
// for their place beside the network.
const maxReads = 2

// shelf holds the adapters. Of each name there is the newest version, and older
// ones as long as a sequence uses them. Files are read on goroutines of their
// own; all calls of the engine are made by the engine's goroutine, through the
// methods that say so.
type shelf struct {
	o    *Options
	kick func() // wakes the engine's goroutine

	readers sync.WaitGroup
	setting sync.Mutex // held by Set, Remove and Scan, which read files

	mu       sync.Mutex
	entries  map[string]*entry
	numbers  map[string]uint64 // the newest generation of each name, of forgotten ones too
	attached []*version
	reading  int
	clock    uint64 // counts uses
	loads    uint64
	evicted  uint64
	closed   bool
}

// entry is an adapter by name.
type entry struct {
	name, dir string
	root      string // of the scan that found it, "" if it was set
	glance    glance // before it was read
	stamp     stamp  // of the files when they were last read or looked at
	settled   bool   // the stamp tells them from any later ones
	version   *version
	attempts  int   // reads that came to an end
	reading   bool  // for a request
	err       error // of the last one
}

// version is one state of an adapter.
type version struct {
	name       string
	generation uint64
	digest     string
	rank       int
	bytes      int64
	spec       *spec.Expert
	host       *lora.Adapter // read, and not beside the network yet
	id         int           // in the engine, 0 if it is not there
	refs       int           // sequences that use it
	used       uint64        // clock of the last use
	stale      bool          // there is a newer one, or none any more
	pinned     bool          // its files do not hold it any more
}

// number returns the engine's number of the adapter, 0 for none.
func (v *version) number() int {
	if v == nil {
		return 0
	}
	return v.id
}

// newShelf returns an empty shelf.
func newShelf(o *Options, kick func()) *shelf {
	return &shelf{o: o, kick: kick, entries: map[string]*entry{}, numbers: map[string]uint64{}}
}

// namePattern is what names of adapters look like. They name folders and stand
// in addresses.
var namePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)

// checkName refuses a name that no adapter can have.
func checkName(name string) error {
	if !namePattern.MatchString(name) {
		return fmt.Errorf("%w: %.40q, want letters, digits, dots, hyphens and underscores", ErrNoAdapter, name)
	}
	return nil
}

// known returns [ErrNoAdapter] unless there is an adapter of that name.
func (a *shelf) known(name string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if name != "" && a.entries[name] == nil {
		return fmt.Errorf("%w: %.40q", ErrNoAdapter, name)
	}
	return nil
}

// take returns the newest version of an adapter, which then is in use; nil for
// the base network. errReading means that it is being read, errMemory that
// sequences in use take all memory; attempts is the caller's memory between
// calls, -1 at first. For the engine's goroutine.
func (a *shelf) take(name string, attempts *int) (*version, error) {
	if name == "" {
		return nil, nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	e := a.entries[name]
	if e == nil {
		return nil, fmt.Errorf("%w: %.40q", ErrNoAdapter, name)
	}
	if *attempts < 0 {
		*attempts = e.attempts
	}
	v := e.version
	if v == nil || v.id == 0 && v.host == nil {
		if e.err != nil && e.attempts != *attempts {
			return nil, fmt.Errorf("%w: %q: %w", ErrAdapter, name, e.err)
		}
		a.fetch(e)
		return nil, errReading
	}
	if err := a.attach(v); err != nil {
		return nil, err
	}
	a.clock++
	v.used = a.clock
	v.refs++
	return v, nil
}

// fetch begins to read an adapter for a request, unless that goes on or too
// many do. a.mu is held.
func (a *shelf) fetch(e *entry) {
	if e.reading || a.reading+a.waiting() >= maxReads {
		return
	}
	e.reading = true
	a.reading++
	dir, old, settled, err := e.dir, e.stamp, e.settled, e.err
	a.readers.Go(func() {
		c := content{dir: dir, stamp: old, settled: settled}
		if err == nil || !settled || stampOf(dir) != old { // the same files give the same error
			c, err = a.o.read(dir)
		}
		a.mu.Lock()
		e.reading = false
		a.reading--
		a.install(e, c, err)
		a.mu.Unlock()
		a.kick()
	})
}

// waiting returns how many versions wait in memory for their place. a.mu is
// held.
func (a *shelf) waiting() (n int) {
	for _, e := range a.entries {
		if e.version != nil && e.version.host != nil {
			n++
		}
	}
	return n
}

// install puts what was read into an entry. An error leaves the version that is
// there in use. a.mu is held.
func (a *shelf) install(e *entry, c content, err error) {
	if a.entries[e.name] != e || e.dir != c.dir || a.closed {
		return // removed, or set to another folder meanwhile
	}
	e.attempts++
	e.stamp, e.settled = c.stamp, c.settled
	size := int64(0)
	if err == nil {
		size = bytesOf(c.adapter)
		err = a.fits(size)
	}
	e.err = err
	if v := e.version; v != nil {
		v.pinned = err != nil
	}
	if err != nil {
		a.o.Log.Warn("adapter", "name", e.name, "err", err)
		return
	}
	a.loads++
	if v := e.version; v != nil && v.digest == c.digest {
		if v.id == 0 {
			v.host = c.adapter
		}
		return
	}
	a.retire(e)
	a.numbers[e.name]++
	e.version = &version{
		name: e.name, generation: a.numbers[e.name], digest: c.digest, rank: rankOf(c.adapter),
		bytes: size, spec: c.spec, host: c.adapter,
	}
	a.o.Log.Info("adapter", "name", e.name, "generation", e.version.generation, "digest", c.digest, "bytes", size)
}

// fits refuses an adapter that has no room even alone.
func (a *shelf) fits(size int64) error {
	if limit := a.o.AdapterMemory; limit > 0 && size > limit {
		return fmt.Errorf("%d bytes, want at most %d, the memory for adapters", size, limit)
	}
	return nil
}

// retire makes the version of an entry an old one. a.mu is held.
func (a *shelf) retire(e *entry) {
	if v := e.version; v != nil {
		v.stale, v.host = true, nil
		e.version = nil
	}
}

// bytesOf returns the memory of the matrices of an adapter.
func bytesOf(a *lora.Adapter) (n int64) {
	for _, p := range a.Pairs {
		n += 4 * int64(len(p.A)+len(p.B))
	}
	return n
}

// rankOf returns the largest rank of an adapter.
func rankOf(a *lora.Adapter) (rank int) {
	for _, p := range a.Pairs {
		rank = max(rank, p.Rank)
	}
	return rank
}

// attach puts a version beside the network if it is not there, and makes room
// for it. For the engine's goroutine. a.mu is held, but not while the engine
// works.
func (a *shelf) attach(v *version) error {
	if v.id != 0 {
		return nil
	}
	if !a.makeRoom(v.bytes) {
		return errMemory
	}
	host := v.host
	a.mu.Unlock()
	id := 0
	err := protect(func() (err error) {
		id, err = a.o.Engine.Attach(host)
		return err
	})
	a.mu.Lock()
	v.host = nil
	if err != nil {
		err = fmt.Errorf("%w: %q: %w", ErrAdapter, v.name, err)
		if e := a.entries[v.name]; e != nil && e.version == v {
			e.err = err
		}
		return err
	}
	v.id = id
	a.attached = append(a.attached, v)
	return nil
}

// makeRoom unloads adapters that nobody uses, least recently used first, until
// so many bytes fit, and reports whether they do. Those whose files are broken
// now go last, for they could not be read again. For the engine's goroutine.
// a.mu is held.
func (a *shelf) makeRoom(size int64) bool {
	need := a.used() + size - a.o.AdapterMemory
	if a.o.AdapterMemory <= 0 || need <= 0 {
		return true
	}
	var idle []*version
	free := int64(0)
	for _, v := range a.attached {
		if v.refs == 0 {
			idle = append(idle, v)
			free += v.bytes
		}
	}
	if free < need {
		return false // nothing is lost for nothing
	}
	slices.SortFunc(idle, func(v, w *version) int {
		return cmp.Or(boolean(v.pinned)-boolean(w.pinned), cmp.Compare(v.used, w.used))
	})
	for _, v := range idle {
		if need <= 0 {
			break
		}
		need -= v.bytes
		if !v.stale {
			a.evicted++
		}
		a.detach(v)
	}
	return true
}

// boolean returns 1 for true.
func boolean(b bool) int {
	if b {
		return 1
	}
	return 0
}

// used returns the bytes of the adapters beside the network. a.mu is held.
func (a *shelf) used() (n int64) {
	for _, v := range a.attached {
		n += v.bytes
	}
	return n
}

// detach takes a version from beside the network. For the engine's goroutine.
// a.mu is held.
func (a *shelf) detach(v *version) {
	i := slices.Index(a.attached, v)
	a.attached = slices.Delete(a.attached, i, i+1)
	id := v.id
	v.id = 0
	a.mu.Unlock()
	err := protect(func() error { a.o.Engine.Detach(id); return nil })
	a.mu.Lock()
	if err != nil {
		a.o.Log.Error("adapter freed", "name", v.name, "err", err)
	}
}

// release ends one use of a version, nil for the base network. For the engine's
// goroutine.
func (a *shelf) release(v *version) {
	if v == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	v.refs--
}

// settle unloads old versions that nobody uses, and gives versions that were
// read but not asked for the room that is left, or gives them up: they can be
// read again. For the engine's goroutine.
func (a *shelf) settle(wanted func(name string) bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, v := range slices.Clone(a.attached) {
		if v.stale && v.refs == 0 {
			a.detach(v)
		}
	}
	for _, v := range a.fresh(wanted) {
		if limit := a.o.AdapterMemory; limit > 0 && a.used()+v.bytes > limit {
			v.host = nil
		} else if err := a.attach(v); err != nil {
			a.o.Log.Warn("adapter", "name", v.name, "err", err)
		}
	}
}

// fresh returns the versions that were read and that no request waits for.
// a.mu is held.
func (a *shelf) fresh(wanted func(name string) bool) (fresh []*version) {
	for _, e := range a.entries {
		if e.version != nil && e.version.host != nil && !wanted(e.name) {
			fresh = append(fresh, e.version)
		}
	}
	return fresh
}

// close waits for what is being read, and takes all adapters from beside the
// network. For the engine's goroutine.
func (a *shelf) close() {
	a.mu.Lock()
	a.closed = true
	a.mu.Unlock()
	a.readers.Wait()
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, v := range slices.Clone(a.attached) {
		a.detach(v)
	}
}

// addTo adds the figures of the adapters.
func (a *shelf) addTo(s *Stats) {
	a.mu.Lock()
	defer a.mu.Unlock()
	s.Loads, s.Evictions = a.loads, a.evicted
	s.Adapters, s.AdaptersLoaded = len(a.entries), len(a.attached)
	s.AdapterBytes, s.AdapterLimit = a.used(), a.o.AdapterMemory
	for _, e := range a.entries {
		s.AdaptersBroken += boolean(e.err != nil)
	}
}
