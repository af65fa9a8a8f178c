// SPDX-License-Identifier: AGPL-3.0-or-later
//! Metrics of the registry, with the prefix that all of Shoal's have. No label holds the name of a
//! repository, an account or a machine.

use std::time::Duration;

use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounter, IntGauge, Opts, Registry};
use shoal_registry_storage::Usage;

/// The prefix of every metric (contracts §10).
const PREFIX: &str = "shoal_provisioner_registry";

/// Every metric of the registry. Cheap to clone; clones count together.
#[derive(Clone)]
pub struct RegistryMetrics {
    uploaded: IntCounter,
    downloaded: IntCounter,
    uploads: IntGauge,
    blobs: IntGauge,
    bytes: IntGauge,
    quarantined: IntGauge,
    free: IntGauge,
    disk: IntGauge,
    requests: HistogramVec,
    removed: IntCounter,
    corrupt: IntCounter,
    auth_failures: IntCounter,
}

/// An upload that receives; it ends when this is dropped.
pub(crate) struct Inflight(IntGauge);

// === impl RegistryMetrics ===

impl RegistryMetrics {
    /// Makes every metric, and registers it with `registry`. Fails where one of that name is there already.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counter = |name: &str, help: &str| -> Result<IntCounter, prometheus::Error> {
            let metric = IntCounter::with_opts(Opts::new(format!("{PREFIX}_{name}"), help))?;
            registry.register(Box::new(metric.clone()))?;
            Ok(metric)
        };
        let gauge = |name: &str, help: &str| -> Result<IntGauge, prometheus::Error> {
            let metric = IntGauge::with_opts(Opts::new(format!("{PREFIX}_{name}"), help))?;
            registry.register(Box::new(metric.clone()))?;
            Ok(metric)
        };
        let options = HistogramOpts::new(
            format!("{PREFIX}_request_duration_seconds"),
            "From a request's head to the end of its answer, by route and status.",
        );
        let buckets = prometheus::exponential_buckets(0.0005, 2.5, 16)?;
        let requests = HistogramVec::new(options.buckets(buckets), &["route", "code"])?;
        registry.register(Box::new(requests.clone()))?;
        Ok(Self {
            uploaded: counter("upload_bytes_total", "Bytes of blobs and manifests received.")?,
            downloaded: counter("download_bytes_total", "Bytes of blobs and manifests sent.")?,
            uploads: gauge("inflight_uploads", "Uploads that receive bytes now.")?,
            blobs: gauge("blob_count", "Blobs and manifests stored, each content once.")?,
            bytes: gauge("storage_bytes", "Bytes of blobs and manifests stored.")?,
            quarantined: gauge("quarantined_bytes", "Bytes in quarantine.")?,
            free: gauge("disk_free_bytes", "Bytes free on the disk of the registry's storage.")?,
            disk: gauge("disk_size_bytes", "Size of the disk of the registry's storage in bytes.")?,
            requests,
            removed: counter("gc_removed_total", "Blobs and manifests that garbage collection took out.")?,
            corrupt: counter("corrupt_blobs_total", "Contents that were found damaged.")?,
            auth_failures: counter(
                "auth_failures_total",
                "Logins and tokens that were wrong, or came too often.",
            )?,
        })
    }

    /// An upload begins to receive.
    pub(crate) fn upload_begun(&self) -> Inflight {
        self.uploads.inc();
        Inflight(self.uploads.clone())
    }

    /// Bytes were received.
    pub(crate) fn uploaded(&self, bytes: u64) {
        self.uploaded.inc_by(bytes);
    }

    /// Bytes were sent.
    pub(crate) fn downloaded(&self, bytes: u64) {
        self.downloaded.inc_by(bytes);
    }

    /// A request was answered. `route` is one of a fixed set, never a path.
    pub(crate) fn request(&self, route: &'static str, code: u16, took: Duration) {
        self.observer(route, code).observe(took.as_secs_f64());
    }

    /// The series of a route and a status, for who answers many.
    pub(crate) fn observer(&self, route: &'static str, code: u16) -> Histogram {
        self.requests.with_label_values(&[route, code.to_string().as_str()])
    }

    /// What is stored, as it was just counted.
    pub(crate) fn usage(&self, usage: &Usage) {
        let gauges = [
            (&self.blobs, usage.blobs),
            (&self.bytes, usage.bytes),
            (&self.quarantined, usage.quarantined_bytes),
            (&self.free, usage.free),
            (&self.disk, usage.total),
        ];
        for (gauge, value) in gauges {
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        }
    }

    /// What is free on the disk, as it was just asked.
    pub(crate) fn disk_free(&self, bytes: u64) {
        self.free.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// Garbage collection took out so many contents.
    pub(crate) fn gc_removed(&self, count: u64) {
        self.removed.inc_by(count);
    }

    /// So many contents were found damaged.
    pub(crate) fn corrupt(&self, count: u64) {
        self.corrupt.inc_by(count);
    }

    /// A login or a token was wrong, or came too often.
    pub(crate) fn auth_failed(&self) {
        self.auth_failures.inc();
    }
}

