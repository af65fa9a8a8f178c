// SPDX-License-Identifier: AGPL-3.0-or-later
//! Reading images over HTTP as a BMC does: Range requests, no verification of certificates, no proxy.
//!
//! [`probe`] is the look at insertion; [`MediumReader`] is what the machine reads through. Both go through the farm's
//! one HTTP client and count their requests in the BMC.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{StatusCode, header};

use super::instance::Bmc;
use super::machine::{AttachedMedium, Host};
use super::profiles::Probe;

/// How often a request is tried before it counts as failed. BMCs retry, else one lost packet would end an install.
const TRIES: u32 = 3;
/// Pause between tries.
const PAUSE: Duration = Duration::from_millis(100);
/// Blocks kept per reader.
const CACHED_BLOCKS: usize = 8;

/// Why an image could not be read.
#[derive(Debug, thiserror::Error)]
pub enum MediumError {
    /// No answer from the server.
    #[error("fetch {url}")]
    Fetch {
        /// Image URL.
        url: String,
        /// What the HTTP client said.
        #[source]
        source: reqwest::Error,
    },
    /// An answer that is neither the image nor a part of it.
    #[error("fetch {url}: the server answered {status}")]
    Status {
        /// Image URL.
        url: String,
        /// HTTP status.
        status: StatusCode,
    },
    /// The server does not do ranges, or does not tell the size.
    #[error("fetch {url}: the server answers no byte ranges")]
    NoRange {
        /// Image URL.
        url: String,
    },
    /// Fewer bytes than promised.
    #[error("fetch {url}: {got} bytes instead of {wanted}")]
    Short {
        /// Image URL.
        url: String,
        /// Bytes that came.
        got: usize,
        /// Bytes that were asked for.
        wanted: u64,
    },
    /// The medium was ejected, or the machine has lost power or was reset.
    #[error("read {url}: the medium is gone")]
    Gone {
        /// Image URL.
        url: String,
    },
    /// Beyond the end of the image.
    #[error("read {url}: offset {offset} lies beyond the end at {size}")]
    Beyond {
        /// Image URL.
        url: String,
        /// Offset asked for, in bytes.
        offset: u64,
        /// Size of the image, in bytes.
        size: u64,
    },
    /// A fault was injected.
    #[error("fetch {url}: a fault was injected")]
    Injected {
        /// Image URL.
        url: String,
    },
}

/// An error and its causes in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// Looks at an image the way `how` says.
pub(crate) async fn probe(bmc: &Bmc, url: &str, how: Probe) -> Result<(), MediumError> {
    match how {
        Probe::HeadThenRange(bytes) => {
            head(bmc, url).await?;
            range(bmc, url, 0, bytes).await?;
        }
        Probe::Range(bytes) => {
            range(bmc, url, 0, bytes).await?;
        }
        Probe::RangeLoop { block, limit } => {
            let mut offset = 0;
            loop {
                let (bytes, size) = range(bmc, url, offset, block).await?;
                offset += bytes.len() as u64;
                if offset >= limit.min(size) {
                    break;
                }
            }
        }
    }
    Ok(())
}

/// The image's size by HEAD.
async fn head(bmc: &Bmc, url: &str) -> Result<u64, MediumError> {
    let response = send(bmc, || bmc.shared.client.head(url), url).await?;
    if !response.status().is_success() {
        return Err(MediumError::Status { url: url.to_owned(), status: response.status() });
    }
    let length = response.headers().get(header::CONTENT_LENGTH);
    let length = length.and_then(|value| value.to_str().ok()).and_then(|value| value.parse().ok());
    length.ok_or_else(|| MediumError::NoRange { url: url.to_owned() })
}

/// Up to `length` bytes at `offset`, and the size of the whole image.
async fn range(bmc: &Bmc, url: &str, offset: u64, length: u64) -> Result<(Bytes, u64), MediumError> {
    let wanted = format!("bytes={offset}-{}", offset + length.max(1) - 1);
    let response = send(bmc, || bmc.shared.client.get(url).header(header::RANGE, &wanted), url).await?;
    match response.status() {
        StatusCode::PARTIAL_CONTENT => {}
        status if status.is_success() => return Err(MediumError::NoRange { url: url.to_owned() }),
        status => return Err(MediumError::Status { url: url.to_owned(), status }),
    }
    let size = response.headers().get(header::CONTENT_RANGE).and_then(|value| total(value.to_str().ok()?));
    let size = size.ok_or_else(|| MediumError::NoRange { url: url.to_owned() })?;
    let bytes =
        response.bytes().await.map_err(|source| MediumError::Fetch { url: url.to_owned(), source })?;
    let due = length.min(size.saturating_sub(offset));
    if bytes.len() as u64 != due {
        return Err(MediumError::Short { url: url.to_owned(), got: bytes.len(), wanted: due });
    }
    Ok((bytes, size))
}

