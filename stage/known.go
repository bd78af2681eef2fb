package stage

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"

	"mole/batch"
	"mole/bundle"
	"mole/evidence"
	"mole/expert"
	"mole/router"
	"mole/shard"
	"mole/vision"
)

// together is how many pictures are read, and run through the network, at a
// time: enough for all cores, and few enough to bound the memory.
const together = 8

// gather returns the evidence about samples of a split, at most limit of each
// expert.
func (l *lessons) gather(ctx context.Context, net *evidence.Network, name string, limit int) ([]router.Known, error) {
	split, err := l.set.Split(name)
	if err != nil {
		return nil, err
	}
	labels, err := l.labels(split)
	if err != nil {
		return nil, err
	}
	which, classes := chosen(l.Experts, labels, limit)
	var out []router.Known
	err = l.look(ctx, net, "look at "+name, split, which, func(_ shard.Sample, e router.Evidence) {
		out = append(out, router.Known{Evidence: e, Class: classes[len(out)]})
	})
	return out, err
}

// chosen returns the numbers and classes of the first samples of each expert.
func chosen(t expert.Table, labels []int, limit int) (which, classes []int) {
	counts := make([]int, len(t))
	for i, label := range labels {
		class := classOf(t, label)
		if counts[class]++; counts[class] <= limit {
			which, classes = append(which, i), append(classes, class)
		}
	}
	return which, classes
}

// look gathers the evidence about samples of a split and passes it on, in
// order. Progress is reported as what, not at all if that is empty.
func (l *lessons) look(ctx context.Context, net *evidence.Network, what string, split *shard.Split, which []int, found func(shard.Sample, router.Evidence)) error {
	var samples []shard.Sample
	read := func(i int) (*evidence.Picture, error) { return l.picture(samples[i]) }
	for lo := 0; lo < len(which); lo += together {
		if what != "" {
			l.progress(what, int64(lo), int64(len(which)))
		}
		samples = samples[:0]
		for _, i := range which[lo:min(lo+together, len(which))] {
			sample, err := split.Sample(i)
			if err != nil {
				return err
			}
			samples = append(samples, sample)
		}
		evidence, err := evidenceOf(ctx, net, len(samples), read)
		if err != nil {
			return err
		}
		for i, e := range evidence {
			found(samples[i], e)
		}
	}
	return nil
}

// evidenceOf reads n pictures at the same time and gathers the evidence about
// them.
func evidenceOf(ctx context.Context, net *evidence.Network, n int, read func(i int) (*evidence.Picture, error)) ([]router.Evidence, error) {
	pictures, errs := make([]*evidence.Picture, n), make([]error, n)
	var wait sync.WaitGroup
	for i := range n {
		wait.Go(func() { pictures[i], errs[i] = read(i) })
	}
	wait.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return net.Gather(ctx, pictures)
}

// picture returns the picture of a sample, with its features and with what the
// router reads.
func (l *lessons) picture(s shard.Sample) (*evidence.Picture, error) {
	im, err := l.set.Image(s.Image)
	if err != nil {
		return nil, err
	}
	p := &evidence.Picture{Image: im, Question: question(s)}
	if l.frozen {
		p.Patches = &vision.Patches{}
		p.Patches.Grid, err = l.set.Grid(s.Image)
	} else {
		p.Patches, err = l.set.Patches(s.Image)
	}
	if err != nil {
		return nil, err
	}
	p.Patches.Features, err = l.features.Get(s.Image)
	return p, err
}

// question returns the tokens of a sample before its answer.
func question(s shard.Sample) []int32 {
	for i, label := range s.Labels {
		if label != batch.Ignore {
			return s.Tokens[:i:i]
		}
	}
	return s.Tokens
}

// classOf returns the place of a label in the table, or −1.
func classOf(t expert.Table, label int) int {
	for i, e := range t {
		if e.Label == label {
			return i
		}
	}
	return -1
}

// vectors returns the frozen features of known pictures.
func vectors(known []router.Known) router.Examples {
	var x router.Examples
	for _, k := range known {
		x.X, x.Class = append(x.X, k.Pooled), append(x.Class, k.Class)
	}
	return x
}

// withLogits returns known pictures with the logits of a rung, and without the
// hidden states of another one.
func withLogits(b *bundle.Bundle, r router.Rung, known []router.Known) ([]router.Known, error) {
	out := make([]router.Known, len(known))
	for i, k := range known {
		logits, err := b.Logits(r, k.Evidence)
		if err != nil {
			return nil, err
		}
		k.Logits = logits
		if r != router.LoRA {
			k.Hidden = nil
		}
		out[i] = k
	}
	return out, nil
}

// permute puts labels into another order, which the seed decides.
func permute(labels []int, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 0x5f6d6f6c65))
	r.Shuffle(len(labels), func(i, j int) { labels[i], labels[j] = labels[j], labels[i] })
}
