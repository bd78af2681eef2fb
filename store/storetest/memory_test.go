package storetest_test

import (
	"testing"

	"mole/store"
	"mole/store/storetest"
)

func TestMemory(t *testing.T) {
	storetest.Run(t, func(*testing.T) store.Store { return storetest.Memory() })
}

// plain hides the optional methods of a store.
type plain struct{ store.Store }

func TestPlain(t *testing.T) {
	storetest.Run(t, func(*testing.T) store.Store { return plain{storetest.Memory()} })
}
