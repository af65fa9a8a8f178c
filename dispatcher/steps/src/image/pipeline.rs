// SPDX-License-Identifier: AGPL-3.0-or-later
//! Network and digest, decompression, and whatever takes the plain bytes: each on a thread of its own, with bounded
//! buffers between them.

use std::io;
use std::sync::Arc;

use shoal_oci::Descriptor;
use shoal_registry_client::ClientError;

use super::error::ImageError;
use super::pipe::{PipeReader, pipe};
use super::pull::ImageSource;
use super::unpacked::unpack_into;
use crate::progress::Progress;

/// Pulls a blob and hands its plain bytes to `sink`, which runs on this thread.
///
/// What `sink` did counts only if this returns `Ok`: the digest is known last. Of several failures the one is told
/// that caused the others: a wrong digest before what came of the wrong bytes.
pub fn run<T>(
    source: &ImageSource,
    layer: &Descriptor,
    progress: &Arc<Progress>,
    sink: impl FnOnce(&mut PipeReader) -> Result<T, ImageError>,
) -> Result<T, ImageError> {
    let (packed_in, packed_out) = pipe();
    let (plain_in, mut plain_out) = pipe();
    std::thread::scope(|scope| {
        let pull = std::thread::Builder::new()
            .name("pull".into())
            .spawn_scoped(scope, || source.stream(layer, packed_in, progress));
        let pull = pull.map_err(ImageError::Start)?;
        let unpack = std::thread::Builder::new()
            .name("unpack".into())
            .spawn_scoped(scope, move || unpack_into(packed_out, plain_in));
        let unpack = unpack.map_err(ImageError::Start)?;
        let sunk = sink(&mut plain_out);
        // Wrong bytes may have been the reason, so the rest is waited for. On a full disk it is not.
        let waits = !matches!(&sunk, Err(error) if is_of_the_disk(error));
        let drained = if waits { plain_out.drain() } else { Ok(()) };
        drop(plain_out);
        let pulled = pull.join().unwrap_or(Err(ImageError::Broke { part: "download" }));
        let unpacked = unpack.join().unwrap_or_else(|_| Err(io::Error::other("the decompression broke")));
        verdict(sunk, unpacked.and(drained), pulled)
    })
}

fn is_of_the_disk(error: &ImageError) -> bool {
    use crate::failure::Code;
    matches!(error.code(), Code::DiskFull | Code::DiskFailed | Code::DiskTooSmall)
}

fn verdict<T>(
    sunk: Result<T, ImageError>,
    unpacked: io::Result<()>,
    pulled: Result<(), ImageError>,
) -> Result<T, ImageError> {
    match pulled {
        // The pipe was closed behind the download: what closed it says why.
        Err(ImageError::Pull(ClientError::Write { .. }) | ImageError::Pipe(_)) => Err(sunk
            .err()
            .or(unpacked.err().map(ImageError::Decompress))
            .unwrap_or(ImageError::Broke { part: "pipe" })),
        Err(error) => Err(error),
        Ok(()) => match unpacked {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(ImageError::Decompress(error)),
            Err(error) => Err(sunk.err().unwrap_or(ImageError::Decompress(error))),
            Ok(()) => sunk,
        },
    }
}
