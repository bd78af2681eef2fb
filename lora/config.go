package lora

// Config holds the settings of an adapter, PEFT's adapter_config.json. The
// names of its fields there are in parentheses.
type Config struct {
	Rank        int        // (r) 8
	Alpha       float64    // (lora_alpha) 8
	Targets     Targets    // (target_modules) which sites are adapted
	Exclude     Targets    // (exclude_modules) wins over Targets
	RankFor     []Override // (rank_pattern) first match wins
	AlphaFor    []Override // (alpha_pattern) first match wins
	RSLoRA      bool       // (use_rslora) scale alpha/√rank instead of alpha/rank
	Dropout     float64    // (lora_dropout) of the adapter branch in training
	BaseModel   string     // (base_model_name_or_path)
	InitWeights bool       // (init_lora_weights) B starts at zero
}

// Targets selects sites as PEFT does: a list, whose entries match a site of
// that name or a site whose name ends in "." + entry; or a regular expression
// for the whole name ("all-linear" stands for every plain linear layer).
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
