package config

// Adapters is adapters.yaml: models, volumes and experts (3.3). It is the only
// place where a label is defined.
type Adapters struct {
	Version int                `yaml:"version" min:"1" max:"1" file:"only"`
	Models  Models             `yaml:"models"`
	Volumes Volumes            `yaml:"volumes"`
	Router  Router             `yaml:"router"`
	Deploy  Deploy             `yaml:"deploy"`
	Experts map[string]*Expert `yaml:"experts" list:"name" keys:"expert"`
	Cost    Cost               `yaml:"cost"`
}

// Models names the models.
type Models struct {
	BaseVLM string `yaml:"base_vlm" match:"." env:"MOLE_BASE_MODEL"` // "tiny", a folder, or a name on the hub
	OCR     string `yaml:"ocr" match:"."`                            // "builtin" or a name on the hub
}

// Volume is a named part of the store.
type Volume struct {
	Name string `yaml:"name" match:"^[A-Za-z0-9][A-Za-z0-9._-]*$"`
}

// Volumes are the volumes (3.2).
type Volumes struct {
	MOEData         Volume `yaml:"moe_data"`
	LoRATraining    Volume `yaml:"lora_training"`
	TrainingData    Volume `yaml:"training_data"`
	TrainingHistory Volume `yaml:"training_history"`
	Inference       Volume `yaml:"inference"`
	Checkpoints     Volume `yaml:"checkpoints"`
	ModelCache      Volume `yaml:"model_cache"`
	Archives        Volume `yaml:"archives"`
}

// Names returns the names of the volumes by key, as store.Locate takes them.
func (v *Volumes) Names() map[string]string {
	return map[string]string{
		"moe_data": v.MOEData.Name, "lora_training": v.LoRATraining.Name, "training_data": v.TrainingData.Name,
		"training_history": v.TrainingHistory.Name, "inference": v.Inference.Name, "checkpoints": v.Checkpoints.Name,
		"model_cache": v.ModelCache.Name, "archives": v.Archives.Name,
	}
}

// Router says what the router is trained and served with.
type Router struct {
	InferencePath string `yaml:"inference_path" match:"^[^/].*[^/]$"` // in the volume inference
	Prompt        string `yaml:"prompt" match:"."`                    // id of a template in package prompt
	LabelMode     string `yaml:"label_mode" oneof:"digit,name"`
	MaskUserText  bool   `yaml:"mask_user_text"` // the instruction is left out: image-only routing
}

// Deploy holds the rule for a router that may be deployed (10).
type Deploy struct {
	MinAccuracy float64 `yaml:"min_accuracy" min:"0" max:"100"` // percent on held-out data; 0 for no bound
	Keep        int     `yaml:"keep" min:"1" max:"1000"`        // releases that stay for a rollback
}

// Expert is one expert.
type Expert struct {
	Label         int    `yaml:"label" required:"true" min:"0" max:"9999" file:"only"`
	Kind          string `yaml:"kind" oneof:"lora,ocr"`
	Generator     string `yaml:"generator"`      // program that draws its screens, for information
	Description   string `yaml:"description"`    // one line, for the router's prompt and for people
	InferencePath string `yaml:"inference_path"` // in the volume inference; loras/NAME/adapter if empty
}

func (e *Expert) setDefaults() { e.Kind = "lora" }

// Cost holds prices.
type Cost struct {
	GPUHourlyUSD map[string]float64 `yaml:"gpu_hourly_usd" merge:"true" min:"0" max:"100000"` // by type of GPU, or "cpu"
}

// Rate returns the price of a GPU of that type, or of the processor, "cpu", in
// USD an hour, and whether one is configured.
func (c *Cost) Rate(gpu string) (usd float64, ok bool) {
	usd, ok = c.GPUHourlyUSD[gpu]
	return usd, ok
}
