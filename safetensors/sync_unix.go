//go:build unix

package safetensors

import (
	"errors"
	"os"
)

// syncFolder makes a rename in the folder survive a loss of power.
func syncFolder(folder string) error {
	if folder == "" {
		folder = "."
	}
	d, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
