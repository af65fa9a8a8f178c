// SPDX-License-Identifier: AGPL-3.0-or-later
//! A plain directory.
//!
//! Guarantees: no symbolic link is followed below the root, neither when listing nor when reading;
//! hidden files and directories are left out; no file is read beyond the limit.
//! Assumption: whoever can write into the directory is trusted as one who can push.

use std::fs;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustix::fs::{Mode, OFlags, ResolveFlags};

use super::{FileEntry, FileSource, MAX_ENTRIES, MAX_FILE_BYTES, Refused, SourceError};

/// A plain directory as a source of files.
///
/// One source is one look: what is read is below the directory that the root was when the first file was read.
#[derive(Clone, Debug)]
pub struct DirectorySource {
    root: PathBuf,
    /// Files and directories that are listed at most.
    most: usize,
    /// The root, once something was read below it.
    directory: OnceLock<Arc<OwnedFd>>,
}

impl DirectorySource {
    /// The files below `root`, which may itself be a link.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), most: MAX_ENTRIES, directory: OnceLock::new() }
    }

    /// The root.
    pub fn root(&self) -> &Path {
        &self.root
    }
}

impl FileSource for DirectorySource {
    fn list(&self) -> Result<Vec<FileEntry>, SourceError> {
        let mut entries = Vec::new();
        let mut seen = 0;
        let mut waiting = vec![(self.root.clone(), String::new())];
        while let Some((directory, prefix)) = waiting.pop() {
            let failed = |source: io::Error| failed("list", &directory, source);
            for item in fs::read_dir(&directory).map_err(failed)? {
                let item = item.map_err(failed)?;
                let name = item.file_name();
                if name.as_encoded_bytes().starts_with(b".") {
                    continue;
                }
                // Directories cost a look too, whatever is in them.
                seen += 1;
                if seen > self.most {
                    let subject = self.root.display().to_string();
                    return Err(SourceError::TooManyEntries { subject, limit: self.most });
                }
                let path = format!("{prefix}{}", name.to_string_lossy());
                // Neither call follows a link. What is gone again was not there.
                let metadata = match item.metadata() {
                    Ok(metadata) => metadata,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(error) => return Err(failed(error)),
                };
                let file_type = metadata.file_type();
                let readable_name = name.to_str().is_some();
                if file_type.is_dir() && readable_name {
                    waiting.push((item.path(), format!("{path}/")));
                    continue;
                }
                let refused = if !readable_name {
                    Some(Refused::PathNotUtf8)
                } else if file_type.is_symlink() {
                    Some(Refused::Symlink)
                } else if !file_type.is_file() {
                    Some(Refused::Special)
                } else if metadata.len() > MAX_FILE_BYTES {
                    Some(Refused::TooLarge)
                } else {
                    None
                };
                entries.push(FileEntry { path: path.into(), id: None, size: metadata.len(), refused });
            }
        }
        Ok(entries)
    }

    fn read(&self, entry: &FileEntry) -> Result<Vec<u8>, SourceError> {
        let path = self.root.join(&*entry.path);
        let failed = |source: io::Error| failed("read", &path, source);
        let mut file = self.open_below(&entry.path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            return Err(failed(io::Error::other("not a regular file")));
        }
        let mut bytes = vec![0; metadata.len().min(MAX_FILE_BYTES) as usize + 1];
        let length = match file.read(&mut bytes) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            read => read.map_err(failed)?,
        };
        bytes.truncate(length);
        // A second read only says that this was all: worth it where the first gave another length than was told.
        if length as u64 != metadata.len() || length == 0 {
            file.take((MAX_FILE_BYTES + 1).saturating_sub(length as u64))
                .read_to_end(&mut bytes)
                .map_err(failed)?;
        }
        Ok(bytes)
    }
}

impl DirectorySource {
    /// Opens a file without following any link below the root: one may have come since the listing.
    fn open_below(&self, path: &str) -> io::Result<fs::File> {
        let directory = match self.directory.get() {
            Some(directory) => directory,
            None => {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
                let directory = rustix::fs::open(&self.root, flags, Mode::empty())?;
                self.directory.get_or_init(|| Arc::new(directory))
            }
        };
        // NONBLOCK: opening a pipe that came since must not wait for a writer.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let below = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        Ok(fs::File::from(rustix::fs::openat2(directory, path, flags, Mode::empty(), below)?))
    }
}

