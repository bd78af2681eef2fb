package serve

import (
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"mole/generate"
	"mole/route"
)

// metrics are the figures of one server.
type metrics struct {
	registry  *prometheus.Registry
	requests  *prometheus.CounterVec   // path, code
	elapsed   *prometheus.HistogramVec // path
	stages    *prometheus.HistogramVec // stage
	decisions *prometheus.CounterVec   // expert, outcome
	pictures  *prometheus.CounterVec   // features
	queue     prometheus.Gauge
	coming    prometheus.Gauge
	reloads   *prometheus.CounterVec   // result
	router    *prometheus.GaugeVec     // run, rung, version
	certainty *prometheus.HistogramVec // expert
	tokens    *prometheus.CounterVec   // expert, kind
	first     *prometheus.HistogramVec // expert
	rate      *prometheus.HistogramVec // expert
}

// buckets are upper bounds in seconds, from a warm small network to a large one
// on few cores.
var buckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}

// rates are upper bounds in tokens by second, confidences in probability.
var (
	rates       = []float64{.1, .3, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000}
	confidences = []float64{.1, .2, .3, .4, .5, .6, .7, .8, .9, .95, .99, 1}
)

func newMetrics() *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "mole", Name: name, Help: help}, labels)
	}
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "mole", Name: name, Help: help, Buckets: buckets}, labels)
	}
	seconds := func(name, help string, labels ...string) *prometheus.HistogramVec {
		return histogram(name, help, buckets, labels...)
	}
	m := &metrics{
		registry:  prometheus.NewRegistry(),
		requests:  counter("requests_total", "Requests by path and status.", "path", "code"),
		elapsed:   seconds("request_seconds", "Time of a request.", "path"),
		stages:    seconds("stage_seconds", "Time of a stage of routing: decode, queue, route.", "stage"),
		decisions: counter("decisions_total", "Decisions by expert, sure or unsure.", "expert", "outcome"),
		pictures:  counter("pictures_total", "Pictures that were routed, by whether their features were computed, or kept from before.", "features"),
		queue:     prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "mole", Name: "queue_requests", Help: "Requests at work or waiting."}),
		coming:    prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "mole", Name: "coming_requests", Help: "Requests whose bodies are coming in."}),
		reloads:   counter("reloads_total", "Routers opened, and attempts that failed.", "result"),
		tokens:    counter("tokens_total", "Tokens by who answered: of prompts, of those from a computed prefix, of answers.", "expert", "kind"),
		first:     seconds("first_piece_seconds", "Time from the rendered prompt to the first piece of an answer.", "expert"),
		rate:      histogram("answer_tokens_per_second", "Tokens of an answer by its time.", rates, "expert"),
		certainty: histogram("confidence", "Probability of the router's choice.", confidences, "expert"),
		router: prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "mole", Name: "router_info", Help: "1 for the router in use."},
			[]string{"run", "rung", "version"}),
	}
	m.registry.MustRegister(m.requests, m.elapsed, m.stages, m.decisions, m.pictures, m.queue, m.coming, m.reloads, m.router, m.tokens, m.first, m.rate, m.certainty,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// handler returns the handler of /metrics.
func (m *metrics) handler(log *slog.Logger) handler {
	h := promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelError)})
	return func(x *exchange, r *http.Request) { h.ServeHTTP(x, r) }
}

// request counts a request. Paths that do not exist count together.
func (m *metrics) request(r *http.Request, status int, elapsed time.Duration) {
	_, path, found := strings.Cut(r.Pattern, " ")
	if !found {
		path = "other"
	}
	path = strings.TrimSuffix(path, "{$}")
	m.requests.WithLabelValues(path, strconv.Itoa(status)).Inc()
	m.elapsed.WithLabelValues(path).Observe(elapsed.Seconds())
}

