package tbevents

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Options says how a file is written. The zero value begins a new run.
type Options struct {
	// Start is the step that the run goes on from. What an earlier process
	// wrote in the same folder for it and for later steps is void, and viewers
	// leave it out. 0 begins anew.
	Start int64
	Host  string           // part of the file's name, this machine's name if empty
	Now   func() time.Time // time.Now if nil
}

// Writer writes one event file. It is safe for concurrent use. The first error
// sticks: later calls do nothing, Flush and Close return it.
type Writer struct {
	now  func() time.Time
	hold io.Closer // of the folder

	mu   sync.Mutex
	file *os.File
	w    *bufio.Writer
	err  error
}

// Create makes a new event file in the folder dir, and the folder if need be. No
// other file is touched: a continued run gets a file more, and TensorBoard
// joins them. Until Close the folder is held as [Hold] does.
func Create(dir string, o Options) (*Writer, error) {
	w := &Writer{now: o.Now}
	if w.now == nil {
		w.now = time.Now
	}
	if o.Host == "" {
		host, err := os.Hostname()
		if err != nil {
			return nil, fmt.Errorf("name of this machine: %w", err)
		}
		o.Host = host
	}
	hold, err := Hold(dir)
	if err != nil {
		return nil, err
	}
	w.hold = hold
	if err := w.create(dir, o.Host); err != nil {
		return nil, errors.Join(err, hold.Close())
	}
	w.add(Event{Version: fileVersion})
	// Every file says where it starts: TensorBoard takes the second one that
	// does for a restart, not the first.
	w.add(Event{Step: o.Start, Start: true})
	if err := w.Flush(); err != nil {
		return nil, errors.Join(err, w.file.Close(), hold.Close())
	}
	return w, nil
}

// create makes the file under the first free name (4.21).
func (w *Writer) create(dir, host string) (err error) {
	host = strings.Map(inName, host)
	const most = 10_000
	for n := range most {
		name := fmt.Sprintf("events.out.tfevents.%010d.%s.%d.%d", w.now().Unix(), host, os.Getpid(), n)
		w.file, err = os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o666)
		if !errors.Is(err, fs.ErrExist) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("create event file: %w", err)
	}
	w.w = bufio.NewWriterSize(w.file, 64<<10)
	return nil
}

// inName replaces what a file's name should not hold.
func inName(r rune) rune {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_':
		return r
	}
	return '_'
}

// Path returns the name of the file.
func (w *Writer) Path() string { return w.file.Name() }

// Scalar adds a number for a step. It is stored in 32 bits.
func (w *Writer) Scalar(tag string, step int64, value float64) {
	w.add(Event{Step: step, Values: []Value{{Tag: tag, Kind: Scalar, Scalar: value}}})
}

// Text adds a text for a step. TensorBoard shows it as Markdown.
func (w *Writer) Text(tag string, step int64, s string) {
	w.add(Event{Step: step, Values: []Value{{Tag: tag, Kind: Text, Text: s}}})
}

// add adds an event of now.
func (w *Writer) add(e Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return
	}
	e.Wall = float64(w.now().UnixMicro()) / 1e6
	_, w.err = w.w.Write(appendFrame(nil, appendEvent(nil, e)))
}

// Flush hands everything to the operating system: what was added before is read
// by others and outlives the process.
func (w *Writer) Flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.flush()
}

// flush is Flush under the lock.
func (w *Writer) flush() error {
	if w.err == nil {
		w.err = w.w.Flush()
	}
	return w.err
}

// errClosed is the error of a Writer after Close.
var errClosed = errors.New("event file is closed")

// Close flushes, syncs and closes the file.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if errors.Is(w.err, errClosed) {
		return w.err
	}
	err := w.flush()
	if err == nil {
		err = w.file.Sync()
	}
	err = errors.Join(err, w.file.Close(), w.hold.Close())
	w.err = errClosed
	return err
}
