package config

// Registry is loras.json: the experts' adapters that were saved (3.5). It may
// name experts that are none any more.
type Registry struct {
	Loras map[string]*Lora `yaml:"loras" keys:"expert" json:"loras"`
}

// Lora says where the adapter of an expert lies.
type Lora struct {
	Volume           string `yaml:"volume" required:"true" match:"." file:"only" json:"volume"`
	Path             string `yaml:"path" required:"true" match:"." file:"only" json:"path"` // readers also try Path/final
	Dataset          string `yaml:"dataset" file:"only" json:"dataset,omitempty"`           // that it was trained on
	SourceCheckpoint string `yaml:"source_checkpoint" file:"only" json:"source_checkpoint,omitempty"`
	SavedAt          string `yaml:"saved_at" file:"only" match:"^([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z)?$" json:"saved_at,omitempty"` // UTC
}

// JSON returns the registry as loras.json holds it.
func (r *Registry) JSON() ([]byte, error) {
	if r.Loras == nil {
		r = &Registry{map[string]*Lora{}}
	}
	return encode(r)
}
