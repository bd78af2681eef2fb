package generate

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"mole/lora"
	"mole/spec"
)

// stamp tells states of an adapter's files apart without reading them: size and
// time of each, the zero value for one that is not there.
type stamp [3]struct {
	size int64
	time time.Time
}

// names are the files of an adapter that make its digest, the first two of
// which it must have.
var names = [3]string{lora.ConfigFile, lora.WeightsFile, spec.ExpertFile}

// maxText bounds the files of an adapter that hold JSON.
const maxText = 1 << 20

// stampOf returns the stamp of the files in dir.
func stampOf(dir string) (s stamp) {
	for i, name := range names {
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil {
			s[i].size, s[i].time = info.Size(), info.ModTime()
		}
	}
	return s
}

// settled reports whether files with this stamp, read at a time, could not have
// been written again since without a new stamp: clocks of file systems are as
// coarse as two seconds.
func (s stamp) settled(read time.Time) bool {
	for _, f := range s {
		if read.Sub(f.time) < 2*time.Second {
			return false
		}
	}
	return true
}

// content is an adapter as it was read.
type content struct {
	dir     string
	stamp   stamp
	settled bool // the stamp tells this content from any later one
	digest  string
	adapter *lora.Adapter
	spec    *spec.Expert
}

// read reads the adapter in dir. Files are read whole, not mapped: one that is
// overwritten in place meanwhile gives an adapter that does not load, and
// another stamp, but no fault in memory.
func (o *Options) read(dir string) (c content, err error) {
	c = content{dir: dir, stamp: stampOf(dir)}
	c.settled = c.stamp.settled(time.Now())
	data, err := readFiles(dir, o.AdapterMemory)
	if err != nil {
		return c, err
	}
	again, err := readBounded(filepath.Join(dir, lora.ConfigFile), maxText)
	if err != nil || !bytes.Equal(again, data[0]) {
		return c, fmt.Errorf("%s: changed while it was read", dir) // half of it may be of another adapter
	}
	if c.spec, err = parseSpec(dir, data[2]); err != nil {
		return c, err
	}
	if c.spec != nil && o.Check != nil {
		if err := o.Check(c.spec); err != nil {
			return c, fmt.Errorf("%s: %w", filepath.Join(dir, spec.ExpertFile), err)
		}
	}
	if c.adapter, err = lora.Decode(data[0], data[1], o.Sites); err != nil {
		return c, fmt.Errorf("%s: %w", dir, err)
	}
	c.digest = digest(data[:])
	return c, nil
}

// readFiles reads the files of the adapter in dir. That of the weights may be a
// little longer than limit, 0 for any; that of the expert may be missing.
func readFiles(dir string, limit int64) (data [3][]byte, err error) {
	for i, name := range names {
		most := int64(maxText)
		if name == lora.WeightsFile && limit > 0 {
			most += limit // names and shapes need some room
		} else if name == lora.WeightsFile {
			most = 0
		}
		data[i], err = readBounded(filepath.Join(dir, name), most)
		if missing := errors.Is(err, fs.ErrNotExist); err != nil && (!missing || name != spec.ExpertFile) {
			return data, err
		}
	}
	return data, nil
}

// readBounded reads a plain file of up to most bytes, 0 for any.
func readBounded(path string, most int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a plain file", path)
	}
	if most > 0 && info.Size() > most {
		return nil, fmt.Errorf("%s: %d bytes, want %d at most", path, info.Size(), most)
	}
	return os.ReadFile(path)
}

// parseSpec reads what an expert was trained to read; nil without a file.
func parseSpec(dir string, data []byte) (*spec.Expert, error) {
	if data == nil {
		return nil, nil
	}
	e := new(spec.Expert)
	if err := json.Unmarshal(data, e); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, spec.ExpertFile), err)
	}
	return e, nil
}

// digest returns the SHA-256 of the SHA-256 of each file, in hexadecimal.
func digest(files [][]byte) string {
	h := sha256.New()
	for _, data := range files {
		sum := sha256.Sum256(data)
		_, _ = h.Write(sum[:]) // never fails
	}
	return hex.EncodeToString(h.Sum(nil))
}

// glance is what a look at the small files of an adapter tells.
type glance struct {
	rank  int
	bytes int64
	spec  *spec.Expert
}

// look reads the small files of the adapter in dir.
func look(dir string) (g glance, err error) {
	text, err := readBounded(filepath.Join(dir, lora.ConfigFile), maxText)
	if err != nil {
		return g, err
	}
	c, err := lora.ParseConfig(text)
	if err != nil {
		return g, fmt.Errorf("%s: %w", filepath.Join(dir, lora.ConfigFile), err)
	}
	info, err := os.Stat(filepath.Join(dir, lora.WeightsFile))
	if err != nil {
		return g, err
	}
	text, err = readBounded(filepath.Join(dir, spec.ExpertFile), maxText)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return g, err
	}
	g.rank, g.bytes = c.Rank, info.Size()
	g.spec, err = parseSpec(dir, text)
	return g, err
}

// discover returns the adapters below root by name: root/NAME/adapter, or else
// root/NAME itself, wherever there are settings of an adapter. Folders whose
// names cannot be those of adapters are passed over.
func discover(root string) (map[string]string, error) {
	entries, err := os.ReadDir(root)
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	for _, e := range entries {
		if checkName(e.Name()) != nil {
			continue
		}
		flat := filepath.Join(root, e.Name())
		for _, dir := range []string{filepath.Join(flat, "adapter"), flat} {
			if info, err := os.Stat(filepath.Join(dir, lora.ConfigFile)); err == nil && info.Mode().IsRegular() {
				found[e.Name()] = dir
				break
			}
		}
	}
	return found, nil
}
