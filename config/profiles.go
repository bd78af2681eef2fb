package config

import "time"

// Jobs is profiles.yaml: what the jobs need (16).
type Jobs struct {
	Profiles map[string]*Profile `yaml:"profiles" merge:"true"` // by job
	Backends Backends            `yaml:"backends"`              // what differs in one place
}

// Backends are the places that run jobs. Zero fields of a profile change
// nothing.
type Backends struct {
	Local      map[string]*Profile `yaml:"local" merge:"true"`
	Kubernetes map[string]*Profile `yaml:"kubernetes" merge:"true"`
	Modal      map[string]*Profile `yaml:"modal" merge:"true"`
}

// Profile says what a job needs. Zero means: no device, no bound.
type Profile struct {
	Device      string        `yaml:"device"` // "H100", "cpu"
	DeviceCount int           `yaml:"device_count" min:"0" max:"4096"`
	CPU         float64       `yaml:"cpu" min:"0" max:"4096"` // cores
	MemoryGB    float64       `yaml:"memory_gb" min:"0" max:"100000"`
	Timeout     time.Duration `yaml:"timeout" min:"0"` // then the job saves its state and may be started again
	Retries     int           `yaml:"retries" min:"0" max:"1000"`
	WarmSeconds int           `yaml:"warm_seconds" min:"0" max:"86400"` // that a server stays without requests
}

// Profile returns what a job needs in a place: "local", "kubernetes", "modal".
// Of an unknown job nothing is known.
func (j *Jobs) Profile(backend, job string) Profile {
	var p Profile
	if q := j.Profiles[job]; q != nil {
		p = *q
	}
	places := map[string]map[string]*Profile{"local": j.Backends.Local, "kubernetes": j.Backends.Kubernetes, "modal": j.Backends.Modal}
	if q := places[backend][job]; q != nil {
		p.override(q)
	}
	return p
}

// override takes the fields of q that are not zero.
func (p *Profile) override(q *Profile) {
	take(&p.Device, q.Device)
	take(&p.DeviceCount, q.DeviceCount)
	take(&p.CPU, q.CPU)
	take(&p.MemoryGB, q.MemoryGB)
	take(&p.Timeout, q.Timeout)
	take(&p.Retries, q.Retries)
	take(&p.WarmSeconds, q.WarmSeconds)
}

// take sets a field unless the other value is zero.
func take[T comparable](to *T, from T) {
	var zero T
	if from != zero {
		*to = from
	}
}
