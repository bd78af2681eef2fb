package config

import "mole/expert"

// OCRGenerated is the source of the class whose pictures are crops of text.
const OCRGenerated = "ocr-generated"

// Dataset is dataset.yaml: what a routing dataset is made of (3.4).
type Dataset struct {
	NamePrefix            string           `yaml:"name_prefix" match:"^[A-Za-z0-9]+$"`
	Seed                  uint64           `yaml:"seed" env:"MOLE_SEED"`
	Splits                Splits           `yaml:"splits"`
	TestSamplesPerAdapter int              `yaml:"test_samples_per_adapter" min:"0" max:"1000000"` // on top of count
	Adapters              map[string]*Draw `yaml:"adapters" keys:"expert"`
	Output                DatasetOutput    `yaml:"output"`
	SystemPrompt          string           `yaml:"system_prompt" match:"."` // "moe-router" stands for adapters.router.prompt
}

// Splits are shares of every adapter's count, each truncated to an integer.
type Splits struct {
	Train float64 `yaml:"train" min:"0" max:"1"`
	Val   float64 `yaml:"val" min:"0" max:"1"`
}

// Draw says what is drawn from one adapter's dataset.
type Draw struct {
	Count  int    `yaml:"count" max:"10000000"`          // samples for train and val together; 0 or less leaves it out
	Source string `yaml:"source" oneof:",ocr-generated"` // OCRGenerated, or empty for the adapter's own dataset
}

// defaultCount is the number of samples of an adapter that says nothing (3.4).
const defaultCount = 1000

func (d *Draw) setDefaults() { d.Count = defaultCount }

// DatasetOutput says how pictures are written.
type DatasetOutput struct {
	ImageFormat string `yaml:"image_format" oneof:"jpg,png"`
}

// routerPrompt is the name that older files have for the router's prompt.
const routerPrompt = "moe-router"

// RouterPrompt returns the id of the prompt template of routing datasets.
func (c *Config) RouterPrompt() string {
	if c.Dataset.SystemPrompt == routerPrompt {
		return c.Adapters.Router.Prompt
	}
	return c.Dataset.SystemPrompt
}

// OwnOnly returns the text-recognition experts that want pictures of their own
// dataset alone.
func (c *Config) OwnOnly() map[string]bool {
	own := map[string]bool{}
	for name, draw := range c.Dataset.Adapters {
		if e := c.Adapters.Experts[name]; e != nil && e.Kind == string(expert.OCR) && draw.Source == "" {
			own[name] = true
		}
	}
	return own
}

// Counts returns the number of samples of every adapter that is not left out.
func (d *Dataset) Counts() map[string]int {
	counts := map[string]int{}
	for name, draw := range d.Adapters {
		if draw.Count > 0 {
			counts[name] = draw.Count
		}
	}
	return counts
}
