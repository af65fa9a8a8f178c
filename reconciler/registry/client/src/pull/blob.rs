// SPDX-License-Identifier: AGPL-3.0-or-later
//! Pulling a blob (distribution-spec, Pulling blobs): streamed, hashed on the way, resumed after a break.

use reqwest::header::{CONTENT_RANGE, HeaderValue, RANGE};
use reqwest::{Method, Response};
use shoal_oci::{Digest, Hasher, RepositoryName};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use crate::call::{Call, scope};
use crate::client::Client;
use crate::error::{ClientError, Operation, Place};
use crate::progress::{ProgressUpdate, SharedProgress, Stage};

/// A blob to pull.
#[derive(Clone, Debug)]
pub struct BlobPull<'a> {
    /// From where.
    pub repository: &'a RepositoryName,
    /// Which.
    pub digest: &'a Digest,
    /// Its size, where a descriptor says it; another one is an error.
    pub size: Option<u64>,
    /// The most that is taken, in bytes.
    pub limit: u64,
}

/// A pull in flight.
struct Pull<'a, W> {
    client: &'a Client,
    blob: &'a BlobPull<'a>,
    place: Place,
    writer: &'a mut W,
    progress: &'a SharedProgress,
    hasher: Hasher,
    /// Bytes written.
    done: u64,
    /// The registry gives parts.
    ranges: bool,
}

impl Client {
    /// Pulls a blob into a writer and flushes it. After a break it goes on where it was.
    ///
    /// Returns the number of bytes. What was written is the blob only if this returns `Ok`: the digest
    /// is known at the end. Nothing is written beyond the size or the limit.
    pub async fn pull_blob<W: AsyncWrite + Unpin + Send>(
        &self,
        blob: &BlobPull<'_>,
        writer: &mut W,
        progress: &SharedProgress,
    ) -> Result<u64, ClientError> {
        let place = self.blob_place(Operation::PullBlob, blob.repository, blob.digest);
        let hasher = Hasher::new(blob.digest.algorithm());
        Pull { client: self, blob, place, writer, progress, hasher, done: 0, ranges: true }.run().await
    }
}

// === impl Pull ===

