// SPDX-License-Identifier: AGPL-3.0-or-later
//! Files: private keys and passwords that only their owner can read, and others.

use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use shoal_schema::SecretString;
use zeroize::Zeroizing;

use crate::error::CliError;

/// No key, password or plan fragment of ours is larger.
const MAX_PRIVATE: u64 = 1 << 20;

/// Reads a secret from a file, or from standard input where the path is `-`. A file that everybody
/// can read is refused.
pub(crate) fn read_private(path: &Path, what: &str) -> Result<SecretString, CliError> {
    let failed = |error: io::Error| {
        CliError::user("file.read", format!("cannot read {what} from {}", shown(path))).because(error)
    };
    let mut text = Zeroizing::new(String::with_capacity(4096));
    if path == Path::new("-") {
        io::stdin().lock().take(MAX_PRIVATE).read_to_string(&mut text).map_err(failed)?;
    } else {
        let file = fs::File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if metadata.is_file() && metadata.permissions().mode() & 0o004 != 0 {
            return Err(CliError::user(
                "file.permissions",
                format!("{} holds {what} and everybody can read it", path.display()),
            )
            .hint(format!("chmod 600 {}", path.display())));
        }
        file.take(MAX_PRIVATE).read_to_string(&mut text).map_err(failed)?;
    }
    Ok(SecretString::new(std::mem::take(&mut text)))
}

/// Reads a file, or standard input where the path is `-`.
pub(crate) fn read_text(path: &Path, limit: u64) -> Result<String, CliError> {
    let failed =
        |error: io::Error| CliError::user("file.read", format!("cannot read {}", shown(path))).because(error);
    let mut text = String::new();
    let read = if path == Path::new("-") {
        io::stdin().lock().take(limit + 1).read_to_string(&mut text)
    } else {
        fs::File::open(path).and_then(|file| file.take(limit + 1).read_to_string(&mut text))
    };
    if read.map_err(failed)? as u64 > limit {
        return Err(CliError::user("file.too-large", format!("{} is over {limit} bytes", shown(path))));
    }
    Ok(text)
}

/// Writes a new file that only its owner can read. One that is there already is never replaced.
pub(crate) fn write_private_new(path: &Path, text: &SecretString) -> Result<(), CliError> {
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(text.expose().as_bytes())?;
        file.sync_all()
    };
    write().map_err(|error| {
        let exists = error.kind() == io::ErrorKind::AlreadyExists;
        let failed = CliError::user("file.write", format!("cannot write {}", path.display())).because(error);
        if exists { failed.hint("name a file that is not there yet; nothing is overwritten") } else { failed }
    })
}

/// Writes a file as a whole or not at all.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    let write = || -> io::Result<()> {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let mut file = tempfile::Builder::new()
            .prefix(".shoal-")
            .permissions(fs::Permissions::from_mode(0o644))
            .tempfile_in(parent.unwrap_or(Path::new(".")))?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path).map(drop).map_err(|error| error.error)
    };
    write().map_err(|error| {
        CliError::user("file.write", format!("cannot write {}", path.display())).because(error)
    })
}

fn shown(path: &Path) -> String {
    if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_everybody_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        write_private_new(&path, &SecretString::new("s3cret".into())).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(read_private(&path, "a key").unwrap().expose(), "s3cret");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let error = read_private(&path, "a key").err().unwrap().render(false);
        assert!(error.contains("chmod 600") && !error.contains("s3cret"), "{error}");
    }

    #[test]
    fn nothing_private_is_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        fs::write(&path, "old").unwrap();
        assert!(write_private_new(&path, &SecretString::new("new".into())).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"old");
    }

    #[test]
    fn a_file_over_the_limit_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("plan.json");
        write_whole(&path, b"12345").unwrap();
        assert_eq!(read_text(&path, 5).unwrap(), "12345");
        assert!(read_text(&path, 4).is_err());
    }
}
