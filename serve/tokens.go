package serve

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"os"
	"regexp"
	"strings"
)

// tokens are those of a file, by their digests.
type tokens []token

// token is one of them.
type token struct {
	name   string // for the log
	digest [sha256.Size]byte
}

// tokenLine is a line of a file of tokens: a name, and the SHA-256 of the token
// in hexadecimal.
var tokenLine = regexp.MustCompile(`^([A-Za-z0-9][A-Za-z0-9._-]{0,63}):([0-9a-fA-F]{64})$`)

// minToken is the length of the shortest token, in bytes.
const minToken = 16

// NewToken returns a new token for a caller, and the line of a file of tokens
// that lets it in.
func NewToken(name string) (secret, line string, err error) {
	secret = "mole-" + strings.ToLower(rand.Text())
	sum := sha256.Sum256([]byte(secret))
	line = name + ":" + hex.EncodeToString(sum[:])
	if !tokenLine.MatchString(line) {
		return "", "", fmt.Errorf("name %q of a token: want 1 to 64 letters, digits, dots, hyphens and underscores", name)
	}
	return secret, line, nil
}

// readTokens reads a file of tokens: lines NAME:SHA256, empty ones, and comments
// after #; or one token as it is.
func readTokens(path string) (tokens, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if t, ok := plainToken(text); ok {
		if len(t) < minToken {
			return nil, fmt.Errorf("%s: token of %d bytes, want at least %d", path, len(t), minToken)
		}
		return tokens{{"token", sha256.Sum256(t)}}, nil
	}
	var list tokens
	for i, line := range strings.Split(string(text), "\n") {
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		m := tokenLine.FindStringSubmatch(line)
		if m == nil {
			return nil, fmt.Errorf("%s:%d: want NAME:SHA256, as mole token prints it", path, i+1)
		}
		t := token{name: m[1]}
		if _, err := hex.Decode(t.digest[:], []byte(m[2])); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, i+1, err)
		}
		list = append(list, t)
	}
	if list == nil {
		return nil, fmt.Errorf("%s: no tokens", path)
	}
	return list, nil
}

// plainToken returns the token of a file that holds nothing else.
func plainToken(text []byte) ([]byte, bool) {
	t := bytes.TrimSpace(text)
	return t, len(t) > 0 && t[0] != '#' && !bytes.ContainsAny(t, "\n\r") && !tokenLine.Match(t)
}

// find returns the name of a token, "" if it is none. The time does not tell
// which it is like.
func (t tokens) find(secret string) string {
	sum, name := sha256.Sum256([]byte(secret)), ""
	for _, k := range t {
		if subtle.ConstantTimeCompare(sum[:], k.digest[:]) == 1 {
			name = k.name
		}
	}
	return name
}

// caller returns the name and the rank of who sends the header Authorization:
// anyone, users or admins.
func (s *Server) caller(header string) (name string, rank access) {
	scheme, secret, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", anyone
	}
	if name := s.admins.get().find(secret); name != "" {
		return name, admins
	}
	if name := s.users.get().find(secret); name != "" {
		return name, users
	}
	return "", anyone
}
