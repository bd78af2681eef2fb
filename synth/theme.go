package synth

import "image/color"

// look is how a theme shapes its controls.
type look uint8

const (
	bevelled look = iota // raised and sunken edges
	flat                 // thin lines
	rounded              // round corners and soft gradients
)

// theme is a palette and the shapes that go with it.
type theme struct {
	name   string
	look   look
	family family

	deskTop, deskBottom           color.RGBA // desktop picture
	titleLeft, titleRight         color.RGBA // title bar of the active window
	titleInk                      color.RGBA
	window, ink, faint            color.RGBA // surface, text, secondary text
	field, fieldInk               color.RGBA // surfaces to write on
	edge                          color.RGBA // borders
	button, buttonInk             color.RGBA
	light, dark                   color.RGBA // bevels
	accent, accentInk             color.RGBA // selection
	header, headerInk, stripe, li color.RGBA // tables: header, its text, every second row, lines
}

// themes are the palettes of the pictures.
var themes = []theme{
	{
		name: "slate classic", look: bevelled, family: libFamily,
		deskTop: hex(0x2f6f73), deskBottom: hex(0x2b6468), titleLeft: hex(0x0b2a66), titleRight: hex(0x7fa6d8), titleInk: hex(0xffffff),
		window: hex(0xd5d1c8), ink: hex(0x101010), faint: hex(0x6c6a64), field: hex(0xffffff), fieldInk: hex(0x000000), edge: hex(0x6f6d67),
		button: hex(0xd5d1c8), buttonInk: hex(0x101010), light: hex(0xffffff), dark: hex(0x77746c), accent: hex(0x0b2a66), accentInk: hex(0xffffff),
		header: hex(0xd5d1c8), headerInk: hex(0x101010), stripe: hex(0xf6f5f0), li: hex(0xc3c0b8),
	},
	{
		name: "meadow", look: rounded, family: libFamily,
		deskTop: hex(0x5d9be8), deskBottom: hex(0xcfe6fb), titleLeft: hex(0x1c5fd6), titleRight: hex(0x4a8cf0), titleInk: hex(0xffffff),
		window: hex(0xece9d8), ink: hex(0x14171c), faint: hex(0x72705f), field: hex(0xffffff), fieldInk: hex(0x111111), edge: hex(0x7f9db9),
		button: hex(0xf6f5ef), buttonInk: hex(0x14171c), light: hex(0xffffff), dark: hex(0xc9c5b2), accent: hex(0x316ac5), accentInk: hex(0xffffff),
		header: hex(0xebeadb), headerInk: hex(0x14171c), stripe: hex(0xf7f7f2), li: hex(0xd8d6c6),
	},
	{
		name: "glass", look: rounded, family: goFamily,
		deskTop: hex(0x0e3f73), deskBottom: hex(0x4fa3c7), titleLeft: hex(0xbcd3ea), titleRight: hex(0xdcebf8), titleInk: hex(0x1b2b3a),
		window: hex(0xf0f3f7), ink: hex(0x1d242b), faint: hex(0x6d7984), field: hex(0xffffff), fieldInk: hex(0x1d242b), edge: hex(0xaab8c6),
		button: hex(0xe6edf4), buttonInk: hex(0x1d242b), light: hex(0xfbfdff), dark: hex(0xc4d0dc), accent: hex(0x3b8fd1), accentInk: hex(0xffffff),
		header: hex(0xe7eef6), headerInk: hex(0x33475b), stripe: hex(0xf5f9fd), li: hex(0xdbe4ec),
	},
	{
		name: "paper", look: flat, family: goFamily,
		deskTop: hex(0x1a5b9e), deskBottom: hex(0x0d2f57), titleLeft: hex(0xffffff), titleRight: hex(0xffffff), titleInk: hex(0x222222),
		window: hex(0xf6f6f6), ink: hex(0x222222), faint: hex(0x808080), field: hex(0xffffff), fieldInk: hex(0x222222), edge: hex(0xb9b9b9),
		button: hex(0xe3e3e3), buttonInk: hex(0x222222), light: hex(0xffffff), dark: hex(0xcccccc), accent: hex(0x0a6cc8), accentInk: hex(0xffffff),
		header: hex(0xffffff), headerInk: hex(0x4a4a4a), stripe: hex(0xf8f8f8), li: hex(0xe2e2e2),
	},
	{
		name: "night", look: flat, family: goFamily,
		deskTop: hex(0x1b1d2e), deskBottom: hex(0x43305b), titleLeft: hex(0x202329), titleRight: hex(0x202329), titleInk: hex(0xd7dae0),
		window: hex(0x2a2e35), ink: hex(0xd7dae0), faint: hex(0x8a919c), field: hex(0x1d2026), fieldInk: hex(0xdfe3ea), edge: hex(0x4a505a),
		button: hex(0x3a3f48), buttonInk: hex(0xe3e6eb), light: hex(0x474d57), dark: hex(0x17191d), accent: hex(0x3d7edb), accentInk: hex(0xffffff),
		header: hex(0x333842), headerInk: hex(0xb9c0cb), stripe: hex(0x23262d), li: hex(0x383d46),
	},
	{
		name: "mint", look: flat, family: libFamily,
		deskTop: hex(0x0f766e), deskBottom: hex(0x8fd3b6), titleLeft: hex(0x12806f), titleRight: hex(0x17937f), titleInk: hex(0xf2fffb),
		window: hex(0xeef5f2), ink: hex(0x16302a), faint: hex(0x68827b), field: hex(0xffffff), fieldInk: hex(0x16302a), edge: hex(0x9dbdb2),
		button: hex(0xdcebe5), buttonInk: hex(0x16302a), light: hex(0xffffff), dark: hex(0xb3cfc5), accent: hex(0x148f77), accentInk: hex(0xffffff),
		header: hex(0xd7e9e2), headerInk: hex(0x1f4a40), stripe: hex(0xf4faf7), li: hex(0xd3e4dd),
	},
	{
		name: "sand", look: bevelled, family: goFamily,
		deskTop: hex(0x8c5a3c), deskBottom: hex(0xd9a86c), titleLeft: hex(0x7b4b2a), titleRight: hex(0xc79663), titleInk: hex(0xfff7ea),
		window: hex(0xe9dfcc), ink: hex(0x2d2115), faint: hex(0x857458), field: hex(0xfffaf0), fieldInk: hex(0x2d2115), edge: hex(0x9d8868),
		button: hex(0xe4d7bf), buttonInk: hex(0x2d2115), light: hex(0xfff8ea), dark: hex(0xa8947a), accent: hex(0xa8622d), accentInk: hex(0xffffff),
		header: hex(0xdccdb2), headerInk: hex(0x3b2c1b), stripe: hex(0xf8f0e1), li: hex(0xd9cbb2),
	},
	{
		name: "plum", look: rounded, family: libFamily,
		deskTop: hex(0x3b1f47), deskBottom: hex(0xc0567a), titleLeft: hex(0x4b2f57), titleRight: hex(0x6e4a7e), titleInk: hex(0xfbf3ff),
		window: hex(0xf3eff5), ink: hex(0x281f2d), faint: hex(0x7f7287), field: hex(0xffffff), fieldInk: hex(0x281f2d), edge: hex(0xb3a3bd),
		button: hex(0xece4f0), buttonInk: hex(0x33263a), light: hex(0xffffff), dark: hex(0xcdbfd5), accent: hex(0xc2491d), accentInk: hex(0xffffff),
		header: hex(0xe6dcec), headerInk: hex(0x4b3856), stripe: hex(0xfaf7fb), li: hex(0xe0d7e5),
	},
}