/// The total of a `Content-Range: bytes 0-511/4096`.
fn total(content_range: &str) -> Option<u64> {
    content_range.strip_prefix("bytes ")?.split_once('/')?.1.parse().ok()
}

async fn send(
    bmc: &Bmc,
    request: impl Fn() -> reqwest::RequestBuilder,
    url: &str,
) -> Result<reqwest::Response, MediumError> {
    let mut tried = 0;
    loop {
        tried += 1;
        bmc.lock().state.counters.media_requests += 1;
        match request().send().await {
            Ok(response) if response.status().is_server_error() && tried < TRIES => {}
            Ok(response) => return Ok(response),
            Err(source) if tried >= TRIES => return Err(MediumError::Fetch { url: url.to_owned(), source }),
            Err(_) => {}
        }
        bmc.shared.clock.sleep(bmc.scaled(PAUSE)).await;
    }
}

/// An attached image, read by the machine through its BMC.
///
/// Reads fail from the moment at which the medium is ejected or the boot that opened it is over.
pub struct MediumReader {
    host: Host,
    medium: AttachedMedium,
    size: u64,
    block: u64,
    cache: Mutex<VecDeque<(u64, Bytes)>>,
}

impl MediumReader {
    pub(crate) async fn open(host: Host, medium: AttachedMedium) -> Result<Self, MediumError> {
        let block = host.bmc.config.profile.media.read_block;
        let mut reader = Self { host, medium, size: 0, block, cache: Mutex::default() };
        let (first, size) = reader.fetch(0).await?;
        reader.size = size;
        reader.keep(0, first);
        Ok(reader)
    }

    /// Size of the image in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The medium that is read.
    pub fn medium(&self) -> &AttachedMedium {
        &self.medium
    }

    /// Up to `length` bytes at `offset`; fewer only at the end of the image.
    pub async fn read_at(&self, offset: u64, length: usize) -> Result<Bytes, MediumError> {
        if offset > self.size {
            return Err(MediumError::Beyond { url: self.medium.url.clone(), offset, size: self.size });
        }
        let end = self.size.min(offset.saturating_add(length as u64));
        let mut out = BytesMut::with_capacity((end - offset) as usize);
        let mut at = offset;
        while at < end {
            let index = at / self.block;
            let block = self.block(index).await?;
            let start = (at - index * self.block) as usize;
            let stop = block.len().min((end - index * self.block) as usize);
            out.extend_from_slice(&block[start..stop]);
            at = index * self.block + stop as u64;
        }
        Ok(out.freeze())
    }

    async fn block(&self, index: u64) -> Result<Bytes, MediumError> {
        let cached = {
            let cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
            cache.iter().find(|(known, _)| *known == index).map(|(_, bytes)| bytes.clone())
        };
        match cached {
            // Even what is cached is gone when the medium is.
            Some(bytes) => self.still_there().map(|()| bytes),
            None => {
                let (bytes, _) = self.fetch(index).await?;
                self.keep(index, bytes.clone());
                Ok(bytes)
            }
        }
    }

    async fn fetch(&self, index: u64) -> Result<(Bytes, u64), MediumError> {
        self.still_there()?;
        let fetched = range(&self.host.bmc, &self.medium.url, index * self.block, self.block).await?;
        self.still_there()?;
        let mut locked = self.host.bmc.lock();
        let slot = &mut locked.state.slots[self.medium.slot];
        slot.reads += 1;
        slot.bytes += fetched.0.len() as u64;
        Ok(fetched)
    }

    fn keep(&self, index: u64, bytes: Bytes) {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.len() >= CACHED_BLOCKS {
            cache.pop_front();
        }
        cache.push_back((index, bytes));
    }

    fn still_there(&self) -> Result<(), MediumError> {
        let inserted = {
            let locked = self.host.bmc.lock();
            let medium = locked.state.slots[self.medium.slot].medium.as_ref();
            medium.is_some_and(|medium| medium.insertion == self.medium.insertion)
        };
        if inserted && self.host.is_current() {
            Ok(())
        } else {
            Err(MediumError::Gone { url: self.medium.url.clone() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::total;

    #[test]
    fn the_total_is_read_from_a_content_range_or_not_at_all() {
        assert_eq!(total("bytes 0-511/4096"), Some(4096));
        for bad in ["bytes 0-511/*", "0-511/4096", "bytes 0-511", ""] {
            assert_eq!(total(bad), None, "{bad}");
        }
    }
}
