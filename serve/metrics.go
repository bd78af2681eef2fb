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

	"mole/route"
)

// metrics are the figures of one server.
type metrics struct {
	registry  *prometheus.Registry
	requests  *prometheus.CounterVec   // path, code
	elapsed   *prometheus.HistogramVec // path
	stages    *prometheus.HistogramVec // stage
	decisions *prometheus.CounterVec   // expert, outcome
	queue     prometheus.Gauge
	reloads   *prometheus.CounterVec // result
	router    *prometheus.GaugeVec   // run, rung, version
}

// buckets are upper bounds in seconds, from a warm small network to a large one
// on few cores.
var buckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}

func newMetrics() *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "mole", Name: name, Help: help}, labels)
	}
	seconds := func(name, help string, labels ...string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "mole", Name: name, Help: help, Buckets: buckets}, labels)
	}
	m := &metrics{
		registry:  prometheus.NewRegistry(),
		requests:  counter("requests_total", "Requests by path and status.", "path", "code"),
		elapsed:   seconds("request_seconds", "Time of a request.", "path"),
		stages:    seconds("stage_seconds", "Time of a stage of routing: decode, queue, route.", "stage"),
		decisions: counter("decisions_total", "Decisions by expert, sure or unsure.", "expert", "outcome"),
		queue:     prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "mole", Name: "queue_requests", Help: "Requests at work or waiting."}),
		reloads:   counter("reloads_total", "Routers opened, and attempts that failed.", "result"),
		router: prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "mole", Name: "router_info", Help: "1 for the router in use."},
			[]string{"run", "rung", "version"}),
	}
	m.registry.MustRegister(m.requests, m.elapsed, m.stages, m.decisions, m.queue, m.reloads, m.router,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// handler returns the handler of /metrics.
func (m *metrics) handler(log *slog.Logger) http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelError)})
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
	for stage, d := range map[string]time.Duration{"decode": a.Timings.Decode, "queue": a.Timings.Wait, "route": a.Timings.Route} {
		m.stages.WithLabelValues(stage).Observe(d.Seconds())
	}
}

// loaded notes the router in use.
func (m *metrics) loaded(d *Deployment) {
	m.reloads.WithLabelValues("ok").Inc()
	m.router.Reset()
	m.router.WithLabelValues(d.About.Run, d.About.Rung, d.Version).Set(1)
}
