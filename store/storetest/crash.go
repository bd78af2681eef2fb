package storetest

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"mole/store"
)

// crashDir is the variable that makes a test binary the writer that is killed.
const crashDir = "MOLE_TEST_CRASH_DIR"

// Crash kills a process that writes to a store in a folder, 25 times at random
// moments (200 times if asked for heavy tests), and checks after each that
// every visible name is whole, that references lead to all of their objects,
// that what the process was told is stored is there, and that its lock is free.
// The test that calls it runs itself once more as that process, and must do
// nothing before.
func Crash(t *testing.T, open func(dir string) (store.Store, error)) {
	if dir := os.Getenv(crashDir); dir != "" {
		s, err := open(dir)
		if err == nil {
			err = writeUntilKilled(t.Context(), s)
		}
		t.Fatal(err)
	}
	dir := t.TempDir()
	s, err := open(dir)
	if err != nil {
		t.Fatal(err)
	}
	kills := 25
	if os.Getenv(Heavy) != "" {
		kills = 200
	}
	random := rand.New(rand.NewPCG(420, 0))
	stored := 0 // records that were acknowledged
	for range kills {
		stored += killWriter(t, s, dir, time.Duration(random.IntN(60))*time.Millisecond)
		if stored = checkCrashed(t, s, stored); t.Failed() {
			return
		}
	}
	t.Logf("%d kills, %d records", kills, stored)
}

