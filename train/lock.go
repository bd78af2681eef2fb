package train

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"mole/internal/flock"
)

// lockFile opens the file at path and locks it until it is closed or the
// process ends, however it ends. The file holds the number of the process, for
// the message to the next one; it stays behind, which means nothing.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	ok, err := flock.Try(f, false)
	switch {
	case err == nil && !ok:
		owner, _ := io.ReadAll(io.LimitReader(f, 20)) // for the message only
		err = fmt.Errorf("%s: locked by another run, process %s", path, bytes.TrimSpace(owner))
	case err == nil:
		err = errors.Join(f.Truncate(0), writeLine(f, strconv.Itoa(os.Getpid())))
	}
	if err != nil {
		_ = f.Close() // the error that counts is err
		return nil, err
	}
	return f, nil
}

// writeLine writes s and a newline to f.
func writeLine(f *os.File, s string) error {
	_, err := f.WriteString(s + "\n")
	return err
}