#[cfg(test)]
impl RegistryMetrics {
    pub(crate) fn auth_failures(&self) -> u64 {
        self.auth_failures.get()
    }
}

impl Drop for Inflight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(registry: &Registry, name: &str) -> f64 {
        let families = registry.gather();
        let family = families.iter().find(|family| family.name() == format!("{PREFIX}_{name}")).unwrap();
        let metric = &family.get_metric()[0];
        metric.get_counter().get_value() + metric.get_gauge().get_value()
    }

    #[test]
    fn every_metric_of_the_contract_is_there_under_its_name() {
        let registry = Registry::new();
        let metrics = RegistryMetrics::register(&registry).unwrap();
        metrics.request("blob", 200, Duration::from_millis(3));
        let mut names: Vec<String> =
            registry.gather().iter().map(|f| f.name().trim_start_matches(PREFIX).to_owned()).collect();
        names.sort();
        assert_eq!(
            names,
            [
                "_auth_failures_total",
                "_blob_count",
                "_corrupt_blobs_total",
                "_disk_free_bytes",
                "_disk_size_bytes",
                "_download_bytes_total",
                "_gc_removed_total",
                "_inflight_uploads",
                "_quarantined_bytes",
                "_request_duration_seconds",
                "_storage_bytes",
                "_upload_bytes_total",
            ]
        );
    }

    #[test]
    fn the_only_labels_are_route_and_code() {
        let registry = Registry::new();
        let metrics = RegistryMetrics::register(&registry).unwrap();
        metrics.request("manifest", 404, Duration::from_millis(1));
        for family in registry.gather() {
            for metric in family.get_metric() {
                let labels: Vec<&str> =
                    metric.get_label().iter().map(prometheus::proto::LabelPair::name).collect();
                assert!(labels.is_empty() || labels == ["code", "route"], "{labels:?} of {}", family.name());
            }
        }
    }

    #[test]
    fn an_upload_counts_as_in_flight_until_it_is_dropped() {
        let registry = Registry::new();
        let metrics = RegistryMetrics::register(&registry).unwrap();
        let (first, second) = (metrics.upload_begun(), metrics.clone().upload_begun());
        assert!((value(&registry, "inflight_uploads") - 2.0).abs() < f64::EPSILON);
        drop(first);
        drop(second);
        assert!(value(&registry, "inflight_uploads").abs() < f64::EPSILON);
    }

    #[test]
    fn bytes_and_failures_add_up() {
        let registry = Registry::new();
        let metrics = RegistryMetrics::register(&registry).unwrap();
        metrics.uploaded(3);
        metrics.uploaded(4);
        metrics.auth_failed();
        assert!((value(&registry, "upload_bytes_total") - 7.0).abs() < f64::EPSILON);
        assert!((value(&registry, "auth_failures_total") - 1.0).abs() < f64::EPSILON);
    }

    #[test]
    fn a_second_registration_is_an_error_and_no_panic() {
        let registry = Registry::new();
        let _first = RegistryMetrics::register(&registry).unwrap();
        assert!(RegistryMetrics::register(&registry).is_err());
    }
}
