package lora

import (
	"errors"
	"fmt"
	"math"
)

// Config holds the settings of an adapter, PEFT's adapter_config.json. The
// names of its fields there are in parentheses.
type Config struct {
	Rank        int        // (r) 0 means 8
	Alpha       float64    // (lora_alpha) 0 means 8
	Targets     Targets    // (target_modules) which sites are adapted
	Exclude     Targets    // (exclude_modules) wins over Targets
	Layers      []int      // (layers_to_transform) only layers of these numbers; nil for all
	LayerNames  []string   // (layers_pattern) what the lists of these layers are called; nil for any name
	RankFor     []Override // (rank_pattern) first match wins
	AlphaFor    []Override // (alpha_pattern) first match wins
	RSLoRA      bool       // (use_rslora) scale alpha/√rank instead of alpha/rank
	Dropout     float64    // (lora_dropout) of the adapter branch in training
	BaseModel   string     // (base_model_name_or_path)
	Revision    string     // (revision) of BaseModel
	InitWeights bool       // (init_lora_weights) B started at zero; New sets it

	// AllowUnused lets entries of Targets.List hit nothing, as PEFT does. It is
	// not stored.
	AllowUnused bool
	// Unknown lists the keys of a parsed file that this package does not know
	// and that are set to something. They had no effect; warn about them.
	Unknown []string
}

// Targets selects sites as PEFT does: a list, whose entries match a site of
// that name or a site whose name ends in "." + entry; or a regular expression
// for the whole name ("all-linear" stands for every plain linear layer but the
// output head). Expressions are Python's, except for look-behind and
// back-references.
type Targets struct {
	List   []string
	Regexp string
}

// Override sets a number for the sites whose name the regular expression
// (.*\.)?(Key)$ matches.
type Override struct {
	Key   string
	Value float64
}

// The defaults of PEFT, and limits that no sound adapter comes near. They keep
// a hostile file from making products overflow and loading slow.
const (
	defaultRank  = 8
	defaultAlpha = 8
	maxRank      = 1 << 16
	maxAlpha     = 1 << 24
	maxOverrides = 4096
	maxCompiled  = 1 << 18 // instructions of one pattern table, 10 MB
)

// Scale returns the rank that a new adapter of the site would have, and the
// factor s of its product: alpha/rank, or alpha/√rank with RSLoRA, after the
// overrides (specification qwen3-vl 9.2).
func (c Config) Scale(site string) (rank int, scale float64, err error) {
	r, err := c.rules()
	if err != nil {
		return 0, 0, err
	}
	rank = r.rank(site)
	return rank, r.scale(site, rank), nil
}

// rules is a checked configuration with its overrides compiled.
type rules struct {
	Config
	ranks, alphas []rule
}

// rule is a compiled Override.
type rule struct {
	pattern *pattern
	value   float64
}

// rules returns c with defaults filled in, or an error that names the field
// that is out of range.
func (c Config) rules() (*rules, error) {
	if c.Rank == 0 {
		c.Rank = defaultRank
	}
	if c.Alpha == 0 {
		c.Alpha = defaultAlpha
	}
	if err := c.checkNumbers(); err != nil {
		return nil, err
	}
	ranks, err := compileOverrides(c.RankFor, checkRank)
	if err != nil {
		return nil, fmt.Errorf("rank_pattern: %w", err)
	}
	alphas, err := compileOverrides(c.AlphaFor, checkAlpha)
	if err != nil {
		return nil, fmt.Errorf("alpha_pattern: %w", err)
	}
	return &rules{c, ranks, alphas}, nil
}

// checkNumbers checks the ranges of the plain numbers.
func (c Config) checkNumbers() error {
	if err := checkRank(float64(c.Rank)); err != nil {
		return fmt.Errorf("r: %w", err)
	}
	if err := checkAlpha(c.Alpha); err != nil {
		return fmt.Errorf("lora_alpha: %w", err)
	}
	if !(c.Dropout >= 0 && c.Dropout < 1) {
		return fmt.Errorf("lora_dropout: %v, want a number from 0 to below 1", c.Dropout)
	}
	return nil
}

// checkRank returns an error unless v is a whole number in 1..maxRank.
func checkRank(v float64) error {
	if v >= 1 && v <= maxRank && v == math.Trunc(v) {
		return nil
	}
	return fmt.Errorf("%v, want a whole number from 1 to %d", v, maxRank)
}

// checkAlpha returns an error unless 0 < v <= maxAlpha: with 0 an adapter
// would do nothing, without a word.
func checkAlpha(v float64) error {
	if v > 0 && v <= maxAlpha {
		return nil
	}
	return fmt.Errorf("%v, want a number above 0, at most %d", v, maxAlpha)
}

// compileOverrides compiles the keys of one pattern table and checks its
// values.
func compileOverrides(list []Override, check func(float64) error) ([]rule, error) {
	if len(list) > maxOverrides {
		return nil, fmt.Errorf("%d entries, want at most %d", len(list), maxOverrides)
	}
	var out []rule
	compiled := 0
	for _, o := range list {
		if o.Key == "" {
			return nil, errors.New("an empty key")
		}
		if err := check(o.Value); err != nil {
			return nil, fmt.Errorf("%.100q: %w", o.Key, err)
		}
		p, err := compile(o.Key)
		if err != nil {
			return nil, err
		}
		if compiled += p.size(); compiled > maxCompiled {
			return nil, fmt.Errorf("%.100q: the expressions before it are too long already", o.Key)
		}
		out = append(out, rule{p, o.Value})
	}
	return out, nil
}

// first returns the value of the first rule that matches the site, or else the
// default.
func first(list []rule, site string, byDefault float64) float64 {
	for _, r := range list {
		if r.pattern.matchTail(site) {
			return r.value
		}
	}
	return byDefault
}

// rank returns the rank of a new adapter of the site.
func (r *rules) rank(site string) int { return int(first(r.ranks, site, float64(r.Rank))) }

// scale returns the factor of an adapter of the site that has the given rank.
func (r *rules) scale(site string, rank int) float64 {
	return first(r.alphas, site, r.Alpha) / r.divisor(rank)
}

// divisor returns what alpha is divided by.
func (r *rules) divisor(rank int) float64 {
	if r.RSLoRA {
		return math.Sqrt(float64(rank))
	}
	return float64(rank)
}
