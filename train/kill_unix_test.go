//go:build unix

package train_test

import (
	"bytes"
	"fmt"
	"os"
	"testing"

	"mole/train"
	"mole/train/traintest"
)

func TestMain(m *testing.M) {
	traintest.Main(m, traintest.Runs{"tiny": tiny, "full disk": fullDisk})
}

// tiny is a run of 60 steps with a checkpoint every 4.
func tiny(workers int) (*train.Trainer, error) {
	n, err := newNetwork(workers)
	return &train.Trainer{
		Network: n, Layout: layout, Examples: examples(20),
		Options: train.Options{Steps: 60, BatchExamples: 4, PassTokens: 10, Rate: 0.05, Warmup: 5, Seed: 3, SaveEvery: 4},
	}, err
}

// TestKill kills a run at random moments. MOLE_TEST_HEAVY=1 kills it more often.
func TestKill(t *testing.T) {
	kills := 2
	if os.Getenv("MOLE_TEST_HEAVY") == "1" {
		kills = 10
	}
	want := traintest.Final(t, "tiny", 1)
	for _, workers := range []int{1, 2} {
		t.Run(fmt.Sprintf("%d workers", workers), func(t *testing.T) {
			got := traintest.Killed(t, "tiny", workers, traintest.Kills{Count: kills, Steps: 60, Seed: uint64(workers)})
			if !bytes.Equal(got, want) {
				t.Errorf("other bytes than without kills")
			}
		})
	}
}
