package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// inferTask is a picture and what is asked about it.
type inferTask struct {
	Image  string `json:"image"`
	Prompt string `json:"prompt"`
	Expert string `json:"expert"`
}

// wantsAnswer reports whether somebody is to answer, beyond a decision.
func (t inferTask) wantsAnswer() bool { return t.Prompt != "" || t.Expert == "base" }

// tasks returns what the arguments and flags ask.
func (c *inferCmd) tasks() ([]inferTask, error) {
	if c.Direct {
		c.Expert = "base"
	}
	names, err := pictureNames(slices.Concat(c.Images, c.Image))
	if err != nil {
		return nil, err
	}
	var all []inferTask
	for _, name := range names {
		tasks := []inferTask{{Image: name}}
		if strings.EqualFold(filepath.Ext(name), ".jsonl") {
			if tasks, err = readTasks(name); err != nil {
				return nil, err
			}
		}
		for _, t := range tasks {
			t.Prompt, t.Expert = cmp.Or(t.Prompt, c.Prompt), cmp.Or(t.Expert, c.Expert)
			all = append(all, t)
		}
	}
	return all, nil
}

// maxTask bounds a line of a file of tasks, in bytes.
const maxTask = 1 << 20

// readTasks reads a file of tasks.
func readTasks(name string) (tasks []inferTask, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, maxTask)
	for n := 1; lines.Scan(); n++ {
		if strings.TrimSpace(lines.Text()) == "" {
			continue
		}
		var t inferTask
		d := json.NewDecoder(strings.NewReader(lines.Text()))
		d.DisallowUnknownFields()
		if err := d.Decode(&t); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, n, err)
		}
		if t.Image == "" {
			return nil, fmt.Errorf("%s:%d: no image, want {\"image\": FILE, \"prompt\": TEXT}", name, n)
		}
		if !filepath.IsAbs(t.Image) {
			t.Image = filepath.Join(filepath.Dir(name), t.Image)
		}
		tasks = append(tasks, t)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if tasks == nil {
		return nil, fmt.Errorf("%s: no tasks", name)
	}
	return tasks, nil
}

// standardInput is the name of a picture that is read from there.
const standardInput = "-"

// readPicture reads the file of a picture.
func readPicture(name string) ([]byte, error) {
	if name == standardInput {
		return io.ReadAll(os.Stdin)
	}
	return os.ReadFile(name)
}

// pictureNames returns the files that arguments stand for: folders are replaced
// by the pictures in and below them.
func pictureNames(args []string) ([]string, error) {
	if len(args) == 0 {
		return nil, errors.New("no picture is named: want files, folders, or - for standard input")
	}
	var names []string
	for _, arg := range args {
		info, err := os.Stat(arg)
		if arg == standardInput || err != nil || !info.IsDir() {
			names = append(names, arg) // reading tells what is wrong
			continue
		}
		inside, err := picturesIn(arg)
		if err != nil {
			return nil, err
		}
		names = append(names, inside...)
	}
	return names, nil
}

// picturesIn returns the pictures in and below a folder.
func picturesIn(dir string) ([]string, error) {
	var names []string
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && slices.Contains([]string{".png", ".jpg", ".jpeg", ".webp"}, strings.ToLower(filepath.Ext(name))) {
			names = append(names, name)
		}
		return err
	})
	if err == nil && names == nil {
		err = fmt.Errorf("%s: no pictures (png, jpg, jpeg, webp)", dir)
	}
	return names, err
}