fn failed(action: &'static str, path: &Path, source: io::Error) -> SourceError {
    SourceError::Failed { action, subject: path.display().to_string(), source: Box::new(source) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn tree() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("servers/rack-a")).unwrap();
        fs::create_dir_all(root.path().join(".git/objects")).unwrap();
        fs::write(root.path().join("shoal.yaml"), "a: 1\n").unwrap();
        fs::write(root.path().join("servers/rack-a/web-01.yaml"), "b: 2\n").unwrap();
        fs::write(root.path().join(".git/config"), "x").unwrap();
        fs::write(root.path().join("servers/.web-01.yaml.swp"), "x").unwrap();
        root
    }

    fn list(root: &Path) -> Vec<(String, Option<Refused>)> {
        let mut all: Vec<_> = DirectorySource::new(root)
            .list()
            .unwrap()
            .into_iter()
            .map(|e| (e.path.to_string(), e.refused))
            .collect();
        all.sort();
        all
    }

    #[test]
    fn files_are_listed_and_hidden_ones_are_not() {
        let root = tree();
        let paths: Vec<String> = list(root.path()).into_iter().map(|(path, _)| path).collect();
        assert_eq!(paths, ["servers/rack-a/web-01.yaml", "shoal.yaml"]);
    }

    #[test]
    fn what_must_not_be_read_is_listed_with_the_reason() {
        use std::os::unix::ffi::OsStrExt as _;
        let root = tree();
        symlink("/etc/passwd", root.path().join("servers/link.yaml")).unwrap();
        symlink("/etc", root.path().join("images")).unwrap();
        fs::write(root.path().join("big.yaml"), vec![b'#'; MAX_FILE_BYTES as usize + 1]).unwrap();
        fs::write(root.path().join(std::ffi::OsStr::from_bytes(b"bad\xff.yaml")), "x").unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            root.path().join("pipe.yaml"),
            rustix::fs::FileType::Fifo,
            Mode::RUSR,
            0,
        )
        .unwrap();
        let refused: Vec<_> =
            list(root.path()).into_iter().filter(|(_, refused)| refused.is_some()).collect();
        assert_eq!(
            refused,
            [
                ("bad\u{fffd}.yaml".to_owned(), Some(Refused::PathNotUtf8)),
                ("big.yaml".to_owned(), Some(Refused::TooLarge)),
                ("images".to_owned(), Some(Refused::Symlink)),
                ("pipe.yaml".to_owned(), Some(Refused::Special)),
                ("servers/link.yaml".to_owned(), Some(Refused::Symlink)),
            ]
        );
    }

    #[test]
    fn too_many_files_and_directories_are_refused_as_a_whole_with_what_to_do() {
        let root = tree();
        let at_most = |most| DirectorySource { most, ..DirectorySource::new(root.path()) }.list();
        assert_eq!(DirectorySource::new(root.path()).most, MAX_ENTRIES);
        let all = (1..20).find(|most| at_most(*most).is_ok()).unwrap();
        fs::create_dir(root.path().join("empty")).unwrap();
        let error = at_most(all).unwrap_err();
        assert_eq!(error.to_string(), format!("{} has more than {all} entries", root.path().display()));
        assert_eq!(error.hint(), Some("keep only the inventory in there"));
        assert!(at_most(all + 1).is_ok());
    }

    #[test]
    fn a_link_that_came_since_the_listing_is_not_followed() {
        let root = tree();
        let source = DirectorySource::new(root.path());
        let entries = source.list().unwrap();
        let entry = entries.iter().find(|entry| entry.path.ends_with("web-01.yaml")).unwrap();
        assert_eq!(source.read(entry).unwrap(), b"b: 2\n");
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("web-01.yaml"), "secret").unwrap();
        fs::remove_dir_all(root.path().join("servers/rack-a")).unwrap();
        symlink(outside.path(), root.path().join("servers/rack-a")).unwrap();
        assert!(source.read(entry).is_err());
        fs::remove_file(root.path().join("servers/rack-a")).unwrap();
        fs::create_dir(root.path().join("servers/rack-a")).unwrap();
        symlink(outside.path().join("web-01.yaml"), root.path().join("servers/rack-a/web-01.yaml")).unwrap();
        assert!(source.read(entry).is_err());
        let climbing = FileEntry { path: "../x".into(), id: None, size: 0, refused: None };
        assert!(source.read(&climbing).is_err());
    }

    #[test]
    fn a_root_that_is_not_there_is_an_error_that_names_it() {
        let error = DirectorySource::new("/nonexistent/inventory").list().unwrap_err();
        assert_eq!(error.to_string(), "cannot list /nonexistent/inventory");
    }
}
