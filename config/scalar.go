package config

import (
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
)

var durationType = reflect.TypeFor[time.Duration]()

// fits reports whether a scalar of a YAML type may be a value of type t. A
// number is not taken for a text: quotes make it one.
func fits(tag string, t reflect.Type) bool {
	switch {
	case t == durationType || t.Kind() == reflect.String:
		return tag == stringIs || tag == "!!timestamp"
	case t.Kind() == reflect.Bool:
		return tag == boolIs
	case t.Kind() == reflect.Float64:
		return tag == intIs || tag == floatIs
	}
	return tag == intIs
}

// describe says what a value of type t looks like.
func describe(t reflect.Type) string {
	switch {
	case t == durationType:
		return `a duration such as "90s" or "4h"`
	case t.Kind() == reflect.String:
		return "a text"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() == reflect.Float64:
		return "a number"
	case t.Kind() == reflect.Uint64:
		return "an integer of 0 or more"
	case t.Kind() == reflect.Int:
		return "an integer"
	case t.Kind() == reflect.Slice:
		return "a list"
	}
	return "keys and values"
}

// setText sets v, a scalar or a list of scalars with commas between them, to
// what a text says.
func setText(v reflect.Value, s string) error {
	var err error
	switch {
	case v.Kind() == reflect.Slice:
		return setList(v, s)
	case v.Type() == durationType:
		var d time.Duration
		d, err = time.ParseDuration(s)
		v.SetInt(int64(d))
	case v.Kind() == reflect.String:
		v.SetString(s)
	case v.Kind() == reflect.Bool:
		var b bool
		b, err = strconv.ParseBool(s)
		v.SetBool(b)
	default:
		err = setNumber(v, s)
	}
	if err != nil {
		return fmt.Errorf("found %.100q, want %s", s, describe(v.Type()))
	}
	return nil
}

// setNumber sets v to the number in a text.
func setNumber(v reflect.Value, s string) error {
	switch v.Kind() {
	case reflect.Int:
		n, err := strconv.ParseInt(s, 10, 0)
		v.SetInt(n)
		return err
	case reflect.Uint64:
		n, err := strconv.ParseUint(s, 10, 64)
		v.SetUint(n)
		return err
	}
	f, err := strconv.ParseFloat(s, 64)
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return strconv.ErrRange
	}
	v.SetFloat(f)
	return err
}

// setList sets a slice.
func setList(v reflect.Value, s string) error {
	parts := strings.Split(s, ",")
	list := reflect.MakeSlice(v.Type(), len(parts), len(parts))
	for i, p := range parts {
		if err := setText(list.Index(i), strings.TrimSpace(p)); err != nil {
			return err
		}
	}
	v.Set(list)
	return nil
}
