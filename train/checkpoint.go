package train

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"mole/device"
	"mole/lora"
	"mole/safetensors"
	"mole/tensor"
)

// formatVersion is the version of the checkpoint format that this package
// writes, and the only one that it reads.
const formatVersion = "1"

// Keys of the metadata of a checkpoint. Those of settings follow settingPrefix.
const (
	keyVersion  = "mole.checkpoint"
	keyStep     = "step"
	keySkipped  = "skipped"
	keyInRow    = "skipped_in_row"
	keyDevice   = "device"
	keySettings = "settings_digest"
	keyChecksum = "checksum"

	settingPrefix = "setting."
)

// Prefixes of the names of a checkpoint's tensors; the parameter's name follows.
const (
	prefixWeight = "weight."
	prefixM      = "m."
	prefixV      = "v."
)

// state is where a run is between two steps, as a checkpoint holds it.
type state struct {
	version  string
	step     int // steps done
	skipped  int // of these, steps that changed nothing
	inRow    int // of these, the last ones without a taken step after them
	device   string
	settings map[string]string
	tensors  map[string]safetensors.Tensor
	stopping stopping
}

// entries returns the tensors of s for the file.
func (s *state) entries() []safetensors.Entry {
	var entries []safetensors.Entry
	for name, t := range s.tensors {
		entries = append(entries, safetensors.Entry{Name: name, Tensor: t})
	}
	for name, t := range s.stopping.weights {
		entries = append(entries, safetensors.Entry{Name: prefixBest + name, Tensor: t})
	}
	return entries
}

// metadata returns everything else of s for the file, but for the checksum.
func (s *state) metadata() map[string]string {
	md := map[string]string{
		keyVersion:  formatVersion,
		keyStep:     strconv.Itoa(s.step),
		keySkipped:  strconv.Itoa(s.skipped),
		keyInRow:    strconv.Itoa(s.inRow),
		keyDevice:   s.device,
		keySettings: digest(s.settings),
	}
	for name, value := range s.settings {
		md[settingPrefix+name] = value
	}
	s.stopping.metadata(md)
	return md
}

// write writes s to a file, whole or not at all.
func (s *state) write(path string) error {
	entries, md := s.entries(), s.metadata()
	sum, err := checksum(entries, md)
	if err != nil {
		return err
	}
	md[keyChecksum] = sum
	return safetensors.WriteFile(path, entries, md)
}

// checksum returns the SHA-256 of the file that Write makes of the arguments.
func checksum(entries []safetensors.Entry, md map[string]string) (string, error) {
	h := sha256.New()
	if err := safetensors.Write(h, entries, md); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// readState returns the state that f holds, with tensors in f's memory. An
// error means that the file is not as a run wrote it.
func readState(f *safetensors.File) (*state, error) {
	s := &state{tensors: map[string]safetensors.Tensor{}, settings: map[string]string{}}
	for _, name := range f.Names() {
		t, err := f.Tensor(name)
		if err != nil {
			return nil, err
		}
		s.tensors[name] = t
	}
	md := f.Metadata()
	want := md[keyChecksum]
	delete(md, keyChecksum)
	got, err := checksum(s.entries(), md)
	if err != nil {
		return nil, err
	}
	if got != want {
		return nil, fmt.Errorf("contents have the checksum %.12q, want %.12q", got, want)
	}
	if err := s.stopping.read(md, s.tensors); err != nil {
		return nil, err
	}
	return s, s.readMetadata(md)
}

// readMetadata sets all but the tensors of s.
func (s *state) readMetadata(md map[string]string) error {
	s.version, s.device = md[keyVersion], md[keyDevice]
	for _, n := range []struct {
		key string
		to  *int
	}{{keyStep, &s.step}, {keySkipped, &s.skipped}, {keyInRow, &s.inRow}} {
		v, err := strconv.Atoi(md[n.key])
		if err != nil || v < 0 {
			return fmt.Errorf("metadata %q is %q, want a number from 0", n.key, md[n.key])
		}
		*n.to = v
	}
	if s.skipped > s.step || s.inRow > s.skipped {
		return fmt.Errorf("%d of %d steps skipped, %d in a row", s.skipped, s.step, s.inRow)
	}
	for key, value := range md {
		if name, ok := strings.CutPrefix(key, settingPrefix); ok {
			s.settings[name] = value
		}
	}
	if got := digest(s.settings); got != md[keySettings] {
		return fmt.Errorf("settings have the digest %.12q, want %.12q", got, md[keySettings])
	}
	return nil
}

// matches returns an error that names what differs unless s is a state of a run
// with the given settings and parameters.
func (s *state) matches(settings map[string]string, params []lora.Param) error {
	if s.version != formatVersion {
		return fmt.Errorf("checkpoint format %q, want %q", s.version, formatVersion)
	}
	if err := difference(s.settings, settings); err != nil {
		return err
	}
	return s.matchesParams(params)
}

// matchesParams returns an error unless s holds exactly the given parameters,
// with their moments.
func (s *state) matchesParams(params []lora.Param) error {
	rest := maps.Clone(s.tensors)
	for _, p := range params {
		for _, prefix := range []string{prefixWeight, prefixM, prefixV} {
			if err := matchesParam(rest[prefix+p.Name], prefix+p.Name, p); err != nil {
				return err
			}
			delete(rest, prefix+p.Name)
		}
	}
	if len(rest) > 0 {
		return fmt.Errorf("tensor %q is of no parameter", slices.Sorted(maps.Keys(rest))[0])
	}
	return s.stopping.matches(params)
}

// matchesParam returns an error unless t, which may be missing, has the type
// and shape of p.
func matchesParam(t safetensors.Tensor, name string, p lora.Param) error {
	want := p.Weight.Shape[:p.Weight.Shape.Rank()]
	switch {
	case t.DType == "":
		return fmt.Errorf("no tensor %q", name)
	case t.DType != safetensors.F32 || !slices.Equal(t.Shape, want):
		return fmt.Errorf("tensor %q is %s%v, want F32%v", name, t.DType, t.Shape, want)
	}
	return nil
}

// download adds the weights and moments of o to s.
func (s *state) download(o *Optimizer) error {
	s.tensors = make(map[string]safetensors.Tensor, 3*len(o.params))
	for i, p := range o.params {
		s.tensors[prefixWeight+p.Name] = read(o.device, p.Weight)
		s.tensors[prefixM+p.Name] = read(o.device, o.m[i])
		s.tensors[prefixV+p.Name] = read(o.device, o.v[i])
	}
	if want := 3 * len(o.params); len(s.tensors) != want {
		return errors.New("two parameters of one name")
	}
	return o.device.Sync() // a device that failed has given no numbers
}

// read returns a copy of t on the host.
func read(d device.Device, t tensor.Tensor) safetensors.Tensor {
	data := make([]byte, t.Len()*t.DType.Size())
	d.Read(data, t)
	return safetensors.Tensor{DType: safetensors.F32, Shape: slices.Clone(t.Shape[:t.Shape.Rank()]), Data: data}
}

// upload sets the weights and moments of o to those of s, which must match.
func (s *state) upload(o *Optimizer) error {
	for i, p := range o.params {
		o.device.Write(p.Weight, s.tensors[prefixWeight+p.Name].Data)
		o.device.Write(o.m[i], s.tensors[prefixM+p.Name].Data)
		o.device.Write(o.v[i], s.tensors[prefixV+p.Name].Data)
	}
	o.updates = s.step - s.skipped
	return o.device.Sync()
}
