// SPDX-License-Identifier: AGPL-3.0-or-later
//! UEFI HTTP boot: firmware fetches an image into memory and starts it from there, without the BMC.
//!
//! As firmware does: HEAD for the size, then one GET of the whole. Certificates are not checked; real firmware checks
//! them against what was enrolled in its setup, which is not simulated.

use std::sync::Arc;

use shoal_taskiso::reader::Volume;

use super::media::{Kept, keep};
use crate::bmc::BootDevice;
use crate::tls::{TlsError, unverified_client_config};

/// Largest image that is fetched, in bytes. Firmware is bounded by the machine's memory.
const LIMIT: u64 = 512 << 20;

/// Why an image could not be started.
#[derive(Debug, thiserror::Error)]
pub(super) enum HttpBootError {
    /// No client.
    #[error("make a client for {uri}")]
    Tls {
        /// The image.
        uri: String,
        /// Why.
        #[source]
        source: TlsError,
    },
    /// No image.
    #[error("fetch {uri}")]
    Fetch {
        /// The image.
        uri: String,
        /// What the HTTP client said.
        #[source]
        source: reqwest::Error,
    },
    /// Too large, or of unknown size.
    #[error("fetch {uri}: its size is {size:?} bytes, and firmware takes {LIMIT} at most")]
    Size {
        /// The image.
        uri: String,
        /// What the server says.
        size: Option<u64>,
    },
    /// Nothing that starts.
    #[error("start {uri}: it is no volume")]
    Volume {
        /// The image.
        uri: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// An image in memory.
pub(super) struct Fetched {
    /// Its volume label.
    pub(super) label: String,
    /// Its size in bytes.
    pub(super) bytes: u64,
    /// The task volume at its end, where there is one.
    pub(super) task: Option<Kept>,
}

/// What a boot device says to fetch.
pub(super) fn uri(device: &BootDevice) -> Option<&str> {
    match device {
        BootDevice::UefiHttp { uri } => uri.as_deref(),
        _ => None,
    }
}

/// Fetches an image and looks into it.
pub(super) async fn fetch(uri: &str) -> Result<Fetched, HttpBootError> {
    let uri = || uri.to_owned();
    let failed = |source| HttpBootError::Fetch { uri: uri(), source };
    let tls = unverified_client_config().map_err(|source| HttpBootError::Tls { uri: uri(), source })?;
    let client = reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy().build();
    let client = client.map_err(failed)?;
    let head = client.head(uri()).send().await.and_then(reqwest::Response::error_for_status);
    let size = head.map_err(failed)?.headers().get(http::header::CONTENT_LENGTH).and_then(|value| {
        let text = value.to_str().ok()?;
        text.parse().ok()
    });
    if size.is_none_or(|size: u64| size > LIMIT) {
        return Err(HttpBootError::Size { uri: uri(), size });
    }
    let answer = client.get(uri()).send().await.and_then(reqwest::Response::error_for_status);
    let bytes = answer.map_err(failed)?.bytes().await.map_err(failed)?;
    let image = Arc::new(bytes.to_vec());
    let label = match Volume::open(&image) {
        Ok(volume) => volume.volume_id().to_owned(),
        Err(source) => return Err(HttpBootError::Volume { uri: uri(), source: Box::new(source) }),
    };
    Ok(Fetched { label, bytes: image.len() as u64, task: keep(image) })
}
