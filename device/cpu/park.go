package cpu

import (
	"runtime"
	"sync/atomic"
	"time"
)

// spin is how long a goroutine looks for news before it sleeps. Operations of a
// step follow each other within microseconds, and waking a thread takes
// several; an idle device must not burn its cores.
const spin = 100 * time.Microsecond

// looks is how often a goroutine looks for news between two visits to the
// scheduler, which lets others run when there are more goroutines than cores.
const looks = 64

// parker lets one goroutine wait for another.
type parker struct {
	asleep atomic.Bool
	wake   chan struct{} // room for one
}

func newParker() parker { return parker{wake: make(chan struct{}, 1)} }

// await returns when ready reports true. Whoever makes it true must call
// rouse afterwards.
//
// Announcing sleep, then asking ready, and making ready true, then asking for the
// announcement: one of the two must see the other's. All writes of this kind
// exchange or add, because emulators have been seen to let a load overtake a plain
// atomic store, which processors do not.
func (p *parker) await(ready func() bool) {
	for !p.spin(ready) {
		p.asleep.Swap(true)
		// What became true before the line above was not roused: take the
		// announcement back, unless someone has answered it already.
		if ready() && p.asleep.CompareAndSwap(true, false) {
			return
		}
		<-p.wake
	}
}

// spin reports whether ready became true soon.
func (p *parker) spin(ready func() bool) bool {
	for start := time.Now(); ; {
		for range looks {
			if ready() {
				return true
			}
		}
		if time.Since(start) > spin {
			return false
		}
		runtime.Gosched()
	}
}

// rouse ends the sleep of await, if it sleeps.
func (p *parker) rouse() {
	if p.asleep.Load() && p.asleep.CompareAndSwap(true, false) {
		p.wake <- struct{}{}
	}
}
