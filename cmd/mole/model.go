package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"

	"mole/base"
	"mole/hub"
	"mole/model/qwen3vl"
	"mole/store"
	"mole/store/file"
)

// modelCmd is mole model.
type modelCmd struct {
	Pull  modelPullCmd  `cmd:"" help:"Download a published base model into the cache that Python tools share, or on into the store."`
	Check modelCheckCmd `cmd:"" help:"Check a base model: files, shapes, contents, and what routing with it takes."`
	List  modelListCmd  `cmd:"" help:"List the base models on this machine."`
	Make  modelMakeCmd  `cmd:"" help:"Write a checkpoint of a released shape with random weights, to try sizes with."`
}

// Help shows how the command is used.
func (*modelCmd) Help() string {
	return `A base model is the network that routers and experts are adapters of: the small one inside the program, tiny; the folder of a Qwen3-VL checkpoint; or one that was stored or downloaded, by its name on the hub. Downloaded models lie in the cache of the Hugging Face tools (HF_HUB_CACHE, HF_HOME), stored ones in the volume model_cache, which is looked at first; HF_ENDPOINT names another hub, HF_TOKEN the user, and with HF_HUB_OFFLINE=1 nothing is downloaded. docs/base.md tells more.

    mole model pull Qwen/Qwen3-VL-2B-Instruct
    mole model pull Qwen/Qwen3-VL-2B-Instruct --to-volume
    mole model check Qwen/Qwen3-VL-2B-Instruct --try
    mole model list
    mole model make --shape 2b --random random-2b` + exitHelp
}

// modelStore are the flags that say where stored models are.
type modelStore struct {
	State  string `default:".mole" env:"MOLE_STATE" placeholder:"DIR" help:"Folder of the store. Default: .mole."`
	Config string `default:"config" placeholder:"DIR" help:"Folder of the configuration, which names the volume. Default: config."`
}

// volume returns the volume of stored models.
func (m modelStore) volume() (store.Volume, error) {
	c, err := openConfig(m.Config, "")
	if err != nil {
		return store.Volume{}, err
	}
	s, err := file.Open(filepath.Join(m.State, "store"))
	return store.Volume{Store: s, Name: c.Adapters.Volumes.ModelCache.Name}, err
}

// modelListCmd is mole model list.
type modelListCmd struct {
	modelStore
	JSON bool `name:"json" help:"Print one JSON object."`
}

// listedModel is one base model of the list.
type listedModel struct {
	Name     string `json:"name"` // what --base-model takes
	Revision string `json:"revision,omitempty"`
	Commit   string `json:"commit,omitempty"`
	Bytes    int64  `json:"bytes"`
	Usable   bool   `json:"usable"`
	Why      string `json:"why,omitempty"` // not
	Shape    string `json:"shape,omitempty"`
	Dir      string `json:"dir,omitempty"`
	Volume   string `json:"volume,omitempty"` // VOLUME:PATH of a stored one
}

// Run prints the list.
func (c *modelListCmd) Run(ctx context.Context, out io.Writer) error {
	cache, err := hub.CacheFromEnvironment(os.Getenv)
	if err != nil {
		return err
	}
	snapshots, err := cache.List()
	if err != nil {
		return err
	}
	tiny, err := embeddedModel(ctx)
	if err != nil {
		return err
	}
	stored, err := c.stored(ctx)
	if err != nil {
		return err
	}
	list := append([]listedModel{tiny}, stored...)
	for _, s := range snapshots {
		list = append(list, describeModel(s))
	}
	if c.JSON {
		return writeObject(out, map[string]any{"cache": cache.Dir, "models": list})
	}
	return writeModels(out, list)
}

// stored describes the models in the volume.
func (c *modelListCmd) stored(ctx context.Context) ([]listedModel, error) {
	v, err := c.volume()
	if err != nil {
		return nil, err
	}
	all, err := base.ListStored(ctx, v)
	var list []listedModel
	for _, s := range all {
		m := listedModel{Name: s.Name.ID(), Revision: s.Name.Revision, Commit: s.Commit, Bytes: s.Bytes, Volume: s.Place()}
		list = append(list, m.shaped(s.Usable()))
	}
	return list, err
}

// embeddedModel describes the network inside the program.
func embeddedModel(ctx context.Context) (m listedModel, err error) {
	b, err := base.Open(ctx, base.Tiny)
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	return listedModel{Name: base.Tiny, Usable: true, Bytes: 2 * b.Config.Parameters(), Shape: base.Describe(b.Config) + ", part of the program"}, nil
}

// describeModel describes a downloaded model.
func describeModel(s *hub.Snapshot) listedModel {
	m := listedModel{Name: s.Name.ID(), Revision: s.Name.Revision, Commit: s.Commit, Bytes: s.Bytes, Dir: s.Dir}
	if m.Revision != "main" {
		m.Name = s.Name.String()
	}
	return m.shaped(base.Usable(s.Dir))
}

// shaped returns m with the shape of its network, or why it cannot be used.
func (m listedModel) shaped(c *qwen3vl.Config, err error) listedModel {
	if err != nil {
		m.Why = err.Error()
		return m
	}
	m.Usable, m.Shape = true, base.Describe(c)
	return m
}

// writeModels prints the list as a table.
func writeModels(out io.Writer, list []listedModel) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, m := range list {
		state := m.Shape
		if !m.Usable {
			state = "not usable: " + m.Why
		}
		if m.Volume != "" {
			state += ", in " + m.Volume
		}
		fmt.Fprintf(t, "%s\t%.12s\t%s\t%s\n", m.Name, m.Commit, byteSize(m.Bytes), state)
	}
	return t.Flush()
}
