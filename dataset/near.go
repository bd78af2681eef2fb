package dataset

// NearReport says how many pictures look alike across splits, by a difference
// hash of 16x16 bits of the grey picture: two look alike if at most Bits of the
// 256 bits differ. Screens of one program that differ in a word or a selected
// row do; that says how much of a test result is memory.
type NearReport struct {
	Bits      int
	Val, Test int        // pictures in val that look like one in train; in test, like one in train or val
	Kept      bool       // look-alikes of an expert were kept in one split where the counts allowed
	Pairs     []NearPair // the nearest one of each such picture, the first 20
}

// NearPair is two pictures of different splits that look alike.
type NearPair struct {
	Image, Other          string // paths below the folder of datasets
	Split, OtherSplit     string
	Adapter, OtherAdapter string
	Differ                int // bits
}

// maxPairs is the largest number of pairs in a report.
const maxPairs = 20

// nearBits returns the number of bits that look-alikes may differ in.
func (o *AssembleOptions) nearBits() int {
	if o.NearBits > 0 {
		return o.NearBits
	}
	return 16
}

// groupLookAlikes gives candidates that look alike, also by way of others, the
// same group: the least index among them.
func (p *pool) groupLookAlikes(bits int) {
	parent := make([]int, len(p.candidates))
	for i := range parent {
		parent[i] = i
	}
	find := func(i int) int {
		for parent[i] != i {
			parent[i] = parent[parent[i]]
			i = parent[i]
		}
		return i
	}
	for i, a := range p.candidates {
		for j, b := range p.candidates[:i] {
			if a.file.look.distance(&b.file.look) <= bits {
				x, y := find(i), find(j)
				parent[max(x, y)] = min(x, y)
			}
		}
	}
	for i, c := range p.candidates {
		c.group = find(i)
	}
}

// picture is a picked candidate with its expert.
type picture struct {
	*candidate
	adapter string
}

// nearReport compares the pictures of val with those of train, and those of
// test with both.
func (o *AssembleOptions) nearReport(pools []*pool) NearReport {
	r := NearReport{Bits: o.nearBits(), Kept: o.KeepApart}
	var bySplit [3][]picture
	for _, p := range pools {
		for i, list := range p.picked {
			for _, c := range list {
				bySplit[i] = append(bySplit[i], picture{c, p.expert.Name})
			}
		}
	}
	r.Val = r.compare(bySplit[valSplit], bySplit[trainSplit])
	r.Test = r.compare(bySplit[testSplit], append(bySplit[trainSplit], bySplit[valSplit]...))
	return r
}

// compare counts the pictures that look like one of others.
func (r *NearReport) compare(pictures, others []picture) int {
	n := 0
	for _, a := range pictures {
		best, at := r.Bits+1, -1
		for i, b := range others {
			if d := a.file.look.distance(&b.file.look); d < best {
				best, at = d, i
			}
		}
		if at < 0 {
			continue
		}
		n++
		if len(r.Pairs) < maxPairs {
			b := others[at]
			r.Pairs = append(r.Pairs, NearPair{
				a.file.fullPath(), b.file.fullPath(), splitNames[a.split], splitNames[b.split], a.adapter, b.adapter, best,
			})
		}
	}
	return n
}