// decision counts what the router said.
func (m *metrics) decision(a route.Answer) {
	outcome := "sure"
	if a.Unsure {
		outcome = "unsure"
	}
	m.decisions.WithLabelValues(a.Expert, outcome).Inc()
	features := "computed"
	if a.Known {
		features = "kept"
	}
	m.pictures.WithLabelValues(features).Inc()
	m.certainty.WithLabelValues(a.Expert).Observe(a.Confidence)
	for stage, d := range map[string]time.Duration{"decode": a.Timings.Decode, "queue": a.Timings.Wait, "route": a.Timings.Route} {
		m.stages.WithLabelValues(stage).Observe(d.Seconds())
	}
}

// answered counts an answer of an expert that took some time, and some to its
// first piece.
func (m *metrics) answered(name string, u generate.Usage, first, all time.Duration) {
	for kind, n := range map[string]int{"prompt": u.Prompt, "cached": u.Cached, "answer": u.Answer} {
		m.tokens.WithLabelValues(name, kind).Add(float64(n))
	}
	m.first.WithLabelValues(name).Observe(first.Seconds())
	if all > 0 {
		m.rate.WithLabelValues(name).Observe(float64(u.Answer) / all.Seconds())
	}
}

// figure is one of Figures, as Prometheus has it.
type figure struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	of   func(Figures) float64
}

// figures are all of them.
var figures = func() []figure {
	f := func(name, help string, kind prometheus.ValueType, of func(Figures) float64) figure {
		return figure{prometheus.NewDesc("mole_"+name, help, nil, nil), kind, of}
	}
	const now, sum = prometheus.GaugeValue, prometheus.CounterValue
	return []figure{
		f("generate_waiting_requests", "Requests that wait for the network.", now, func(g Figures) float64 { return float64(g.Waiting) }),
		f("generate_running_requests", "Requests that the network works on.", now, func(g Figures) float64 { return float64(g.Running) }),
		f("generate_steps_total", "Passes of the network.", sum, func(g Figures) float64 { return float64(g.Steps) }),
		f("generate_rows_total", "Rows in all passes; by steps, the size of a batch.", sum, func(g Figures) float64 { return float64(g.Rows) }),
		f("adapters_loaded", "Adapters in memory.", now, func(g Figures) float64 { return float64(g.AdaptersLoaded) }),
		f("adapters_bytes", "Memory of adapters.", now, func(g Figures) float64 { return float64(g.AdapterBytes) }),
		f("adapter_loads_total", "Adapters read from their folders.", sum, func(g Figures) float64 { return float64(g.AdapterLoads) }),
		f("cache_pages", "Pages of keys and values in use.", now, func(g Figures) float64 { return float64(g.CachePages) }),
		f("cache_pages_max", "Pages of keys and values that there are.", now, func(g Figures) float64 { return float64(g.CachePagesMax) }),
	}
}()

// engineFigures collects the figures of the engine in use.
type engineFigures struct{ now *slot }

// Describe implements [prometheus.Collector].
func (e engineFigures) Describe(to chan<- *prometheus.Desc) {
	for _, f := range figures {
		to <- f.desc
	}
}

// Collect implements [prometheus.Collector].
func (e engineFigures) Collect(to chan<- prometheus.Metric) {
	d, done := e.now.take()
	defer done()
	if d == nil || d.Engine == nil || d.Engine.Figures == nil {
		return
	}
	g := d.Engine.Figures()
	for _, f := range figures {
		to <- prometheus.MustNewConstMetric(f.desc, f.kind, f.of(g))
	}
}

// watch adds the figures of the engine in use.
func (m *metrics) watch(s *Server) { m.registry.MustRegister(engineFigures{&s.now}) }

// loaded notes the router in use.
func (m *metrics) loaded(d *Deployment) {
	m.reloads.WithLabelValues("ok").Inc()
	m.router.Reset()
	m.router.WithLabelValues(d.About.Run, d.About.Rung, d.Version).Set(1)
}
