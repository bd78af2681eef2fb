package main

import (
	"fmt"
	"io"

	"mole/serve"
)

// tokenCmd is mole token.
type tokenCmd struct {
	Name string `arg:"" help:"Who gets the token; the log of the server calls them so."`
}

// Help shows how the command is used.
func (*tokenCmd) Help() string {
	return `Makes a token for callers of mole serve. The token goes to standard error, once: nobody can read it from the line on standard output, which belongs into the file of --auth-token-file or --admin-token-file.

    mole token alice >> tokens
    mole serve --auth-token-file tokens` + exitHelp
}

// Run makes a token.
func (c *tokenCmd) Run(out io.Writer, errs errorWriter) error {
	secret, line, err := serve.NewToken(c.Name)
	if err != nil {
		return err
	}
	fmt.Fprintln(errs, secret)
	fmt.Fprintln(out, line)
	return nil
}