// killWriter starts a writer, kills it after a while, and returns how many
// records it was told are stored.
func killWriter(t *testing.T, s store.Store, dir string, after time.Duration) int {
	t.Helper()
	child := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	child.Env = append(os.Environ(), crashDir+"="+dir)
	out, err := child.StdoutPipe()
	if err == nil {
		err = child.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	ready := lines.Scan() && lines.Text() == "ready"
	if ready {
		wantHeld(t, s, child.Process.Pid)
		time.Sleep(after)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	told := 0
	for lines.Scan() && lines.Text() == "stored" {
		told++
	}
	if err := child.Wait(); !ready || child.ProcessState.Exited() {
		t.Fatalf("writer: got %v and %q, want that it was killed", err, lines.Text())
	}
	return told
}

// wantHeld checks that the process has the lock.
func wantHeld(t *testing.T, s store.Store, pid int) {
	t.Helper()
	var locked *store.LockedError
	if _, err := store.Lock(t.Context(), s, "crash", "test"); !errors.As(err, &locked) || locked.Holder.PID != pid {
		t.Errorf("lock: got error %v, want that process %d has it", err, pid)
	}
}

// writeUntilKilled writes everything that a store can hold, without end.
func writeUntilKilled(ctx context.Context, s store.Store) error {
	if _, err := store.Lock(ctx, s, "crash", "writer"); err != nil {
		return err
	}
	fmt.Println("ready")
	random := rand.New(rand.NewPCG(uint64(os.Getpid()), uint64(time.Now().UnixNano())))
	for {
		steps := []func() error{
			func() error { return writeChecked(ctx, s, random, "crash/always", store.Always) },
			func() error {
				return writeChecked(ctx, s, random, fmt.Sprintf("crash/absent/%d", random.IntN(8)), store.Absent)
			},
			func() error { return writeMatch(ctx, s, random) },
			func() error { return s.Delete(ctx, fmt.Sprintf("crash/absent/%d", random.IntN(8))) },
			func() error { return writeTree(ctx, s, random) },
			func() error { return writeRecord(ctx, s, random) },
		}
		if err := steps[random.IntN(len(steps))](); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
}

// writeChecked stores random letters that begin with their name, size and
// digest.
func writeChecked(ctx context.Context, s store.Store, random *rand.Rand, name string, when store.Condition) error {
	body := strings.Repeat(strconv.Itoa(random.IntN(1e9))+" ", random.IntN(30_000))
	text := fmt.Sprintf("%s %d %x\n%s", name, len(body), sha256.Sum256([]byte(body)), body)
	return s.Put(ctx, name, strings.NewReader(text), when)
}

// writeMatch replaces what it saw.
func writeMatch(ctx context.Context, s store.Store, random *rand.Rand) error {
	const name = "crash/match"
	when := store.Absent
	info, err := store.Stat(ctx, s, name)
	if err == nil {
		when = store.Match(info.Version)
	}
	return writeChecked(ctx, s, random, name, when)
}

// writeTree publishes a folder.
func writeTree(ctx context.Context, s store.Store, random *rand.Rand) error {
	folder := fstest.MapFS{}
	for i := range 4 {
		folder[fmt.Sprintf("f/%d", i)] = &fstest.MapFile{Data: fmt.Appendf(nil, "%d", random.IntN(100))}
	}
	t, err := store.Add(ctx, s, folder, store.AddOptions{})
	if err != nil {
		return err
	}
	v := store.Volume{Store: s, Name: "crash"}
	return v.Publish(ctx, fmt.Sprintf("t/%d", random.IntN(4)), t, store.Always)
}

// writeRecord adds a line and says so.
func writeRecord(ctx context.Context, s store.Store, random *rand.Rand) error {
	err := store.AppendLine(ctx, s, "records/crash.jsonl", fmt.Appendf(nil, `{"n":%d}`, random.IntN(1e6)))
	if err == nil {
		fmt.Println("stored")
	}
	return err
}

// checkCrashed checks every name of a store whose writer was killed, and
// returns how many records it holds; want is how many at least.
func checkCrashed(t *testing.T, s store.Store, want int) (records int) {
	t.Helper()
	ctx := t.Context()
	for info, err := range s.List(ctx, "") {
		if err != nil {
			t.Fatal(err)
		}
		switch first, _, _ := strings.Cut(info.Name, "/"); first {
		case "crash":
			err = checkChecked(ctx, s, info.Name)
		case "objects":
			err = checkObject(ctx, s, strings.ReplaceAll(info.Name[len("objects/"):], "/", ""))
		case "volumes":
			err = checkTree(ctx, s, info.Name)
		case "records":
			records, err = checkRecords(ctx, s, info.Name)
		default:
			err = errors.New("nobody wrote that")
		}
		if err != nil {
			t.Errorf("%s: %v", info.Name, err)
		}
	}
	if records < want {
		t.Errorf("got %d records, want at least %d", records, want)
	}
	return records
}

// checkChecked checks what writeChecked wrote.
func checkChecked(ctx context.Context, s store.Store, name string) error {
	text, err := get(ctx, s, name)
	if err != nil {
		return err
	}
	head, body, _ := strings.Cut(text, "\n")
	want := fmt.Sprintf("%s %d %x", name, len(body), sha256.Sum256([]byte(body)))
	if head != want {
		return fmt.Errorf("got %q, want %q", head, want)
	}
	return nil
}

// checkObject reads an object to its end.
func checkObject(ctx context.Context, s store.Store, digest string) error {
	r, err := store.GetObject(ctx, s, digest)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, r)
	return errors.Join(err, r.Close())
}

// checkTree reads all files of a published tree.
func checkTree(ctx context.Context, s store.Store, ref string) error {
	t, err := store.ReadTree(ctx, s, ref)
	if err != nil {
		return err
	}
	for _, f := range t.Files {
		if err := checkObject(ctx, s, f.Digest); err != nil {
			return err
		}
	}
	return nil
}

// checkRecords counts the lines of a file of records.
func checkRecords(ctx context.Context, s store.Store, name string) (int, error) {
	text, err := get(ctx, s, name)
	if err != nil || !strings.HasSuffix(text, "\n") {
		return 0, errors.Join(err, fmt.Errorf("the last line ends in %.20q", text[max(0, len(text)-20):]))
	}
	n := 0
	for line := range strings.Lines(text) {
		if !json.Valid([]byte(line)) {
			return n, fmt.Errorf("line %q", line)
		}
		n++
	}
	return n, nil
}
