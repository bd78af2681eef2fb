package qwen3vl

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"mole/batch"
	"mole/device/cpu"
	"mole/lora"
	"mole/train"
	"mole/train/traintest"
)

func TestMain(m *testing.M) {
	traintest.Main(m, traintest.Runs{"tiny full": tinyRun})
}

// screens is a set of drawn examples: four kinds of pictures, the kind being
// the answer.
type screens struct{ config *Config }

func (s screens) Len() int { return 24 }

func (s screens) Example(i int) (batch.Example, error) {
	kind := i % 4
	im := picture(s.config, 2+2*(i%2), 4, uint64(100+i))
	for j := range im.Pixels {
		im.Pixels[j] = im.Pixels[j]/4 + float32(kind)/2 - 0.75
	}
	return example(s.config, 1, im, 5, []int32{int32(20 + kind), 2}), nil
}

// tinyRun trains an adapter of the whole tiny network for 60 steps.
func tinyRun(workers int) (*train.Trainer, error) {
	c, err := ParseConfig([]byte(tinyConfig))
	if err != nil {
		return nil, err
	}
	dev, err := cpu.Open(cpu.Options{Workers: workers})
	if err != nil {
		return nil, err
	}
	m, err := New(dev, c, fill(c.Tensors(), noise(9)))
	if err != nil {
		return nil, err
	}
	targets, err := lora.Preset("full")
	if err != nil {
		return nil, err
	}
	a, err := lora.New(lora.Config{Rank: 4, Alpha: 8, Targets: targets, InitWeights: true}, m.Sites(), 420)
	if err != nil {
		return nil, err
	}
	n, err := m.With(a)
	return &train.Trainer{
		Network: n, Layout: m.Layout(), Examples: screens{c},
		Options: train.Options{Steps: 60, BatchExamples: 4, PassTokens: 24, Rate: 5e-3, Warmup: 3, Seed: 420, SaveEvery: 5},
	}, err
}

// TestLearn trains in this process and checks that the network learns.
func TestLearn(t *testing.T) {
	r, err := tinyRun(2)
	if err != nil {
		t.Fatal(err)
	}
	var losses []float64
	r.Report = func(s train.Step) { losses = append(losses, s.Loss) }
	if _, err := r.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if first, last := losses[0], losses[len(losses)-1]; last > first/10 {
		t.Errorf("loss went from %.3f to %.3f nats, want a tenth", first, last)
	}
}

// TestResume kills a run at random moments and compares the last checkpoint,
// adapter and moments, with that of an undisturbed run. MOLE_TEST_HEAVY=1 kills
// it ten times.
func TestResume(t *testing.T) {
	kills := 1
	if os.Getenv("MOLE_TEST_HEAVY") == "1" {
		kills = 10
	}
	want := traintest.Final(t, "tiny full", 1)
	for _, workers := range []int{1, 2} {
		t.Run(fmt.Sprintf("%d workers", workers), func(t *testing.T) {
			seed := rand.Uint64() // other moments each time; the log has it
			t.Logf("seed %d", seed)
			got := traintest.Killed(t, "tiny full", workers, traintest.Kills{Count: kills, Steps: 60, Seed: seed})
			if !bytes.Equal(got, want) {
				t.Errorf("other bytes than without kills")
			}
		})
	}
}
