// SPDX-License-Identifier: AGPL-3.0-or-later
//! Writing a tar archive that depends on nothing but its content: no times, no owners, one mode.

use std::io;

use tar::{EntryType, Header};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

/// The size of a tar block in bytes.
const BLOCK: u64 = 512;
/// The longest name that a header holds.
const NAME: usize = 100;

/// A directory.
pub(super) async fn directory(out: &mut (impl AsyncWrite + Unpin), name: &str) -> io::Result<()> {
    out.write_all(header(EntryType::Directory, name, 0, 0o755)?.as_bytes()).await
}

/// The beginning of a file; its bytes, exactly as many, and [`end()`] must follow.
pub(super) async fn begin(out: &mut (impl AsyncWrite + Unpin), name: &str, size: u64) -> io::Result<()> {
    if name.len() > NAME {
        // The name of a sha512 blob: GNU's way, which every reader knows.
        let long = name.len() as u64 + 1;
        out.write_all(header(EntryType::GNULongName, "././@LongLink", long, 0o644)?.as_bytes()).await?;
        out.write_all(name.as_bytes()).await?;
        out.write_all(&[0]).await?;
        end(out, long).await?;
    }
    let short = name.get(..name.len().min(NAME)).unwrap_or(name);
    out.write_all(header(EntryType::Regular, short, size, 0o644)?.as_bytes()).await
}

/// Fills the last block of a file.
pub(super) async fn end(out: &mut (impl AsyncWrite + Unpin), size: u64) -> io::Result<()> {
    let rest = usize::try_from((BLOCK - size % BLOCK) % BLOCK).map_err(io::Error::other)?;
    out.write_all(&[0; BLOCK as usize][..rest]).await
}

/// A small file.
pub(super) async fn file(out: &mut (impl AsyncWrite + Unpin), name: &str, bytes: &[u8]) -> io::Result<()> {
    begin(out, name, bytes.len() as u64).await?;
    out.write_all(bytes).await?;
    end(out, bytes.len() as u64).await
}

/// The end of the archive.
pub(super) async fn finish(out: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
    out.write_all(&[0; 2 * BLOCK as usize]).await?;
    out.flush().await
}

fn header(kind: EntryType, name: &str, size: u64, mode: u32) -> io::Result<Header> {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    // Set directly: the names are our own, and a long one is cut on purpose.
    let place = &mut header.as_old_mut().name;
    let (place, _) = place.split_at_mut_checked(name.len()).ok_or(io::ErrorKind::InvalidFilename)?;
    place.copy_from_slice(name.as_bytes());
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(size);
    header.set_cksum();
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_written_is_what_is_read_also_under_a_long_name() {
        let long = format!("blobs/sha512/{}", "a".repeat(128));
        let mut out = Vec::new();
        directory(&mut out, "blobs/").await.unwrap();
        for size in [0, 1, 511, 512, 513] {
            file(&mut out, &long, &vec![7; size]).await.unwrap();
        }
        finish(&mut out).await.unwrap();
        assert_eq!(out.len() % 512, 0);
        let mut archive = tar::Archive::new(&out[..]);
        let read: Vec<_> = archive
            .entries()
            .unwrap()
            .map(|entry| entry.map(|entry| (entry.path().unwrap().display().to_string(), entry.size())))
            .collect::<Result<_, _>>()
            .unwrap();
        assert_eq!(read[0], ("blobs/".to_owned(), 0));
        let sizes: Vec<_> = read[1..].iter().map(|(name, size)| (name == &long, *size)).collect();
        assert_eq!(sizes, [(true, 0), (true, 1), (true, 511), (true, 512), (true, 513)]);
    }

    #[test]
    fn a_size_beyond_eight_gib_fits_into_a_header() {
        let size = 20 << 30;
        assert_eq!(header(EntryType::Regular, "x", size, 0o644).unwrap().entry_size().unwrap(), size);
    }
}
