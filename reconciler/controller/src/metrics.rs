// SPDX-License-Identifier: AGPL-3.0-or-later
//! Metrics, all with the prefix `shoal_provisioner_` (contracts §10). No label ever holds a host's
//! name or anything secret.

use std::time::Duration;

use prometheus::{
    Encoder as _, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder,
};
use shoal_core::job::{Job, Outcome, Phase};
use shoal_registry::RegistryMetrics;

/// The prefix of every metric.
const PREFIX: &str = "shoal_provisioner";

/// Every metric. Cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    registry: Registry,
    jobs: IntCounterVec,
    job_seconds: HistogramVec,
    transitions: IntCounterVec,
    phase_seconds: HistogramVec,
    redfish_seconds: HistogramVec,
    redfish_requests: IntCounterVec,
    redfish_retries: IntCounterVec,
    webhooks: IntCounterVec,
    webhook_seconds: HistogramVec,
    webhook_auth_failures: IntCounterVec,
    iso_seconds: HistogramVec,
    iso_bytes: HistogramVec,
    media_requests: IntCounterVec,
    http_requests: IntCounterVec,
    http_seconds: HistogramVec,
    plan_seconds: HistogramVec,
    servers: IntGaugeVec,
    permits: IntCounterVec,
    status_commits: IntCounterVec,
    backups: IntCounterVec,
    status_seconds: HistogramVec,
    oci: RegistryMetrics,
}

