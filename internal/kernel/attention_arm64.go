package kernel

// tileTiers holds the micro-kernels of the vector tiers. Two registers of four
// lanes work side by side.
var tileTiers = [...]tileTier{
	NEON: {8, tile16ColumnsNEON, tile8ColumnsNEON},
}
