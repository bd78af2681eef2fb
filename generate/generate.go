// Package generate writes answers with one base network and many adapters. It
// batches the requests that are at work, whatever adapters they ask for, bounds
// those that wait, and keeps the adapters in memory that are in use
// (specification mole, 11.4).
package generate
