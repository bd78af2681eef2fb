package dataset

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"maps"
	"slices"
	"strings"
)

// ValidateRouting checks a routing set (4.6, 4.7, 5.14) and returns its
// problems by file and line.
func ValidateRouting(fsys fs.FS, o ValidateOptions) []Problem {
	v := newValidator(fsys, o)
	var m RoutingMetadata
	v.routingMeta(&m)
	labels := newLabelMap(m.Labels, o.Experts)
	v.table(&m)
	counts := map[string]int{}
	byPicture := map[string]routed{}
	sums := map[string]bool{}
	for _, name := range []string{"train.jsonl", "val.jsonl", v.testName()} {
		split := strings.TrimSuffix(strings.Replace(name, "eval", "test", 1), ".jsonl")
		v.records(name, true, v.note, func(at place, r *Record) {
			counts[split]++
			sums[recordKey(r)] = true
			v.routingRecord(at, r, labels, byPicture)
		}, v.brokenLine)
	}
	v.metaCounts(&m, counts)
	v.concatenation(sums, counts)
	return v.sorted()
}

// routed is where a picture was seen first, with its label.
type routed struct {
	at    place
	label int
}

// recordKey returns what must be equal in a split and in data.jsonl.
func recordKey(r *Record) string { s := r.sum(); return string(s[:]) }

// routingMeta reads metadata.json.
func (v *validator) routingMeta(m *RoutingMetadata) {
	at := place{"metadata.json", WholeFile}
	data, ok := v.file("metadata.json")
	if !ok {
		return
	}
	if err := checkJSON(data); err != nil {
		v.addErr(at, err)
		return
	}
	v.addErr(at, m.UnmarshalJSON(data))
	if !v.o.Own {
		return
	}
	for _, key := range []string{"dataset_name", "created", "samples", "adapters", "ru_version", "files"} {
		if o, err := parseObject(data); err == nil && isNull(o.get(key)) {
			v.add(at, Error, "key %s is missing", key)
		}
	}
}

// table compares the labels of the metadata with the table of experts.
func (v *validator) table(m *RoutingMetadata) {
	at := place{"metadata.json", WholeFile}
	byLabel := map[int]string{}
	for _, name := range slices.Sorted(maps.Keys(m.Labels)) {
		label := m.Labels[name]
		if other, ok := byLabel[label]; ok {
			v.add(at, Error, "adapters %q and %q have the same label %d", other, name, label)
		}
		byLabel[label] = name
		e, ok := v.o.Experts.ByName(name)
		switch {
		case v.o.Experts == nil:
		case !ok:
			v.add(at, Error, "adapter %q is not in the table: %s", name, v.o.Experts)
		case e.Label != label:
			v.add(at, Error, "adapter %q has label %d, the table says %d", name, label, e.Label)
		}
	}
}

// routingRecord checks one record.
func (v *validator) routingRecord(at place, r *Record, labels *labelMap, byPicture map[string]routed) {
	v.id(at, r.ID, v.ours())
	v.human(at, r)
	stated := r.Metadata
	if err := labels.normalise(r, at, v.note); err != nil {
		v.addErr(at, err)
		return
	}
	source, _, _ := strings.Cut(r.Image, "/")
	switch {
	case stated.SourceDataset == "":
		v.add(at, v.ours(), "metadata.source_dataset is missing")
	case source != "images" && stated.SourceDataset != source && stated.SourceDataset != "ocr-generated":
		v.add(at, Error, "metadata.source_dataset is %q, the image is in %q", stated.SourceDataset, source)
	}
	if v.o.Own && stated.SplitGroup == "" {
		v.add(at, Error, "metadata.split_group is missing")
	}
	v.routingPicture(at, r, byPicture)
}

// routingPicture checks the picture of a record: that it is there, in one
// split, and under one label.
func (v *validator) routingPicture(at place, r *Record, byPicture map[string]routed) {
	shown := firstOf(r.Metadata.SplitGroup, r.Image)
	if v.o.Datasets != nil {
		fsys := v.o.Datasets
		if strings.HasPrefix(r.Image, "images/") {
			fsys = v.fsys // the older form: in the set itself
		}
		if size := v.picture(at, fsys, r.Image); size[0] > 0 && v.o.Pixels {
			shown = v.shown[r.Image]
		}
	}
	v.leak(at, shown, Error)
	first, ok := byPicture[shown]
	switch {
	case !ok:
		byPicture[shown] = routed{at, *r.Metadata.Label}
	case first.label != *r.Metadata.Label:
		v.add(at, Error, "picture %s has label %d here and %d in %s", shown, *r.Metadata.Label, first.label, first.at)
	}
}

// metaCounts compares the numbers and hashes of the metadata with the files.
func (v *validator) metaCounts(m *RoutingMetadata, counts map[string]int) {
	at := place{"metadata.json", WholeFile}
	for _, split := range slices.Sorted(maps.Keys(m.Samples)) {
		if n := m.Samples[split]; slices.Contains(splitNames[:], split) && n != counts[split] {
			v.add(at, Error, "samples.%s is %d, %s.jsonl has %d good records", split, n, split, counts[split])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(m.Files)) {
		if !isLocal(name) {
			v.add(at, Error, "files: %q is no name of a file of the set", name)
			continue
		}
		data, err := fs.ReadFile(v.fsys, name)
		if err != nil {
			v.add(at, Error, "files.%s: %v", name, cause(err))
			continue
		}
		if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != m.Files[name] {
			v.add(at, Error, "files.%s: the file has another hash", name)
		}
	}
}

// concatenation checks that data.jsonl, if there is one, holds the records of
// all splits.
func (v *validator) concatenation(sums map[string]bool, counts map[string]int) {
	n := 0
	v.copies(v.o.Own, func(at place, r *Record) {
		n++
		if !sums[recordKey(r)] {
			v.add(at, Error, "id %q: no split has this record", r.ID)
		}
	})
	if all := counts["train"] + counts["val"] + counts["test"]; n > 0 && n != all {
		v.add(place{"data.jsonl", WholeFile}, Error, "%d records, train, val and test have %d", n, all)
	}
}
