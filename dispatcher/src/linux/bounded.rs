// SPDX-License-Identifier: AGPL-3.0-or-later
//! Files that somebody else wrote: whatever they are, looking at them ends.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::OFlags;

/// Opens a plain file, or nothing when there is none. No link is followed, and a pipe is not waited for.
fn open(path: &Path) -> io::Result<Option<File>> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = match OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(ErrorKind::InvalidData, "it is no file"));
    }
    Ok(Some(file))
}

/// Reads a plain file, or nothing when there is none. One that is larger than the limit is an error.
pub(super) fn read(path: &Path, limit: usize) -> io::Result<Option<Vec<u8>>> {
    let Some(file) = open(path)? else { return Ok(None) };
    let mut content = Vec::new();
    file.take(limit as u64 + 1).read_to_end(&mut content)?;
    if content.len() > limit {
        return Err(io::Error::new(ErrorKind::InvalidData, format!("it is larger than {limit} bytes")));
    }
    Ok(Some(content))
}

/// Reads at most `limit` bytes of a plain file that somebody else appends to, from an offset on. Less than that means
/// that there is no more for now; a file that is not there yet has nothing.
pub(super) fn piece(path: &Path, from: u64, limit: usize) -> io::Result<Vec<u8>> {
    let Some(mut file) = open(path)? else { return Ok(Vec::new()) };
    file.seek(SeekFrom::Start(from))?;
    let mut content = Vec::new();
    file.take(limit as u64).read_to_end(&mut content)?;
    Ok(content)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn nothing_but_a_file_of_a_sensible_size_is_read() {
        let root = tempfile::tempdir().expect("a directory");
        let path = |name: &str| root.path().join(name);
        fs::write(path("small"), "1234").expect("written");
        fs::write(path("large"), "12345").expect("written");
        fs::create_dir(path("directory")).expect("made");
        std::os::unix::fs::symlink(path("small"), path("link")).expect("linked");
        // A pipe that nobody ever writes to.
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, path("pipe"), rustix::fs::FileType::Fifo, mode, 0)
            .expect("made");
        assert_eq!(read(&path("small"), 4).expect("read").as_deref(), Some(b"1234".as_slice()));
        assert_eq!(read(&path("none"), 4).expect("looked"), None);
        for bad in ["large", "directory", "link", "pipe"] {
            assert!(read(&path(bad), 4).is_err(), "{bad}");
        }
    }
    #[test]
    fn a_file_that_grows_is_read_piece_by_piece() {
        let root = tempfile::tempdir().expect("a directory");
        let path = root.path().join("progress.jsonl");
        assert!(piece(&path, 0, 4).expect("nothing yet").is_empty());
        fs::write(&path, "123456").expect("written");
        assert_eq!(piece(&path, 0, 4).expect("read"), b"1234");
        assert_eq!(piece(&path, 4, 4).expect("read"), b"56");
        assert!(piece(&path, 6, 4).expect("read").is_empty());
        assert!(piece(&path, 99, 4).expect("read").is_empty());
    }
}