impl Metrics {
    /// Registers every metric.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let counter = |name: &str, help: &str, labels: &[&str]| -> Result<IntCounterVec, prometheus::Error> {
            let metric = IntCounterVec::new(Opts::new(format!("{PREFIX}_{name}"), help), labels)?;
            registry.register(Box::new(metric.clone()))?;
            Ok(metric)
        };
        let gauge = |name: &str, help: &str, labels: &[&str]| -> Result<IntGaugeVec, prometheus::Error> {
            let metric = IntGaugeVec::new(Opts::new(format!("{PREFIX}_{name}"), help), labels)?;
            registry.register(Box::new(metric.clone()))?;
            Ok(metric)
        };
        let histogram = |name: &str,
                         help: &str,
                         labels: &[&str],
                         from: f64,
                         factor: f64|
         -> Result<HistogramVec, prometheus::Error> {
            let buckets = prometheus::exponential_buckets(from, factor, 14)?;
            let options = HistogramOpts::new(format!("{PREFIX}_{name}"), help).buckets(buckets);
            let metric = HistogramVec::new(options, labels)?;
            registry.register(Box::new(metric.clone()))?;
            Ok(metric)
        };
        Ok(Self {
            jobs: counter("job_total", "Jobs that reached a status.", &["status"])?,
            job_seconds: histogram(
                "job_duration_seconds",
                "Length of jobs.",
                &["outcome", "task_target"],
                1.0,
                2.2,
            )?,
            transitions: counter("job_transitions_total", "Steps of jobs.", &["from", "to"])?,
            phase_seconds: histogram(
                "provisioning_phase_duration_seconds",
                "Length of phases.",
                &["phase"],
                0.05,
                2.5,
            )?,
            redfish_seconds: histogram(
                "redfish_request_duration_seconds",
                "BMC calls.",
                &["op", "vendor"],
                0.005,
                2.0,
            )?,
            redfish_requests: counter(
                "redfish_requests_total",
                "BMC calls by answer.",
                &["op", "code", "vendor"],
            )?,
            redfish_retries: counter("redfish_retries_total", "BMC calls made again.", &["op", "vendor"])?,
            webhooks: counter("webhook_received_total", "Reports of machines.", &["status"])?,
            webhook_seconds: histogram(
                "webhook_processing_duration_seconds",
                "From receipt to durable.",
                &["status"],
                0.0005,
                2.0,
            )?,
            webhook_auth_failures: counter(
                "webhook_auth_failures_total",
                "Reports with no or a wrong token.",
                &["route"],
            )?,
            iso_seconds: histogram(
                "iso_build_duration_seconds",
                "Building of task media.",
                &["kind"],
                0.00005,
                2.5,
            )?,
            iso_bytes: histogram("iso_size_bytes", "Size of task media.", &["kind"], 16384.0, 2.0)?,
            media_requests: counter("media_requests_total", "Requests for media.", &["code"])?,
            http_requests: counter("http_requests_total", "Requests of the API.", &["route", "code"])?,
            http_seconds: histogram(
                "http_request_duration_seconds",
                "Requests of the API.",
                &["route", "code"],
                0.0005,
                2.5,
            )?,
            plan_seconds: histogram(
                "plan_duration_seconds",
                "From a fetched commit to the plan at it (commit), and its parts: read, keep, plan.",
                &["stage"],
                0.0005,
                2.2,
            )?,
            servers: gauge("servers", "Servers by condition.", &["condition"])?,
            permits: counter("permit_decisions_total", "Answers to requests for a permit.", &["decision"])?,
            backups: counter("database_backups_total", "Backups of the database.", &["outcome"])?,
            status_commits: counter("status_commits_total", "Publications of status.", &["outcome"])?,
            status_seconds: histogram(
                "status_commit_duration_seconds",
                "Length of publications of status.",
                &["outcome"],
                0.005,
                2.2,
            )?,
            oci: RegistryMetrics::register(&registry)?,
            registry,
        })
    }

    /// Those of the registry of images.
    pub(crate) fn registry_metrics(&self) -> RegistryMetrics {
        self.oci.clone()
    }

    /// The text of `/metrics`.
    pub fn render(&self) -> Result<String, prometheus::Error> {
        let mut out = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut out)?;
        Ok(String::from_utf8_lossy(&out).into_owned())
    }

    pub(crate) fn job_moved(&self, before: &Job, after: &Job) {
        let label = |phase: Phase| phase_label(phase);
        self.transitions.with_label_values(&[label(before.phase), label(after.phase)]).inc();
        self.phase_seconds.with_label_values(&[label(before.phase)]).observe(before.phase_ms as f64 / 1000.0);
        if before.status() != after.status() {
            self.jobs.with_label_values(&[after.status()]).inc();
        }
        if after.phase == Phase::Complete {
            let outcome = match after.outcome {
                Some(Outcome::Succeeded) => "succeeded",
                _ => "failed",
            };
            self.job_seconds
                .with_label_values(&[outcome, after.install.target.as_str()])
                .observe(after.total_ms as f64 / 1000.0);
        }
    }

    pub(crate) fn redfish_call(&self, op: &str, vendor: &str, code: &str, took: Duration, again: bool) {
        self.redfish_seconds.with_label_values(&[op, vendor]).observe(took.as_secs_f64());
        self.redfish_requests.with_label_values(&[op, code, vendor]).inc();
        if again {
            self.redfish_retries.with_label_values(&[op, vendor]).inc();
        }
    }

    pub(crate) fn webhook(&self, status: &str, took: Duration) {
        self.webhooks.with_label_values(&[status]).inc();
        self.webhook_seconds.with_label_values(&[status]).observe(took.as_secs_f64());
    }

    pub(crate) fn auth_failure(&self, route: &str) {
        self.webhook_auth_failures.with_label_values(&[route]).inc();
    }

    pub(crate) fn iso_built(&self, kind: &str, took: Duration, bytes: u64) {
        self.iso_seconds.with_label_values(&[kind]).observe(took.as_secs_f64());
        self.iso_bytes.with_label_values(&[kind]).observe(bytes as f64);
    }

    pub(crate) fn media_request(&self, code: u16) {
        self.media_requests.with_label_values(&[code.to_string().as_str()]).inc();
    }

    pub(crate) fn http_request(&self, route: &str, code: u16, took: Duration) {
        let code = code.to_string();
        self.http_requests.with_label_values(&[route, code.as_str()]).inc();
        self.http_seconds.with_label_values(&[route, code.as_str()]).observe(took.as_secs_f64());
    }

    /// A part of the way from a commit to a plan.
    pub(crate) fn planned(&self, stage: &str, took: Duration) {
        self.plan_seconds.with_label_values(&[stage]).observe(took.as_secs_f64());
    }

    pub(crate) fn servers(&self, condition: &str, count: u32) {
        self.servers.with_label_values(&[condition]).set(i64::from(count));
    }

    pub(crate) fn permit(&self, decision: &str) {
        self.permits.with_label_values(&[decision]).inc();
    }

    pub(crate) fn backup(&self, outcome: &str) {
        self.backups.with_label_values(&[outcome]).inc();
    }

    pub(crate) fn status_commit(&self, outcome: &str, took: Duration) {
        self.status_commits.with_label_values(&[outcome]).inc();
        self.status_seconds.with_label_values(&[outcome]).observe(took.as_secs_f64());
    }
}

fn phase_label(phase: Phase) -> &'static str {
    match phase {
        Phase::Queued => "queued",
        Phase::Discover => "discover",
        Phase::PowerOff => "power-off",
        Phase::Eject => "eject",
        Phase::InsertBoot => "insert-boot",
        Phase::InsertTask => "insert-task",
        Phase::Override => "override",
        Phase::PowerOn => "power-on",
        Phase::AwaitPermit => "await-permit",
        Phase::AwaitResult => "await-result",
        Phase::Backoff => "backoff",
        Phase::CleanOff => "clean-off",
        Phase::CleanEject => "clean-eject",
        Phase::CleanOverride => "clean-override",
        Phase::CleanPower => "clean-power",
        Phase::Complete => "complete",
    }
}