impl<W: AsyncWrite + Unpin + Send> Pull<'_, W> {
    async fn run(mut self) -> Result<u64, ClientError> {
        if let Some(size) = self.blob.size.filter(|size| *size > self.blob.limit) {
            tracing::debug!(size, "a blob is larger than is allowed");
            return Err(self.too_large());
        }
        let mut budget = self.client.budget();
        loop {
            let before = self.done;
            match self.attempt().await {
                Ok(true) => break,
                Ok(false) => {}
                Err(error) if error.is_passing() => {
                    if self.done > before {
                        budget.moved();
                    }
                    self.tell(Stage::Waiting, None);
                    budget.failed(error).await?;
                }
                Err(error) => return Err(error),
            }
        }
        self.writer.flush().await.map_err(|source| self.unwritable(source))?;
        let got = self.hasher.clone().finish();
        if got != *self.blob.digest {
            let (place, expected) = (Box::new(self.place), Box::new(self.blob.digest.clone()));
            return Err(ClientError::WrongDigest { place, expected, got: Box::new(got) });
        }
        self.tell(Stage::Done, Some(self.done));
        Ok(self.done)
    }

    /// One request, and as much of its body as comes. False: another one is to be sent at once.
    async fn attempt(&mut self) -> Result<bool, ClientError> {
        let (client, repository) = (self.client, self.blob.repository);
        let place = self.place.clone();
        let url = client.url(&format!("{repository}/blobs/{}", self.blob.digest));
        let mut call =
            Call::new(&place, Method::GET, url, vec![scope(repository, "pull")]).following_redirects();
        if self.done > 0 && self.ranges {
            let range = HeaderValue::from_str(&format!("bytes={}-", self.done))
                .map_err(|_| ClientError::nonsense(&place, "a range that is no header"))?;
            call = call.header(RANGE, range);
        }
        let answer = client.send_once(&call).await?;
        match answer.status().as_u16() {
            // All of it from the beginning: what was written already is passed over.
            200 => self.copy(answer, 0).await.map(|()| true),
            206 => match content_range(&answer) {
                Some((first, total)) if first == self.done && self.done > 0 => {
                    if let (Some(size), Some(total)) = (self.blob.size, total) {
                        self.check_size(size, total)?;
                    }
                    self.copy(answer, first).await.map(|()| true)
                }
                _ => self.without_ranges("the registry sends another part than was asked for"),
            },
            416 if self.done > 0 && self.ranges => {
                // Everything came but the end of the answer, or the registry has fewer bytes than it sent.
                if self.blob.size == Some(self.done) {
                    return Ok(true);
                }
                self.without_ranges("the registry does not have the part that was asked for")
            }
            _ => Err(client.refusal(&place, answer).await),
        }
    }

    /// The next request asks for all of it. A registry that then still sends parts is given up.
    fn without_ranges(&mut self, what: &'static str) -> Result<bool, ClientError> {
        if std::mem::replace(&mut self.ranges, false) && self.done > 0 {
            return Ok(false);
        }
        Err(ClientError::nonsense(&self.place, what))
    }

    async fn copy(&mut self, mut answer: Response, first: u64) -> Result<(), ClientError> {
        let length = answer.content_length();
        let total = length.map(|length| first + length);
        if let (Some(size), Some(total)) = (self.blob.size, total) {
            self.check_size(size, total)?;
        }
        let size = self.blob.size.or(total);
        if size.is_some_and(|size| size > self.blob.limit) {
            return Err(self.too_large());
        }
        let mut at = first;
        while let Some(piece) = self.client.piece(&self.place, &mut answer).await? {
            let known = usize::try_from(self.done - at).unwrap_or(usize::MAX).min(piece.len());
            at += piece.len() as u64;
            let new = &piece[known..];
            if let Some(size) = self.blob.size.filter(|size| at > *size) {
                return Err(self.wrong_size(size, at));
            }
            if at > self.blob.limit {
                return Err(self.too_large());
            }
            if new.is_empty() {
                continue;
            }
            self.writer.write_all(new).await.map_err(|source| self.unwritable(source))?;
            self.hasher.update(new);
            self.done = at;
            self.tell(Stage::Downloading, size);
        }
        // A body without a length may end early and look whole.
        match self.blob.size {
            Some(size) if at != size => Err(self.wrong_size(size, at)),
            _ if at < self.done => Err(self.wrong_size(self.done, at)),
            _ => Ok(()),
        }
    }

    fn check_size(&self, expected: u64, got: u64) -> Result<(), ClientError> {
        if expected == got { Ok(()) } else { Err(self.wrong_size(expected, got)) }
    }

    fn wrong_size(&self, expected: u64, got: u64) -> ClientError {
        ClientError::WrongSize { place: Box::new(self.place.clone()), expected, got }
    }

    fn too_large(&self) -> ClientError {
        ClientError::TooLarge { place: Box::new(self.place.clone()), limit: self.blob.limit }
    }

    fn unwritable(&self, source: std::io::Error) -> ClientError {
        ClientError::Write { place: Box::new(self.place.clone()), source }
    }

    fn tell(&self, stage: Stage, total: Option<u64>) {
        let (digest, total) = (Some(self.blob.digest), self.blob.size.or(total));
        self.progress.update(ProgressUpdate { stage, digest, done: self.done, total });
    }
}

/// `bytes FIRST-LAST/TOTAL` as first byte and total.
fn content_range(answer: &Response) -> Option<(u64, Option<u64>)> {
    let text = answer.headers().get(CONTENT_RANGE)?.to_str().ok()?.trim().strip_prefix("bytes ")?;
    let (range, total) = text.split_once('/')?;
    let (first, _) = range.split_once('-')?;
    Some((first.trim().parse().ok()?, total.trim().parse().ok()))
}
