// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a root partition holds in a simulated machine: instead of an image's files, a record of what was asked for.
//!
//! It stands 1 MiB into the partition, behind everything that marks a file system: eight bytes of magic, the length,
//! then JSON. The payload behind it stands for the bulk of the image.

use std::collections::BTreeMap;
use std::io;

use serde::{Deserialize, Serialize};
use shoal_schema::Sha256;

use super::volume::Volume;

const MAGIC: &[u8; 8] = b"SHOALSIM";
const OFFSET: u64 = 1 << 20;
const LIMIT: u64 = 4 << 20;

/// Where the payload begins, in bytes from the start of the partition.
pub(crate) const PAYLOAD_OFFSET: u64 = 8 << 20;
const PAYLOAD_LEN: usize = 256 << 10;

/// What was installed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootContents {
    /// The reference of the image, as the recipe has it.
    pub image: String,
    /// The digest in it.
    pub image_digest: String,
    /// Whether the image was written to its end.
    pub complete: bool,
    /// Files beside the image's own, by path.
    pub files: BTreeMap<String, String>,
}

impl RootContents {
    /// The contents of a partition; nothing when it has none.
    pub(crate) fn read(read: impl Fn(u64, &mut [u8]) -> io::Result<bool>) -> io::Result<Option<Self>> {
        let mut head = [0; 16];
        if !read(OFFSET, &mut head)? || &head[..8] != MAGIC {
            return Ok(None);
        }
        let mut len = [0; 8];
        len.copy_from_slice(&head[8..]);
        let len = u64::from_be_bytes(len);
        if len > LIMIT {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the root's contents have no sensible length",
            ));
        }
        let mut json = vec![0; len as usize];
        if !read(OFFSET + 16, &mut json)? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        serde_json::from_slice(&json).map(Some).map_err(io::Error::from)
    }
}

/// Changes the contents of a partition.
pub(crate) fn update_root(volume: &Volume, change: impl FnOnce(&mut RootContents)) -> io::Result<()> {
    let mut contents = RootContents::read(|at, buffer| volume.read_exact_at(at, buffer))?.unwrap_or_default();
    change(&mut contents);
    let json = serde_json::to_vec(&contents)?;
    let mut bytes = Vec::with_capacity(json.len() + 16);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&(json.len() as u64).to_be_bytes());
    bytes.extend_from_slice(&json);
    volume.write_all_at(OFFSET, &bytes)
}

/// Bytes that stand for an image: the same for the same image.
pub(crate) fn payload(image: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(PAYLOAD_LEN);
    let mut block = Sha256::of(image.as_bytes());
    while bytes.len() < PAYLOAD_LEN {
        bytes.extend_from_slice(block.hex().as_bytes());
        block = Sha256::of(block.hex().as_bytes());
    }
    bytes
}
