package stage

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	"mole/spec"
	"mole/store"
)

// Paths on the volume of what is deployed (specification mole, 10).
const (
	pointerPath  = "routing/adapter" // of the router where Place.Pointer does not say
	releasesPath = "routing/releases/"
)

// MetadataFile is the file of a release that says what it is.
const MetadataFile = "deploy_metadata.json"

// keptReleases is how many releases are kept where nobody says.
const keptReleases = 3

// Metadata is deploy_metadata.json (specification mole, 4.17). Missing fields
// are zero.
type Metadata struct {
	Release    string             `json:"release"`
	Previous   string             `json:"previous,omitempty"` // release that was deployed before, for Rollback
	Run        string             `json:"run_name"`
	Dataset    string             `json:"dataset_name"`
	Checkpoint string             `json:"checkpoint"`              // VOLUME:PATH
	DeployedAt string             `json:"deployed_at"`             // RFC 3339, UTC
	Accuracy   *float64           `json:"eval_accuracy,omitempty"` // 0 to 1, held out; nil without report
	Base       string             `json:"base_model"`
	Labels     spec.Labels        `json:"labels,omitempty"`      // of a router
	Spec       spec.Router        `json:"router_spec,omitzero"`  // of a router
	Expert     string             `json:"expert,omitempty"`      // that is deployed, in place of a router
	Reads      *spec.Expert       `json:"expert_spec,omitempty"` // of an expert that was trained here
	SHA256     map[string]string  `json:"sha256"`                // of the bundle's files, by path
	Experts    map[string]Adapter `json:"experts,omitempty"`
}

// Adapter says where the adapter of an expert is published.
type Adapter struct {
	Volume  string `json:"volume"`
	Path    string `json:"path"`
	Dataset string `json:"dataset,omitempty"` // that it was trained on
	Tree    string `json:"tree,omitempty"`    // digest of the folder
	Usual   bool   `json:"-"`                 // nobody named the path: it is no news if nothing is there
}

// ParseMetadata reads deploy_metadata.json as tolerantly as the specification
// wants: fields that are missing, or of another type, stay zero, and an accuracy
// above 1 is one in percent.
func ParseMetadata(text []byte) (Metadata, error) {
	var m Metadata
	var loose struct {
		Accuracy any `json:"eval_accuracy"`
	}
	for _, v := range []any{&m, &loose} {
		err := json.Unmarshal(text, v)
		if typ := (*json.UnmarshalTypeError)(nil); err != nil && !errors.As(err, &typ) {
			return Metadata{}, fmt.Errorf("%s: %w", MetadataFile, err)
		}
	}
	m.Accuracy = nil
	if share, ok := loose.Accuracy.(float64); ok {
		if share > 1 {
			share /= 100
		}
		m.Accuracy = &share
	}
	return m, nil
}

// slot is a place of the volume of what is deployed: releases, and the pointer
// that leads to one of them. The pointer is published as the same folder as the
// release that it names, so that it is switched in one step and read like any
// other folder.
type slot struct {
	*Place
	what     string // that is deployed there: "router"
	pointer  string // path
	releases string // folder, a slash at the end
	keep     int    // releases that rollback can reach, the deployed one included, stay
	open     func(context.Context, store.Tree) error
}

// routerSlot returns where the router is deployed.
func (p *Place) routerSlot() *slot {
	return &slot{Place: p, what: "router", pointer: first(p.Pointer, pointerPath), releases: releasesPath}
}

// expertSlot returns where an expert is deployed: at a path, "" for the usual
// one.
func (p *Place) expertSlot(name, path string) *slot {
	return &slot{Place: p, what: "adapter of expert " + name, pointer: first(path, ExpertPath(name)), releases: "loras/" + name + "/releases/"}
}

// ExpertPath returns the usual path of a deployed expert on the volume of what is
// deployed.
func ExpertPath(name string) string { return "loras/" + name + "/adapter" }

