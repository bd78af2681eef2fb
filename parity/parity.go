// Package parity answers one question: does this build, on this processor,
// give the numbers of the reference?
//
// The reference is a set of recorded runs of transformers and PEFT, one folder
// a case (docs/parity.md gives the format). A case holds no weights: they
// follow from the names of the tensors by a rule, so a case of a network of a
// gigabyte takes a few hundred kilobytes. Run rebuilds the network, runs what
// the case recorded, and compares every number in it.
//
// Nothing passes silently. What a case holds and no check reads is reported as
// not checked, a damaged case is an error that names file and key, and a
// comparison that meets a NaN, on either side, has failed.
package parity

import (
	"context"
	"io/fs"

	"mole/device/cpu"
)

// Case is one folder to check.
type Case struct {
	Name  string // for the report
	Files fs.FS  // with case.json at its root
}

// Options says what is put to the test. The zero value means the default in
// each comment.
type Options struct {
	Tier      string        // kernels: generic, avx2, avx512 or neon; "" for the best of this processor
	Precision cpu.Precision // of matrix products with BF16 weights: F32 by default
	Workers   int           // 0 for all cores
	// Tokenizer is the folder of the tokenizer.json for cases of token ids that
	// have none of their own. Without one, they are reported as not checked.
	Tokenizer string
}

// Run checks the cases one after another. A case that cannot be checked is an
// error of its Result, not of Run, so that it does not hide the others; Run
// itself returns an error if the device does not open or ctx ends.
func Run(ctx context.Context, cases []Case, o Options) (*Report, error) {
	dev, err := cpu.Open(cpu.Options{Workers: o.Workers, Tier: o.Tier, Precision: o.Precision})
	if err != nil {
		return nil, err
	}
	report := &Report{Device: "cpu " + dev.Tier().String(), Precision: o.Precision.String()}
	for _, c := range cases {
		if err = ctx.Err(); err != nil {
			break
		}
		r := newRun(ctx, dev, c, o)
		r.check()
		report.Results = append(report.Results, r.out)
	}
	if closing := dev.Close(); err == nil {
		err = closing
	}
	return report, err
}
