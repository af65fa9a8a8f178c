// SPDX-License-Identifier: AGPL-3.0-or-later
//! Where the bytes of an upload come from: a file, a part of a file (an entry of a bundle), memory.
//!
//! A file is opened once and read at offsets, so an upload can go back, and the file may be renamed
//! meanwhile.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::Stream;
use shoal_oci::{Algorithm, Digest, Hasher};

use crate::error::ClientError;
use crate::progress::{ProgressUpdate, SharedProgress, Stage};

/// Bytes read in one go to be sent.
const PIECE: u64 = 256 << 10;
/// Bytes read in one go to be hashed: a thread hop costs less against more of them.
const HASH_PIECE: u64 = 2 << 20;

/// Bytes of a known number that can be read at any offset. Cheap to clone.
#[derive(Clone, Debug)]
pub struct BlobSource(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Memory(Bytes),
    File { file: Arc<File>, path: Arc<PathBuf>, start: u64, len: u64 },
}

// === impl BlobSource ===

impl BlobSource {
    /// A whole file, with the size that it has now.
    pub async fn file(path: &Path) -> Result<Self, ClientError> {
        let own = path.to_owned();
        let opened = blocking(move || {
            let file = File::open(&own)?;
            let metadata = file.metadata()?;
            if !metadata.is_file() {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
            }
            Ok((file, metadata.len()))
        });
        let (file, len) =
            opened.await.map_err(|source| ClientError::File { path: path.to_owned(), source })?;
        let path = Arc::new(path.to_owned());
        Ok(Self(Kind::File { file: Arc::new(file), path, start: 0, len }))
    }

    /// A part of an open file.
    pub(crate) fn part(file: &Arc<File>, path: &Arc<PathBuf>, start: u64, len: u64) -> Self {
        Self(Kind::File { file: Arc::clone(file), path: Arc::clone(path), start, len })
    }

    /// Bytes in memory.
    pub fn bytes(bytes: impl Into<Bytes>) -> Self {
        Self(Kind::Memory(bytes.into()))
    }

    /// The number of bytes.
    pub fn size(&self) -> u64 {
        match &self.0 {
            Kind::Memory(bytes) => bytes.len() as u64,
            Kind::File { len, .. } => *len,
        }
    }

    /// The digest of all bytes: one pass over them.
    pub async fn digest(
        &self,
        algorithm: Algorithm,
        progress: &SharedProgress,
    ) -> Result<Digest, ClientError> {
        let mut hasher = Hasher::new(algorithm);
        let mut done = 0;
        while done < self.size() {
            let (source, count) = (self.clone(), HASH_PIECE.min(self.size() - done));
            let hashed = blocking(move || {
                hasher.update(&source.read_now(done, count)?);
                Ok(hasher)
            });
            hasher = hashed.await.map_err(|source| self.unreadable(source))?;
            done += count;
            let total = Some(self.size());
            progress.update(ProgressUpdate { stage: Stage::Reading, digest: None, done, total });
        }
        Ok(hasher.finish())
    }

    /// Some of the bytes; exactly so many, or an error.
    pub(crate) async fn read(&self, offset: u64, count: u64) -> Result<Bytes, ClientError> {
        let source = self.clone();
        let bytes = blocking(move || source.read_now(offset, count)).await;
        bytes.map_err(|source| self.unreadable(source))
    }

    /// Exactly so many bytes from an offset on, piece by piece; `seen` hears of every byte handed over.
    pub(crate) fn stream(
        &self,
        offset: u64,
        count: u64,
        seen: impl Fn(u64) + Send + 'static,
    ) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        let state = (self.clone(), offset, offset + count, seen);
        futures_util::stream::try_unfold(state, |(source, at, end, seen)| async move {
            if at == end {
                return Ok(None);
            }
            let (reader, count) = (source.clone(), PIECE.min(end - at));
            let bytes = blocking(move || reader.read_now(at, count)).await?;
            seen(at + count);
            Ok(Some((bytes, (source, at + count, end, seen))))
        })
    }

    fn read_now(&self, offset: u64, count: u64) -> io::Result<Bytes> {
        match &self.0 {
            Kind::Memory(bytes) => {
                let from = usize::try_from(offset).map_err(io::Error::other)?;
                let count = usize::try_from(count).map_err(io::Error::other)?;
                let end = from.checked_add(count).filter(|end| *end <= bytes.len());
                let end = end.ok_or(io::ErrorKind::UnexpectedEof)?;
                Ok(bytes.slice(from..end))
            }
            Kind::File { file, start, .. } => {
                let mut buffer = vec![0; usize::try_from(count).map_err(io::Error::other)?];
                file.read_exact_at(&mut buffer, start + offset)?;
                Ok(Bytes::from(buffer))
            }
        }
    }

    fn unreadable(&self, source: io::Error) -> ClientError {
        let path = match &self.0 {
            Kind::Memory(_) => PathBuf::new(),
            Kind::File { path, .. } => path.as_ref().clone(),
        };
        ClientError::File { path, source }
    }
}

/// Runs something that blocks where it may.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}
