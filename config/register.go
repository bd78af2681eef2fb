package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// registryFile is the name of the list of saved adapters.
const registryFile = "loras.json"

// CheckExpertName returns an error unless an expert may have that name.
func CheckExpertName(name string) error {
	if len(name) > maxCompared || !expertName.MatchString(name) {
		return fmt.Errorf("expert %.100q: want lower-case letters, digits and hyphens, a hyphen not first", name)
	}
	return nil
}

// Register lists the adapter of an expert in loras.json in the folder dir, and
// makes both if need be. The file is replaced whole. Its other entries, and
// members that this program does not know, keep their values; all are sorted
// by name. Who calls it keeps others from doing so at the same time.
func Register(dir, name string, l Lora) error {
	path := filepath.Join(dir, registryFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		text, err = []byte("{}"), os.MkdirAll(dir, 0o777)
	}
	if err != nil {
		return err
	}
	if text, err = registered(text, name, l); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return replaceFile(path, text)
}

// registered returns the text of a registry with an entry more.
func registered(text []byte, name string, l Lora) ([]byte, error) {
	var file, loras map[string]json.RawMessage
	if err := json.Unmarshal(text, &file); err != nil {
		return nil, err
	}
	if file == nil {
		file = map[string]json.RawMessage{}
	}
	if list, ok := file["loras"]; ok {
		if err := json.Unmarshal(list, &loras); err != nil {
			return nil, fmt.Errorf("loras: %w", err)
		}
	}
	if loras == nil {
		loras = map[string]json.RawMessage{}
	}
	var err error
	if loras[name], err = encode(l); err == nil {
		file["loras"], err = encode(loras)
	}
	if err != nil {
		return nil, err
	}
	return encode(file)
}

// encode returns v as JSON, indented by 2, with a newline at the end. Keys of
// maps are sorted.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(v)
	return b.Bytes(), err
}

// replaceFile gives a file another content in one step. It keeps its mode.
func replaceFile(path string, text []byte) error {
	mode := fs.FileMode(0o644)
	if info, err := os.Stat(path); err == nil {
		mode = info.Mode().Perm()
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
