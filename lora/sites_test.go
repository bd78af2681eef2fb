package lora_test

import (
	"fmt"

	"mole/lora"
)

// tinySites returns the linear layers of the network that the recorded
// adapters in testdata were made for, as specification qwen3-vl 2 names them:
// text 4 layers of width 32 with 4 query and 2 key heads of 16 and MLP 48,
// vision 4 blocks of width 24 with MLP 40, patches of 4×4, 3 deepstack mergers.
func tinySites() []lora.Site {
	const (
		hidden, query, keys, mlp = 32, 64, 32, 48
		vision, visionMLP        = 24, 40
	)
	sites := []lora.Site{{Name: "model.visual.patch_embed.proj", In: 3 * 2 * 4 * 4, Out: vision, Kernel: []int{3, 2, 4, 4}}}
	add := func(prefix, name string, in, out int) {
		sites = append(sites, lora.Site{Name: prefix + name, In: in, Out: out})
	}
	for i := range 4 {
		block := fmt.Sprintf("model.visual.blocks.%d.", i)
		add(block, "attn.qkv", vision, 3*vision)
		add(block, "attn.proj", vision, vision)
		add(block, "mlp.linear_fc1", vision, visionMLP)
		add(block, "mlp.linear_fc2", visionMLP, vision)
	}
	for _, merger := range []string{"merger.", "deepstack_merger_list.0.", "deepstack_merger_list.1.", "deepstack_merger_list.2."} {
		add("model.visual."+merger, "linear_fc1", 4*vision, 4*vision)
		add("model.visual."+merger, "linear_fc2", 4*vision, hidden)
	}
	for i := range 4 {
		layer := fmt.Sprintf("model.language_model.layers.%d.", i)
		add(layer, "self_attn.q_proj", hidden, query)
		add(layer, "self_attn.k_proj", hidden, keys)
		add(layer, "self_attn.v_proj", hidden, keys)
		add(layer, "self_attn.o_proj", query, hidden)
		add(layer, "mlp.gate_proj", hidden, mlp)
		add(layer, "mlp.up_proj", hidden, mlp)
		add(layer, "mlp.down_proj", mlp, hidden)
	}
	return sites
}
