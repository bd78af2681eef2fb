package cpu

import (
	"fmt"
	"os"
	"strings"

	"mole/internal/kernel"
)

// tierVar is the environment variable that sets the tier of devices whose
// options do not.
const tierVar = "MOLE_DEBUG_CPU"

// chooseTier returns the tier of that name, or of tierVar, or the best one, and
// why it is the one.
func chooseTier(name string) (t kernel.Tier, why string, err error) {
	why = "set by --tier"
	if name == "" {
		name, why = os.Getenv(tierVar), "set by "+tierVar
	}
	if name == "" {
		return kernel.Best(), "best of " + runnable(), nil
	}
	t, err = kernel.ParseTier(name)
	if err == nil {
		err = t.Supported()
	}
	if err != nil {
		return 0, "", fmt.Errorf("%w (%s; this processor runs %s)", err, why, runnable())
	}
	return t, why, nil
}

// runnable lists the tiers that the processor runs.
func runnable() string {
	var names []string
	for _, t := range kernel.Tiers() {
		names = append(names, t.String())
	}
	return strings.Join(names, ", ")
}
