package main

// The kernels of attention that are not products work on columns of a block of
// scores: one register of query rows wide, as many rows as there are keys, of
// which the first free are seen by every query and the rest by those alone that
// see more keys than the row's number.

// scoreRow is the distance of rows of a block of scores in bytes.
const scoreRow = 4 * 64

// attentionKernels returns the kernels of one tier.
func attentionKernels(tier string, b bank, used map[uint32]bool) []*function {
	with := func(body func(e *vector)) func(a *asm) {
		return func(a *asm) { body(&vector{asm: a, bank: b, used: used}) }
	}
	return []*function{
		{
			name: "attendSoftmax" + tier,
			doc: []string{
				"turns scores into exp(scale·score − top), 0 for keys that are",
				"not seen. state holds top, the largest score so far, total, the sum of the",
				"exponentials so far, and what shrinks all earlier ones, each 64 lanes apart.",
			},
			requires: b.requires(),
			params: []param{
				{"scores", "*float32"}, {"free", "uintptr"}, {"rest", "uintptr"},
				{"sees", "*int32"}, {"state", "*float32"}, {"scale", "float32"},
			},
			body: with(softmaxBody),
		},
		{
			name: "attendGrad" + tier,
			doc: []string{
				"turns scores into p = exp(scale·score − lse), 0 for keys that are not",
				"seen, and ds, where it holds dy·v, into p · (ds − delta) · scale.",
			},
			requires: b.requires(),
			params: []param{
				{"scores", "*float32"}, {"free", "uintptr"}, {"rest", "uintptr"}, {"sees", "*int32"},
				{"ds", "*float32"}, {"lse", "*float32"}, {"delta", "*float32"}, {"scale", "float32"},
			},
			body: with(gradBody),
		},
		{
			name:     "attendScale" + tier,
			doc:      []string{"multiplies n rows of a column by factors."},
			requires: b.requires(),
			params:   []param{{"x", "*float32"}, {"n", "uintptr"}, {"factors", "*float32"}},
			body:     with(scaleBody),
		},
		{
			name:     "attendDot" + tier,
			doc:      []string{"sets sums to Σ a·b over n rows of a column."},
			requires: b.requires(),
			params:   []param{{"a", "*float32"}, {"b", "*float32"}, {"n", "uintptr"}, {"sums", "*float32"}},
			body:     with(dotBody),
		},
	}
}

// Registers of the columns: a score, temporaries, and what stays.
const (
	score = iota
	temp1
	temp2
	mask
	top
	total
	sees
	number
	scale
	slope
	delta
)

// least stands for the score of a key that is not seen: the largest negative
// number, so that differences are not NaN.
const least = -0x1.fffffep127

// eachKey writes a loop over the free rows and one over the rest. di and r8 go
// along from start and its twin, which the caller has loaded.
func (e *vector) eachKey(name string, body func(masked bool)) {
	for _, masked := range []bool{false, true} {
		label, count := name+"Free", "free"
		if masked {
			label, count = name+"Rest", "rest"
		}
		e.arg("MOVQ", count, cx)
		e.op("TESTQ", cx, cx)
		e.op("JZ", label+"End")
		if masked {
			e.rest()
		}
		e.loop(label)
		body(masked)
		e.op("ADDQ", scoreRow, di)
		e.op("ADDQ", scoreRow, r8)
		e.next(cx, label)
		e.label(label + "End")
	}
}

// rest loads the number of the first row of the rest.
func (e *vector) rest() {
	e.arg("MOVQ", "free", ax)
	e.op("VMOVD", ax, x(number))
	e.op("VPBROADCASTD", x(number), e.reg(number))
}

// visible writes mask = number < sees, and counts.
func (e *vector) visible() {
	e.two("VPSUBD", number, sees, mask)
	e.negative(mask, mask)
	e.two("VPADDD", number, e.word(1), number)
}

func softmaxBody(e *vector) {
	e.args(di)
	e.arg("MOVQ", "sees", si)
	e.arg("MOVQ", "state", dx)
	e.arg("VBROADCASTSS", "scale", e.reg(scale))
	e.move(si.at(0), sees)
	e.move(dx.at(0), top)
	e.eachKey("top", func(masked bool) {
		e.two("VMULPS", scale, di.at(0), score)
		if masked {
			e.visible()
			e.choose(mask, score, e.constant(least), temp1, score)
			e.move(temp1, score)
		}
		e.max(score, top, top)
	})
	e.args(di)
	e.clear(total)
	e.eachKey("exp", func(masked bool) {
		e.move(di.at(0), score)
		e.two("VFMSUB213PS", scale, top, score)
		e.exp(score, temp1, temp2)
		if masked {
			e.visible()
			e.and(score, mask, score)
		}
		e.add(total, score, total)
		e.op("VMOVUPS", e.reg(score), di.at(0))
	})
	e.move(dx.at(0), score)
	e.sub(score, top, score)
	e.exp(score, temp1, temp2)
	e.op("VMOVUPS", e.reg(top), dx.at(0))
	e.addProduct(score, dx.at(scoreRow), total)
	e.op("VMOVUPS", e.reg(total), dx.at(scoreRow))
	e.op("VMOVUPS", e.reg(score), dx.at(2*scoreRow))
	e.ret()
}

func gradBody(e *vector) {
	e.args(di)
	e.arg("MOVQ", "ds", r8)
	e.load("sees", sees)
	e.load("lse", top)
	e.load("delta", delta)
	e.arg("VBROADCASTSS", "scale", e.reg(scale))
	e.eachKey("keys", func(masked bool) {
		e.move(di.at(0), score)
		e.two("VFMSUB213PS", scale, top, score)
		e.exp(score, temp1, temp2)
		if masked {
			e.visible()
			e.and(score, mask, score)
		}
		e.move(r8.at(0), slope)
		e.sub(slope, delta, slope)
		e.mul(slope, scale, slope)
		e.mul(slope, score, slope)
		e.op("VMOVUPS", e.reg(score), di.at(0))
		e.op("VMOVUPS", e.reg(slope), r8.at(0))
	})
	e.ret()
}

// load loads the lanes that a parameter points to.
func (e *vector) load(name string, to int) {
	e.arg("MOVQ", name, si)
	e.move(si.at(0), to)
}

func scaleBody(e *vector) {
	e.args(di, cx)
	e.load("factors", scale)
	e.loop("rows")
	e.two("VMULPS", scale, di.at(0), score)
	e.op("VMOVUPS", e.reg(score), di.at(0))
	e.op("ADDQ", scoreRow, di)
	e.next(cx, "rows")
	e.ret()
}

func dotBody(e *vector) {
	e.args(di, r8, cx)
	e.clear(total)
	e.loop("rows")
	e.move(di.at(0), score)
	e.addProduct(score, r8.at(0), total)
	e.op("ADDQ", scoreRow, di)
	e.op("ADDQ", scoreRow, r8)
	e.next(cx, "rows")
	e.arg("MOVQ", "sums", si)
	e.op("VMOVUPS", e.reg(total), si.at(0))
	e.ret()
}
