package router

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"mole/expert"
)

// ParseCalibration reads a calibration from the JSON that encoding/json makes
// of one. It refuses unknown fields, numbers that are out of range, shapes that
// do not fit, and one that was made for other experts than those of t.
func ParseCalibration(text []byte, t expert.Table) (*Calibration, error) {
	c := &Calibration{}
	if err := strict(text, c); err != nil {
		return nil, fmt.Errorf("calibration: %w", err)
	}
	if err := c.check(t.Names()); err != nil {
		return nil, fmt.Errorf("calibration: %w", err)
	}
	return c, nil
}

// ParseLinear reads a linear head, as strictly.
func ParseLinear(text []byte, t expert.Table) (*LinearHead, error) {
	h := &LinearHead{}
	if err := strict(text, h); err != nil {
		return nil, fmt.Errorf("linear head: %w", err)
	}
	if err := h.check(t.Names()); err != nil {
		return nil, fmt.Errorf("linear head: %w", err)
	}
	return h, nil
}

// ParsePrototype reads a prototype head, as strictly.
func ParsePrototype(text []byte, t expert.Table) (*PrototypeHead, error) {
	h := &PrototypeHead{}
	if err := strict(text, h); err != nil {
		return nil, fmt.Errorf("prototype head: %w", err)
	}
	if err := h.check(t.Names()); err != nil {
		return nil, fmt.Errorf("prototype head: %w", err)
	}
	return h, nil
}

// strict decodes one JSON value and nothing after it, without unknown fields.
func strict(text []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("text after the end, at byte %d", d.InputOffset())
	}
	return nil
}

// check refuses a calibration that Decide could not work with.
func (c *Calibration) check(experts []string) error {
	if err := checkMade(c.Version, calibrationVersion, c.Experts, experts); err != nil {
		return err
	}
	if _, err := ParseRung(string(c.Rung)); err != nil {
		return err
	}
	if err := c.checkNumbers(); err != nil {
		return err
	}
	if c.Distance == nil {
		return nil
	}
	if err := c.Distance.check(c.Experts); err != nil {
		return fmt.Errorf("distance: %w", err)
	}
	return nil
}

// checkNumbers refuses a temperature and thresholds that are out of range.
func (c *Calibration) checkNumbers() error {
	switch {
	case !(c.Temperature >= minTemperature && c.Temperature <= maxTemperature):
		return fmt.Errorf("temperature %v, want %v to %v", c.Temperature, minTemperature, maxTemperature)
	case !(c.MinConfidence >= 0 && c.MinConfidence <= 1):
		return fmt.Errorf("min_confidence %v, want 0 to 1", c.MinConfidence)
	case !(c.MaxDistance >= 0) || math.IsInf(c.MaxDistance, 1):
		return fmt.Errorf("max_distance %v, want a finite number, 0 or more", c.MaxDistance)
	case c.Distance == nil && c.MaxDistance > 0:
		return fmt.Errorf("max_distance %v, but no distance is measured", c.MaxDistance)
	}
	return nil
}

// checkMade refuses another version, or other experts than the table's.
func checkMade(version, want int, experts, table []string) error {
	switch {
	case version != want:
		return fmt.Errorf("version %d of its layout, want %d", version, want)
	case len(experts) == 0:
		return fmt.Errorf("no experts")
	case !slices.Equal(experts, table):
		return fmt.Errorf("made for experts %q, the table has %q", experts, table)
	}
	return nil
}

// check refuses a head that Logits could not work with.
func (h *LinearHead) check(experts []string) error {
	if err := checkMade(h.Version, headVersion, h.Experts, experts); err != nil {
		return err
	}
	if h.Rung != Linear {
		return fmt.Errorf("rung %q, want %q", h.Rung, Linear)
	}
	if _, err := ParseFeatures(string(h.Features)); err != nil {
		return err
	}
	if len(h.Bias) != len(experts) || !finite(h.Bias) {
		return fmt.Errorf("bias: %d numbers, want %d finite ones", len(h.Bias), len(experts))
	}
	return h.Weight.check("weight", len(experts), max(1, h.Weight.Columns))
}

// check refuses a head that Logits could not work with.
func (h *PrototypeHead) check(experts []string) error {
	if err := checkMade(h.Version, headVersion, h.Experts, experts); err != nil {
		return err
	}
	if h.Rung != Prototype {
		return fmt.Errorf("rung %q, want %q", h.Rung, Prototype)
	}
	if _, err := ParseFeatures(string(h.Features)); err != nil {
		return err
	}
	width := max(1, h.Mean.Columns)
	if err := h.Mean.check("mean", 1, width); err != nil {
		return err
	}
	if err := h.Scale.checkPositive("scale", 1, width); err != nil {
		return err
	}
	return h.Means.check("means", len(experts), width)
}
