package generate

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"mole/spec"
)

// AdapterInfo describes an adapter that requests can name. Until it was first
// read, Digest and Generation are missing, and Rank and Bytes are those that
// its settings and the size of its file say.
type AdapterInfo struct {
	Name, Dir  string
	Digest     string       // of adapter_config.json, adapter_model.safetensors and expert.json
	Generation uint64       // counts what was loaded under the name, from 1
	Rank       int          // the largest
	Bytes      int64        // of memory
	Loaded     bool         // the newest generation is beside the network
	InUse      int          // sequences that the newest generation writes
	Error      string       // why the files, as they are, do not load; an older generation may be in use
	Spec       *spec.Expert // of the newest generation, nil without expert.json; not to be changed
}

// Adapters lists the adapters by name.
func (s *Service) Adapters() []AdapterInfo {
	a := s.shelf
	a.mu.Lock()
	defer a.mu.Unlock()
	out := make([]AdapterInfo, 0, len(a.entries))
	for _, e := range a.entries {
		out = append(out, e.info())
	}
	slices.SortFunc(out, func(x, y AdapterInfo) int { return cmp.Compare(x.Name, y.Name) })
	return out
}

// Adapter describes the adapter of that name. The error wraps [ErrNoAdapter] if
// there is none.
func (s *Service) Adapter(name string) (AdapterInfo, error) {
	a := s.shelf
	a.mu.Lock()
	defer a.mu.Unlock()
	e := a.entries[name]
	if e == nil {
		return AdapterInfo{}, fmt.Errorf("%w: %.40q", ErrNoAdapter, name)
	}
	return e.info(), nil
}

// info describes an entry. The lock of the shelf is held.
func (e *entry) info() AdapterInfo {
	i := AdapterInfo{Name: e.name, Dir: e.dir, Rank: e.glance.rank, Bytes: e.glance.bytes, Spec: e.glance.spec}
	if e.err != nil {
		i.Error = e.err.Error()
	}
	if v := e.version; v != nil {
		i.Digest, i.Generation, i.Rank, i.Bytes, i.Spec = v.digest, v.generation, v.rank, v.bytes, v.spec
		i.Loaded, i.InUse = v.id != 0, v.refs
	}
	return i
}

// Set reads the adapter in the folder dir and gives it a name, in place of the
// one that had it: requests that began keep that one, all others get the new.
// After an error everything is as before, but if the adapter has been in this
// folder its error is remembered.
func (s *Service) Set(name, dir string) error {
	if err := checkName(name); err != nil {
		return err
	}
	a := s.shelf
	a.setting.Lock()
	defer a.setting.Unlock()
	c, err := a.o.read(dir)
	if err == nil {
		err = a.fits(bytesOf(c.adapter))
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	defer a.kick()
	if a.closed {
		return ErrClosed
	}
	e := a.entries[name]
	if err != nil {
		if e != nil && e.dir == dir {
			a.install(e, c, err)
		}
		return fmt.Errorf("%w: %q: %w", ErrAdapter, name, err)
	}
	if e == nil {
		e = &entry{name: name}
		a.entries[name] = e
	}
	e.dir, e.root = dir, ""
	a.install(e, c, nil)
	return nil
}

// Remove forgets an adapter. Requests that began keep it; a later scan finds it
// again if its folder is still there. The error wraps
// [ErrNoAdapter] if there is none of that name.
func (s *Service) Remove(name string) error {
	a := s.shelf
	a.setting.Lock()
	defer a.setting.Unlock()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.entries[name] == nil {
		return fmt.Errorf("%w: %.40q", ErrNoAdapter, name)
	}
	a.forget(name)
	return nil
}

// forget removes an entry. a.mu is held.
func (a *shelf) forget(name string) {
	a.retire(a.entries[name])
	delete(a.entries, name)
	a.o.Log.Info("adapter removed", "name", name)
	a.kick()
}

// Scan looks for adapters in the folders root/NAME/adapter and root/NAME. New
// ones are known from then on, and read when a request first names them.
// Changed ones that are loaded are read now and take the place of the old; if
// they do not load, the old ones stay in use, and [Service.Adapters] says why.
// Ones whose folder is gone are forgotten. Names that [Service.Set] gave are
// passed over. The error is about root alone.
func (s *Service) Scan(root string) error {
	a := s.shelf
	a.setting.Lock()
	defer a.setting.Unlock()
	found, err := discover(root)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		a.notice(root, name, found[name])
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for name, e := range a.entries {
		// Without settings alone it is being written: the old version stays.
		if e.root == root && found[name] == "" && stampOf(e.dir) == (stamp{}) {
			a.forget(name)
		}
	}
	return nil
}

// notice compares an adapter that a scan found with what is known.
func (a *shelf) notice(root, name, dir string) {
	now := stampOf(dir)
	a.mu.Lock()
	e := a.entries[name]
	switch {
	case e == nil:
		e = &entry{name: name, dir: dir, root: root}
		a.entries[name] = e
	case e.root != root, e.reading, e.dir == dir && e.stamp == now && e.settled:
		a.mu.Unlock()
		return
	}
	e.dir = dir
	settled := now.settled(time.Now())
	loaded := e.version != nil && (e.version.id != 0 || e.version.host != nil)
	a.mu.Unlock()
	if loaded {
		a.renew(e, dir)
	} else {
		a.glanceAt(e, content{dir: dir, stamp: now, settled: settled})
	}
}

// renew reads a loaded adapter again, whose files may have changed.
func (a *shelf) renew(e *entry, dir string) {
	c, err := a.o.read(dir)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.install(e, c, err)
	a.kick()
}

// glanceAt looks at an adapter that is not loaded. What a look tells is kept
// until the adapter is read.
func (a *shelf) glanceAt(e *entry, c content) {
	g, err := look(c.dir)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.entries[e.name] != e || e.reading {
		return
	}
	e.glance, e.err, e.stamp, e.settled = g, err, c.stamp, c.settled
	if err != nil {
		a.o.Log.Warn("adapter", "name", e.name, "err", err)
	}
}