// Deployed is what the pointer leads to.
type Deployed struct {
	Version  string     // of the pointer; differs after every switch
	Tree     store.Tree // the bundle and its metadata
	Metadata Metadata
	Done     bool // of Deploy: it was deployed before, and nothing was changed
}

func (p *Place) inference() store.Volume {
	return store.Volume{Store: p.Store, Name: p.Volumes.Inference}
}

// Deployed returns the deployed router. The error wraps [fs.ErrNotExist] if
// there is none.
func (p *Place) Deployed(ctx context.Context) (*Deployed, error) {
	return p.routerSlot().deployed(ctx)
}

// DeployedExpert returns the deployed adapter of an expert, at a path of the
// volume of what is deployed, "" for ExpertPath. The error wraps
// [fs.ErrNotExist] if there is none.
func (p *Place) DeployedExpert(ctx context.Context, name, path string) (*Deployed, error) {
	return p.expertSlot(name, path).deployed(ctx)
}

// DeployedVersion returns the version of the router's pointer without reading
// further. The error wraps [fs.ErrNotExist] if nothing is deployed.
func (p *Place) DeployedVersion(ctx context.Context) (string, error) {
	return p.routerSlot().version(ctx)
}

// deployed returns what the pointer leads to.
func (s *slot) deployed(ctx context.Context) (*Deployed, error) {
	version, err := s.version(ctx)
	if err != nil {
		return nil, err
	}
	tree, err := s.inference().Tree(ctx, s.pointer)
	if err != nil {
		return nil, err
	}
	m, err := s.metadata(ctx, tree)
	return &Deployed{Version: version, Tree: tree, Metadata: m}, err
}

// version returns the version of the pointer.
func (s *slot) version(ctx context.Context) (string, error) {
	ref, err := s.inference().Ref(s.pointer)
	if err != nil {
		return "", err
	}
	info, err := store.Stat(ctx, s.Store, ref)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%s:%s: no %s is deployed: %w", s.Volumes.Inference, s.pointer, s.what, fs.ErrNotExist)
	}
	return info.Version, err
}

// metadata reads the metadata of a release; one that has none is fine.
func (p *Place) metadata(ctx context.Context, tree store.Tree) (Metadata, error) {
	text, err := fs.ReadFile(tree.FS(ctx, p.Store), MetadataFile)
	if errors.Is(err, fs.ErrNotExist) {
		return Metadata{}, nil
	}
	if err != nil {
		return Metadata{}, err
	}
	return ParseMetadata(text)
}

// now returns what is deployed, nil for nothing.
func (s *slot) now(ctx context.Context) (*Deployed, error) {
	if at := s.pointer + "/"; strings.HasPrefix(at, s.releases) || strings.HasPrefix(s.releases, at) {
		return nil, fmt.Errorf("%s:%s: not a place for the deployed %s: the releases are in %s", s.Volumes.Inference, s.pointer, s.what, s.releases)
	}
	now, err := s.deployed(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return now, err
}

// replace publishes a release in place of the deployed one, now, nil for none.
// One that answers like that stays, unless it is forced.
func (s *slot) replace(ctx context.Context, tree store.Tree, m Metadata, now *Deployed, force bool) (*Deployed, error) {
	if now == nil {
		return s.publish(ctx, tree, m, nil)
	}
	if !force && now.Metadata.same(m) {
		now.Done = true
		return now, nil
	}
	m.Previous = now.Metadata.Release
	return s.publish(ctx, tree, m, now)
}

// same reports whether two releases answer alike.
func (m Metadata) same(o Metadata) bool {
	return maps.Equal(m.SHA256, o.SHA256) && maps.Equal(m.Experts, o.Experts)
}

// publish adds a release and points at it.
func (s *slot) publish(ctx context.Context, tree store.Tree, m Metadata, now *Deployed) (*Deployed, error) {
	digest, err := tree.Digest()
	if err != nil {
		return nil, err
	}
	at := time.Now().UTC()
	m.DeployedAt, m.Release = at.Format(time.RFC3339), at.Format("20060102T150405.000000Z")+"-"+digest[:12]
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, err
	}
	o, err := store.PutObject(ctx, s.Store, bytes.NewReader(append(text, '\n')))
	if err != nil {
		return nil, err
	}
	if tree, err = store.NewTree(append(releaseFiles(tree), store.File{Path: MetadataFile, Digest: o.Digest, Size: o.Size}), nil); err != nil {
		return nil, err
	}
	if err := s.inference().Publish(ctx, s.releases+m.Release, tree, store.Absent); err != nil {
		return nil, err
	}
	return s.point(ctx, tree, m, now)
}

