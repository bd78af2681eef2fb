//go:build race

package main

// racing says that the race detector is at work.
const racing = true
