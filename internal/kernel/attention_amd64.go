package kernel

// tileTiers holds the micro-kernels of the vector tiers.
var tileTiers = [...]tileTier{
	AVX2:       {8, tile16ColumnsAVX2, tile8ColumnsAVX2},
	AVX512:     {16, tile32ColumnsAVX512, tile16ColumnsAVX512},
	AVX512BF16: {16, tile32ColumnsAVX512, tile16ColumnsAVX512},
}