// releaseFiles returns the files of a tree but the metadata of a release.
func releaseFiles(tree store.Tree) []store.File {
	return slices.DeleteFunc(slices.Clone(tree.Files), func(f store.File) bool { return f.Path == MetadataFile })
}

// point switches the pointer to a release, unless it is no longer as it was.
func (s *slot) point(ctx context.Context, tree store.Tree, m Metadata, now *Deployed) (*Deployed, error) {
	when := store.Absent
	if now != nil {
		when = store.Match(now.Version)
	}
	err := s.inference().Publish(ctx, s.pointer, tree, when)
	if errors.Is(err, fs.ErrExist) || errors.Is(err, store.ErrChanged) {
		return nil, fmt.Errorf("%s:%s: another deployment switched it meanwhile, this one changed nothing: %w", s.Volumes.Inference, s.pointer, store.ErrChanged)
	}
	if err != nil {
		return nil, err
	}
	s.log().Info("deployed", "release", m.Release, "run", m.Run, "dataset", m.Dataset, "previous", m.Previous)
	if err := s.prune(ctx, m.Release); err != nil { // the deployment stands
		s.log().Warn("old releases stay", "error", err)
	}
	version, err := s.version(ctx)
	return &Deployed{Version: version, Tree: tree, Metadata: m}, err
}

// rollback points at the release before the deployed one.
func (s *slot) rollback(ctx context.Context, now *Deployed) (*Deployed, error) {
	if now == nil {
		return nil, fmt.Errorf("%s:%s: nothing is deployed, so there is nothing to go back to", s.Volumes.Inference, s.pointer)
	}
	m := now.Metadata
	if m.Previous == "" {
		return nil, fmt.Errorf("release %q: no release before it is known", m.Release)
	}
	tree, err := s.inference().Tree(ctx, s.releases+m.Previous)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("release %s: the one before it, %s, is gone; the last %d are kept", m.Release, m.Previous, s.keep)
	}
	if err != nil {
		return nil, err
	}
	if m, err = s.metadata(ctx, tree); err != nil {
		return nil, err
	}
	if err := s.open(ctx, tree); err != nil {
		return nil, fmt.Errorf("release %s: %w", m.Release, err)
	}
	return s.point(ctx, tree, m, now)
}

// prune removes releases older than the deployed one, but for those that
// Rollback can reach.
func (s *slot) prune(ctx context.Context, release string) error {
	keep, err := s.reachable(ctx, release)
	if err != nil {
		return err
	}
	v := s.inference()
	for e, err := range v.List(ctx, s.releases) {
		if err != nil {
			return err
		}
		if id := strings.TrimPrefix(e.Path, s.releases); keep[id] || id >= release {
			continue
		}
		if err := v.Remove(ctx, e.Path); err != nil {
			return err
		}
	}
	return nil
}

// reachable returns the release and those before it that stay for Rollback.
func (s *slot) reachable(ctx context.Context, release string) (map[string]bool, error) {
	keep := map[string]bool{}
	for id := release; id != "" && len(keep) < s.keep && !keep[id]; {
		keep[id] = true
		tree, err := s.inference().Tree(ctx, s.releases+id)
		if errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err != nil {
			return nil, err
		}
		m, err := s.metadata(ctx, tree)
		if err != nil {
			return nil, err
		}
		id = m.Previous
	}
	return keep, nil
}
