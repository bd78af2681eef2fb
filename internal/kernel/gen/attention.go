package main

// The kernels of attention that are not products work on columns of a block of
// scores: one register of query rows wide, as many rows as there are keys, of
// which the first free are seen by every query and the rest by those alone that
// see more keys than the row's number.

// scoreRow is the distance of rows of a block of scores in bytes.
const scoreRow = 4 * 64

// attentionKernels returns the kernels of one tier.
func attentionKernels(tier string, i isa, used words) []*function {
	with := func(body func(e *vector)) func(a *asm) {
		return func(a *asm) { body(newVector(a, i, used, false)) }
	}
	return []*function{
		{
			name: "attendSoftmax" + tier,
			doc: []string{
				"turns scores into exp(scale·score − top), 0 for keys that are",
				"not seen. state holds top, the largest score so far, total, the sum of the",
				"exponentials so far, and what shrinks all earlier ones, each 64 lanes apart.",
			},
			requires: i.requires(),
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
			requires: i.requires(),
			params: []param{
				{"scores", "*float32"}, {"free", "uintptr"}, {"rest", "uintptr"}, {"sees", "*int32"},
				{"ds", "*float32"}, {"lse", "*float32"}, {"delta", "*float32"}, {"scale", "float32"},
			},
			body: with(gradBody),
		},
		{
			name:     "attendScale" + tier,
			doc:      []string{"multiplies n rows of a column by factors."},
			requires: i.requires(),
			params:   []param{{"x", "*float32"}, {"n", "uintptr"}, {"factors", "*float32"}},
			body:     with(scaleBody),
		},
		{
			name:     "attendDot" + tier,
			doc:      []string{"sets sums to Σ a·b over n rows of a column."},
			requires: i.requires(),
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
		e.load(count, cx)
		e.skip(cx, label+"End")
		if masked {
			e.rest()
		}
		e.loop(label)
		body(masked)
		e.advance(di, scoreRow)
		e.advance(r8, scoreRow)
		e.next(cx, label)
		e.label(label + "End")
	}
}

// rest loads the number of the first row of the rest.
func (e *vector) rest() {
	e.load("free", ax)
	e.isa.spread(e, ax, number)
}

// visible writes mask = number < sees, and counts.
func (e *vector) visible() {
	e.two(intMinus, number, sees, mask)
	e.negative(mask, mask)
	e.two(intPlus, number, e.word(1), number)
}

func softmaxBody(e *vector) {
	e.args(di)
	e.load("sees", si)
	e.load("state", dx)
	e.isa.scalar(e, "scale", scale)
	e.move(si.at(0), sees)
	e.move(dx.at(0), top)
	e.eachKey("top", func(masked bool) {
		e.mul(scale, di.at(0), score)
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
		e.isa.scaledLess(e, score, scale, top)
		e.exp(score, temp1, temp2)
		if masked {
			e.visible()
			e.and(score, mask, score)
		}
		e.add(total, score, total)
		e.isa.write(e, score, di.at(0))
	})
	e.move(dx.at(0), score)
	e.sub(score, top, score)
	e.exp(score, temp1, temp2)
	e.isa.write(e, top, dx.at(0))
	e.addProduct(score, dx.at(scoreRow), total)
	e.isa.write(e, total, dx.at(scoreRow))
	e.isa.write(e, score, dx.at(2*scoreRow))
	e.ret()
}

func gradBody(e *vector) {
	e.args(di)
	e.load("ds", r8)
	e.column("sees", sees)
	e.column("lse", top)
	e.column("delta", delta)
	e.isa.scalar(e, "scale", scale)
	e.eachKey("keys", func(masked bool) {
		e.move(di.at(0), score)
		e.isa.scaledLess(e, score, scale, top)
		e.exp(score, temp1, temp2)
		if masked {
			e.visible()
			e.and(score, mask, score)
		}
		e.move(r8.at(0), slope)
		e.sub(slope, delta, slope)
		e.mul(slope, scale, slope)
		e.mul(slope, score, slope)
		e.isa.write(e, score, di.at(0))
		e.isa.write(e, slope, r8.at(0))
	})
	e.ret()
}

// column loads the column that a parameter points to.
func (e *vector) column(name string, to int) {
	e.load(name, si)
	e.move(si.at(0), to)
}

func scaleBody(e *vector) {
	e.args(di, cx)
	e.column("factors", scale)
	e.loop("rows")
	e.mul(scale, di.at(0), score)
	e.isa.write(e, score, di.at(0))
	e.advance(di, scoreRow)
	e.next(cx, "rows")
	e.ret()
}

func dotBody(e *vector) {
	e.args(di, r8, cx)
	e.clear(total)
	e.loop("rows")
	e.move(di.at(0), score)
	e.addProduct(score, r8.at(0), total)
	e.advance(di, scoreRow)
	e.advance(r8, scoreRow)
	e.next(cx, "rows")
	e.load("sums", si)
	e.isa.write(e, total, si.at(0))
	e.ret()
}
