package hub

import (
	"context"
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// file is one file of a model, as the hub lists it.
type file struct {
	name string
	size int64
	hash string // SHA-256, or git's SHA-1 of a small file; hexadecimal
}

// url returns the address of parts below the endpoint, each of which may hold
// any characters.
func (c *Client) url(parts ...string) *url.URL {
	u := *c.endpoint
	escaped := strings.TrimRight(c.endpoint.EscapedPath(), "/")
	plain := strings.TrimRight(c.endpoint.Path, "/")
	for _, p := range parts {
		escaped += "/" + url.PathEscape(p)
		plain += "/" + p
	}
	u.Path, u.RawPath = plain, escaped
	return &u
}

// resolve returns the commit of a revision.
func (c *Client) resolve(ctx context.Context, n Name) (string, error) {
	text, _, err := c.text(ctx, c.url("api", "models", n.Owner, n.Model, "revision", n.rev()))
	if err != nil {
		return "", err
	}
	var info struct {
		SHA string `json:"sha"`
	}
	if err := json.Unmarshal(text, &info); err != nil {
		return "", forGood("description of the model: %w", err)
	}
	if !commitID.MatchString(info.SHA) {
		return "", forGood("description of the model: sha %.100q, want a commit", info.SHA)
	}
	return info.SHA, nil
}

// Bounds of a list, far beyond any published model.
const (
	maxPages = 50
	maxFiles = 20_000
)

// list returns the files of a commit that a base network consists of.
func (c *Client) list(ctx context.Context, n Name, commit string) ([]file, error) {
	u := c.url("api", "models", n.Owner, n.Model, "tree", commit)
	var all []file
	for range maxPages {
		text, header, err := c.text(ctx, u)
		if err != nil {
			return nil, err
		}
		page, err := parsePage(text)
		if err != nil {
			return nil, err
		}
		if all = append(all, page...); len(all) > maxFiles {
			return nil, forGood("list of files: more than %d", maxFiles)
		}
		next := nextPage(header.Values("Link"))
		if next == "" {
			return wanted(all)
		}
		to, err := u.Parse(next)
		if err != nil || to.Scheme != u.Scheme || to.Host != u.Host {
			return nil, forGood("list of files: next page is on another server")
		}
		u = to
	}
	return nil, forGood("list of files: more than %d pages", maxPages)
}

var nextLink = regexp.MustCompile(`<([^>]*)>\s*;\s*rel="?next"?`)

// nextPage returns the address of the next page, "" after the last.
func nextPage(links []string) string {
	for _, l := range links {
		if m := nextLink.FindStringSubmatch(l); m != nil {
			return m[1]
		}
	}
	return ""
}

// parsePage reads one page of a list of files.
func parsePage(text []byte) ([]file, error) {
	var entries []struct {
		Type, Path, OID string
		Size            int64
		LFS             *struct {
			OID  string
			Size int64
		}
	}
	if err := json.Unmarshal(text, &entries); err != nil {
		return nil, forGood("list of files: %w", err)
	}
	var files []file
	for _, e := range entries {
		f := file{name: e.Path, size: e.Size, hash: e.OID}
		if e.LFS != nil {
			f.size, f.hash = e.LFS.Size, strings.TrimPrefix(e.LFS.OID, "sha256:")
		}
		if e.Type == "file" {
			files = append(files, f)
		}
	}
	return files, nil
}

// texts are the files of a base network other than its weights. Some of them
// are for the Python tools alone, which share the cache.
var texts = []string{
	"config.json", "generation_config.json", "preprocessor_config.json", "processor_config.json", "video_preprocessor_config.json",
	"tokenizer.json", "tokenizer_config.json", "chat_template.json", "chat_template.jinja", weightsIndex,
}

// Names of the weights, and limits in bytes far beyond any published model.
const (
	weightsFile  = "model.safetensors"
	weightsIndex = weightsFile + ".index.json"

	maxText    = 256 << 20
	maxWeights = 1 << 40
)

// Names of weights: those that the index of a published model gives, and any.
// Neither leaves its folder.
var (
	shard = regexp.MustCompile(`^model-[A-Za-z0-9._-]{1,100}\.safetensors$`)
	other = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,100}\.safetensors$`)
)

// wanted picks the files that a base network needs, once each, and refuses what
// cannot be one. Nothing else is downloaded, and nothing that runs code when it
// is loaded.
func wanted(all []file) ([]file, error) {
	isWeights := weightsOf(all)
	var files []file
	seen := map[string]bool{}
	weights := 0
	for _, f := range all {
		w := isWeights(f.name)
		if !w && !slices.Contains(texts, f.name) {
			continue
		}
		if err := checkEntry(f, w, seen[f.name]); err != nil {
			return nil, err
		}
		if w {
			weights++
		}
		seen[f.name] = true
		files = append(files, f)
	}
	if !seen["config.json"] || weights == 0 {
		return nil, forGood("the model has no config.json or no safetensors file: it is no base network")
	}
	return files, nil
}

// weightsOf tells the weights by their names. Some models come with a second
// copy of them.
func weightsOf(all []file) func(name string) bool {
	has := func(fits func(string) bool) bool {
		return slices.ContainsFunc(all, func(f file) bool { return fits(f.name) })
	}
	single := func(name string) bool { return name == weightsFile } // it counts before an index
	for _, fits := range []func(string) bool{single, shard.MatchString} {
		if has(fits) {
			return fits
		}
	}
	return other.MatchString
}

// checkEntry refuses an entry of a list that makes no sense.
func checkEntry(f file, weights, twice bool) error {
	most := int64(maxText)
	if weights {
		most = maxWeights
	}
	switch {
	case twice:
		return forGood("list of files: %s occurs twice", f.name)
	case !commitID.MatchString(f.hash) && !sha256ID.MatchString(f.hash):
		return forGood("list of files: %s has the hash %.100q, want a SHA-256 or git's SHA-1", f.name, f.hash)
	case f.size < 0 || f.size > most:
		return forGood("list of files: %s has %d bytes, want at most %d", f.name, f.size, most)
	}
	return nil
}
