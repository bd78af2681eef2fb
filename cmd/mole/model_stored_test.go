package main

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"mole/base"
	"mole/base/tiny"
	"mole/route/routetest"
	"mole/router"
)

// storeModel downloads some/network, copies it to the store of a state folder,
// and leaves nothing in the cache of downloaded models.
func storeModel(t *testing.T) (state string) {
	t.Helper()
	s := hubServer(t)
	t.Setenv("HF_HUB_CACHE", t.TempDir())
	state = t.TempDir()
	for range 2 { // the second finds everything there
		mustContain(t, runModel(t, statusOK, "model pull some/network --to-volume --endpoint", s.URL, "--state", state),
			"stored as claimhawk-model-cache:some--network\nsome/network at 0123456789ab: 5 text layers of 192")
	}
	t.Setenv("HF_HUB_CACHE", t.TempDir())
	return state
}

// TestModelStored lists and checks a stored model.
func TestModelStored(t *testing.T) {
	state := storeModel(t)
	mustContain(t, runModel(t, statusOK, "model list --state", state), "some/network  0123456789ab", "head, in claimhawk-model-cache:some--network")
	var list struct{ Models []listedModel }
	if err := json.Unmarshal([]byte(runModel(t, statusOK, "model list --json --state", state)), &list); err != nil {
		t.Fatal(err)
	}
	if m := list.Models[1]; len(list.Models) != 2 || !m.Usable || m.Volume != "claimhawk-model-cache:some--network" || m.Revision != "main" || m.Dir != "" {
		t.Errorf("got %+v", list.Models)
	}
	mustContain(t, runModel(t, statusOK, "model check some/network --values --state", state), "some/network: usable", tiny.Digest()[:12], "7 of 7 files are as they were stored")
	mustContain(t, runModel(t, statusFailed, "model check some/network --state", t.TempDir()), "mole model pull some/network downloads it")
	mustContain(t, runModel(t, statusOK, "volume rm --yes claimhawk-model-cache:some--network --state", state), "some--network")
	mustContain(t, runModel(t, statusFailed, "model check some/network --state", state), "mole model pull some/network downloads it")
}

// TestModelPutByHand stores the folder of a checkpoint under the name of a
// model, in a volume of another name.
func TestModelPutByHand(t *testing.T) {
	state := t.TempDir()
	made := filepath.Join(t.TempDir(), "made")
	t.Setenv("HF_HUB_CACHE", t.TempDir())
	runModel(t, statusOK, "model make --shape tiny --random --layers 2 --vision-layers 1", made)
	runModel(t, statusOK, "volume put --state", state, made, "models:a--b")
	settings := configFolder(t, "adapters.yaml", "volumes: {model_cache: {name: models}}")
	mustContain(t, runModel(t, statusOK, "model check a/b --state", state, "--config", settings), "2 text layers of 192, 1 vision blocks of 128", "as they were stored")
	mustContain(t, runModel(t, statusOK, "model list --state", state, "--config", settings), "a/b  ", "in models:a--b")
}

// TestStoredBase works with the stored model that the configuration names.
func TestStoredBase(t *testing.T) {
	state := storeModel(t)
	f := chainFlags{State: state, Config: configFolder(t, "adapters.yaml", "models: {base_vlm: some/network}")}
	ch, err := f.open(t.Output(), t.Output())
	if err != nil {
		t.Fatal(err)
	}
	err = ch.openBase(t.Context())
	if err != nil || ch.base.Name != "some/network" || ch.base.Volume != "claimhawk-model-cache:some--network" {
		t.Errorf("got %+v, %v", ch.base, err)
	}
	if err := ch.close(); err != nil {
		t.Error(err)
	}
	sites, err := sitesOf(t.Context(), ch.Models(), "some/network")
	if err != nil || len(sites) == 0 {
		t.Errorf("got %d layers, %v", len(sites), err)
	}
}

// TestStoredAnswers routes, and lets the base model answer, with a stored one.
func TestStoredAnswers(t *testing.T) {
	state := storeModel(t)
	b := routetest.Bundle(t, router.Linear)
	if b.Base != base.Tiny {
		t.Fatalf("router of %s, want %s", b.Base, base.Tiny)
	}
	b.Base = "some/network"
	place := []string{"--bundle", routetest.Write(t, b), "--state", state, filepath.Join(screens(t), "calendar.png")}
	for _, args := range [][]string{{"--route-only"}, {"--prompt", "open it", "--direct", "--max-new-tokens", "3"}} {
		if _, err := command(t, new(inferCmd), append(args, place...)...); err != nil {
			t.Errorf("%q: %v", args, err)
		}
	}
}
