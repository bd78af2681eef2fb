package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"time"
)

// maxRecords is the longest file of records, in bytes. Appending reads and
// writes all of it.
const maxRecords = 256 << 20

// AppendLine adds a line, one JSON value without line breaks, to the records
// under a name. None is lost and none is torn, however many append at once.
func AppendLine(ctx context.Context, s Store, name string, line []byte) error {
	if bytes.ContainsAny(line, "\r\n") || !json.Valid(line) {
		return fmt.Errorf("record for %s: %.80q is not one line of JSON", name, line)
	}
	for try := 0; ; try++ {
		err := appendOnce(ctx, s, name, line)
		if !errors.Is(err, fs.ErrExist) && !errors.Is(err, ErrChanged) {
			return err
		}
		pause := time.Millisecond << min(try, 6)
		if err := sleep(ctx, rand.N(pause)); err != nil {
			return err
		}
	}
}

// appendOnce adds a line, unless somebody else changes the records meanwhile.
func appendOnce(ctx context.Context, s Store, name string, line []byte) error {
	when, records := Absent, []byte(nil)
	info, err := Stat(ctx, s, name)
	if err == nil {
		when = Match(info.Version)
		records, err = ReadAll(ctx, s, name, maxRecords)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if len(records) > 0 && records[len(records)-1] != '\n' {
		records = append(records, '\n')
	}
	records = append(append(records, line...), '\n')
	return s.Put(ctx, name, bytes.NewReader(records), when)
}
