package synth

import (
	"image"
	"image/draw"
)

// ocrScreen is the eighth part of 13.9: text that was cut out of the other
// screens. Its pictures have no fixed size.
var ocrScreen = screen{
	name: "ocr", place: image.Pt(-1, -1),
	tasks: []share{{"ocr-grid", 0.35, nil}, {"ocr-list", 0.25, nil}, {"ocr-block", 0.25, nil}, {"ocr-line", 0.15, nil}},
	draw:  drawCrop,
}

// owners are the screens that declare texts, with those of each task.
var owners = map[string][]*screen{
	"ocr-grid":  {&claimScreen, &chartScreen},
	"ocr-list":  {&loginScreen, &claimScreen, &appointmentScreen},
	"ocr-block": {&appointmentScreen, &chartScreen, &claimScreen, &calendarScreen},
	"ocr-line":  {&calendarScreen, &claimScreen, &appointmentScreen},
}

// cropOwners are the screens whose data sets carry crops.
var cropOwners = map[string]bool{"calendar": true, "claim-window": true, "appointment": true, "login-window": true, "chart-screen": true}

// drawCrop draws a screen that has a text for the task and cuts it out.
func drawCrop(k *kit, task string, _ map[string]float64) *scene {
	for {
		s := pick(k.rng, owners[task])
		if out := k.cropOf(s, task); out != nil {
			return out
		}
	}
}

// cropOf draws a screen and cuts one of its texts out: one for the task, or
// any if the task is "". It returns nil if the picture has none.
func (k *kit) cropOf(s *screen, task string) *scene {
	share := s.tasks[k.rng.IntN(len(s.tasks))]
	if s == &claimScreen && task == "ocr-list" {
		share.task, share.odds = "select-provider", s.tasks[6].odds
	}
	whole := s.draw(k.on(newCanvas(s.size.X, s.size.Y)), share.task, share.odds)
	var fitting []region
	for _, r := range whole.regions {
		if task == "" || r.task == task {
			fitting = append(fitting, r)
		}
	}
	if len(fitting) == 0 {
		return nil
	}
	r := pick(k.rng, fitting)
	img := cut(whole.img, k.loosen(r.box))
	answer := []call{{action: "ocr", text: r.text}}
	return &scene{img: img, items: []item{{
		task: r.task, prompt: k.instruct("ocr"), calls: answer,
		meta: map[string]any{"ground_truth": r.text, "crop_region": []int{r.box.Min.X, r.box.Min.Y, r.box.Dx(), r.box.Dy()}, "screen": s.name},
	}}}
}

// loosen moves the edges of a region outwards by up to 6 pixels at the sides
// and 2 above and below, where the next line is near, or 1 inwards; the result
// is at least 48 x 16.
func (k *kit) loosen(r image.Rectangle) image.Rectangle {
	d := func(most int) int { return between(k.rng, -1, most) }
	r = image.Rect(r.Min.X-d(6), r.Min.Y-d(2), r.Max.X+d(6), r.Max.Y+d(2))
	r.Max.X = max(r.Max.X, r.Min.X+48)
	r.Max.Y = max(r.Max.Y, r.Min.Y+16)
	return r
}

// cut returns a part of a picture. Where it reaches over the edge, it is moved
// inside.
func cut(img *image.RGBA, r image.Rectangle) *image.RGBA {
	b := img.Rect
	r = r.Add(image.Pt(max(0, b.Min.X-r.Min.X), max(0, b.Min.Y-r.Min.Y)))
	r = r.Sub(image.Pt(max(0, r.Max.X-b.Max.X), max(0, r.Max.Y-b.Max.Y))).Intersect(b)
	out := image.NewRGBA(image.Rect(0, 0, r.Dx(), r.Dy()))
	draw.Draw(out, out.Rect, img, r.Min, draw.Src)
	return out
}
