package cpu

// task is the work of one operation, cut into units that may run in any order
// and on any worker. What a unit computes must not depend on the others, nor on
// where the cuts are.
type task interface {
	// run does units lo to hi-1 with the memory of w.
	run(w *worker, lo, hi int)
}

// tasks holds one task of each kind. An operation fills its own, runs it and
// clears it, which takes no memory from the heap and keeps none alive.
type tasks struct {
	add           addTask
	fill          fillTask
	swiGLU        swiGLUTask
	swiGLUGrad    swiGLUGradTask
	gelu          geluTask
	geluGrad      geluGradTask
	adamW         adamWTask
	sumSquares    sumSquaresTask
	gather        gatherTask
	addRows       addRowsTask
	rmsNorm       rmsNormTask
	rmsNormGrad   rmsNormGradTask
	layerNorm     layerNormTask
	layerNormGrad layerNormGradTask
	rope          ropeTask
	attention     attentionTask
	gradQ         gradQTask
	gradKV        gradKVTask
	grad          gradTask
	crossEntropy  crossEntropyTask
	matMul        matMulTask
	matMuls       matMulsTask
}

// grain is the number of elements that are worth a worker's attention: about
// the time of a few handovers.
const grain = 4096

// rowGrain returns the number of rows of c elements that make a grain.
func rowGrain(c int) int { return max(1, grain/c) }

// grown returns s with n elements, of undefined values. It makes more room than
// it must, because a key cache grows by one row at a time.
func grown[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n, n+n/2)
	}
	return s[:n]
}
