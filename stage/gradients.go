package stage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"

	"mole/batch"
	"mole/device"
	"mole/lora"
	"mole/tensor"
	"mole/train"
)

// pictureWithin is how many examples are looked through for a picture.
const pictureWithin = 32

// checkGradients computes one example and returns an error that says why an
// adapter of the vision tower would not learn: names that hit nothing there, a
// set without pictures, a loss that is no number, or a backward pass that does
// not reach the tower (specification mole, 8.4). It leaves the gradients zero.
func checkGradients(net train.Network, layout batch.Layout, from train.Examples) error {
	err := tryGradients(net, layout, from)
	for _, p := range net.Params() {
		net.Device().Fill(p.Grad, 0)
	}
	if err = errors.Join(err, net.Device().Sync()); err != nil {
		err = fmt.Errorf("gradients of the vision tower: %w", err)
	}
	return err
}

func tryGradients(net train.Network, layout batch.Layout, from train.Examples) error {
	var tower []lora.Param
	for _, p := range net.Params() {
		if strings.Contains(p.Name, ".visual.") {
			tower = append(tower, p)
		}
	}
	if len(tower) == 0 {
		return errors.New("no matrix of the adapter is in it")
	}
	b, err := firstPictured(layout, from)
	if err != nil {
		return err
	}
	losses, err := net.Forward(b)
	if err != nil {
		return err
	}
	for _, loss := range losses {
		if loss64 := float64(loss); math.IsNaN(loss64) || math.IsInf(loss64, 0) {
			return fmt.Errorf("the loss of the first picture is %v", loss)
		}
	}
	if err := net.Backward(); err != nil {
		return err
	}
	return someGradient(net.Device(), tower)
}

// firstPictured returns the first example with a picture as a batch.
func firstPictured(layout batch.Layout, from train.Examples) (*batch.Batch, error) {
	for i := range min(from.Len(), pictureWithin) {
		e, err := from.Example(i)
		if err != nil {
			return nil, err
		}
		if len(e.Images) > 0 {
			e.Weights = nil // an answer that counts nothing must not look like a fault
			return batch.Pack(layout, []batch.Example{e})
		}
	}
	return nil, fmt.Errorf("no picture in the first %d examples", min(from.Len(), pictureWithin))
}

// someGradient returns an error if all gradients are zero. Those of A are, as
// long as B is.
func someGradient(d device.Accelerator, params []lora.Param) error {
	sum := d.Alloc(tensor.F32, tensor.Shape{1})
	defer d.Free(sum)
	d.Fill(sum, 0)
	for _, p := range params {
		d.SumSquares(sum, p.Grad)
	}
	if err := d.Sync(); err != nil {
		return err
	}
	var raw [4]byte
	d.Read(raw[:], sum)
	if v := math.Float32frombits(binary.LittleEndian.Uint32(raw[:])); !(v > 0) {
		return fmt.Errorf("the sum of the squares over its %d matrices is %v, want more", len(params), v)
	}
	return nil
}
