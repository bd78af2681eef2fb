// Package dataset reads and writes the datasets that MOLE consumes and makes:
// the experts' own (records of a screen, an instruction and the right tool
// call) and the routing sets assembled from them (records of a screen and the
// label of its expert). It accepts the older variants of both, reports what it
// normalised, and validates. Formats: specification mole, section 4.
package dataset

import (
	"encoding/json"
)

// Record is one line of an expert's or a routing JSONL file (4.3, 4.6).
type Record struct {
	ID            string   `json:"id"`
	Image         string   `json:"image"` // path relative to the dataset's root, or, in routing sets, to the folder of datasets
	Conversations []Turn   `json:"conversations"`
	Metadata      Metadata `json:"metadata"`
}

// Turn is one turn of a conversation.
type Turn struct {
	From  string `json:"from"` // "human", "gpt"; "system" in data before 2025-12
	Value string `json:"value"`
}

// Metadata holds what a record says about itself. Fields that MOLE does not
// know are kept in Extra and written back.
type Metadata struct {
	TaskType   string
	RealCoords []int // [x, y] in pixels; [0, 0] when the action has no target
	Tolerance  []int // [x, y] half-widths in RU
	ImageSize  []int // [width, height] in pixels

	// Of routing records:
	Adapter       string
	Label         *int
	SourceDataset string
	SplitGroup    string // hash of the source image's pixels

	Extra map[string]json.RawMessage
}

// Test is one record of an expert's test/test.json (4.4).
type Test struct {
	ID             string   `json:"test_id"`
	Screenshot     string   `json:"screenshot"` // relative to test/
	Prompt         string   `json:"prompt"`
	ExpectedAction ToolCall `json:"expected_action"`
	Tolerance      []int    `json:"tolerance"` // [x, y] in RU
	Metadata       Metadata `json:"metadata"`
}

// ToolCall is one call of a tool (4.2). Arguments keep their order.
type ToolCall struct {
	Name      string          `json:"name"`
	Arguments json.RawMessage `json:"arguments"`
}

// ImageMark begins the text of a human turn that has a picture.
const ImageMark = "<image>\n"

// ExpertConfig is config.json of an expert's dataset (4.5).
type ExpertConfig struct {
	NamePrefix        string                        `json:"name_prefix"`
	Seed              uint64                        `json:"seed"`
	TaskTypes         []string                      `json:"task_types"`
	TaskCounts        map[string]int                `json:"task_counts"`
	TrainSplit        float64                       `json:"train_split"`
	SystemPrompt      string                        `json:"system_prompt"`
	TaskDistributions map[string]map[string]float64 `json:"task_distributions"`
	GeneratedAt       string                        `json:"generated_at"` // RFC 3339, or "" where bytes must not depend on the time
}
