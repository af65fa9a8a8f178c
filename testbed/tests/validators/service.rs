// SPDX-License-Identifier: AGPL-3.0-or-later
//! The service validator: one process for all models, because reading the schemas is most of its work.

use std::path::Path;

use shoal_testbed::bmc::profiles::Profile;

use crate::fail::Report;
use crate::{command, farm};

pub(crate) async fn validate(
    python: &Path,
    schemas: &Path,
    models: &[&'static Profile],
) -> Vec<(&'static Profile, Report)> {
    let farm = farm::start(models).await;
    let home = tempfile::tempdir().expect("a directory");
    let urls = farm.bmcs().iter().map(shoal_testbed::bmc::BmcHandle::url);
    let output = command(python, home.path())
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/validators/service_validator.py"))
        .arg(schemas)
        .arg(farm::USER)
        .args(urls)
        .env("BMC_PASSWORD", farm::PASSWORD)
        .output()
        .await
        .expect("Python starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the service validator ended with {}: {said}", output.status);
    let reports: Vec<Report> = serde_json::from_slice(&output.stdout).expect("a report for each BMC");
    assert_eq!(reports.len(), models.len());
    models.iter().copied().zip(reports).collect()
}
