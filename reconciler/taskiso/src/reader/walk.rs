// SPDX-License-Identifier: AGPL-3.0-or-later
//! From a root directory to all files and directories below it.

use std::collections::HashSet;

use crate::SECTOR;
use crate::source::ReadAt;

use super::record::{self, Extent, Record};
use super::susp::{self, Entries};
use super::volume::{Entry, Kind, Names};
use super::{MAX_ENTRIES, MAX_PATH, ReadError, Sector, fill};

/// Bytes of directories and continuation areas read from one volume: 64 MiB. Four thousand
/// directories of a task medium take 16.
const MOST_STRUCTURE: u64 = 64 * 1024 * 1024;

/// The file type in a mode, and the type of a regular file and a directory.
const TYPE: u32 = 0o170_000;
const REGULAR: u32 = 0o100_000;
const DIRECTORY: u32 = 0o040_000;

/// What may still be read of a volume's structures.
pub(super) struct Budget(u64);

impl Budget {
    pub(super) fn new() -> Self {
        Self(MOST_STRUCTURE)
    }

    /// Takes `bytes` of it.
    pub(super) fn spend(&mut self, bytes: u64) -> Result<(), ReadError> {
        self.0 = self
            .0
            .checked_sub(bytes)
            .ok_or(ReadError::TooMany { what: "bytes of directories", limit: MOST_STRUCTURE })?;
        Ok(())
    }
}

/// The system use entries of the root's own record: whether Rock Ridge is in use.
pub(super) fn root_entries<S: ReadAt + ?Sized>(
    source: &S,
    root: Extent,
    budget: &mut Budget,
) -> Result<Entries, ReadError> {
    let at = offset(root);
    let mut sector = [0; SECTOR];
    budget.spend(SECTOR as u64)?;
    fill(source, at, &mut sector, "root directory")?;
    match record::parse(&sector) {
        Ok(Some((record, _))) => susp::read(source, record.susp, at, budget),
        Ok(None) => Ok(Entries::default()),
        Err(problem) => Err(malformed("", at, problem)),
    }
}

/// A walk through one tree of a volume.
pub(super) struct Walk<'a, S: ?Sized> {
    pub(super) source: &'a S,
    pub(super) names: Names,
    /// Bytes in front of the entries of each system use field.
    pub(super) skip: usize,
    pub(super) budget: Budget,
}

impl<S: ReadAt + ?Sized> Walk<'_, S> {
    /// All files and directories below `root`, by their path.
    pub(super) fn run(mut self, root: Extent) -> Result<Vec<Entry>, ReadError> {
        let mut entries = Vec::new();
        let mut pending = vec![(String::new(), root)];
        let mut visited = HashSet::from([root.sector]);
        while let Some((path, extent)) = pending.pop() {
            let from = entries.len();
            self.directory(&path, extent, &mut entries)?;
            for entry in &entries[from..] {
                if entry.kind == Kind::Directory {
                    if !visited.insert(entry.extent.sector) {
                        return Err(ReadError::Loop { path: entry.path.clone() });
                    }
                    pending.push((entry.path.clone(), entry.extent));
                }
            }
        }
        entries.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        match entries.windows(2).find(|pair| pair[0].path == pair[1].path) {
            Some(pair) => Err(ReadError::Duplicate { path: pair[0].path.clone() }),
            None => Ok(entries),
        }
    }

    fn directory(&mut self, path: &str, extent: Extent, entries: &mut Vec<Entry>) -> Result<(), ReadError> {
        self.check_extent(path, extent)?;
        let mut sector: Sector = [0; SECTOR];
        for number in 0..u64::from(extent.len).div_ceil(SECTOR as u64) {
            let at = offset(extent) + number * SECTOR as u64;
            self.budget.spend(SECTOR as u64)?;
            fill(self.source, at, &mut sector, &directory_named(path))?;
            let mut rest = &sector[..];
            while let Some((record, len)) =
                record::parse(rest).map_err(|problem| malformed(path, at, problem))?
            {
                entries.extend(self.entry(path, &record, at)?);
                if entries.len() > MAX_ENTRIES {
                    return Err(ReadError::TooMany {
                        what: "files and directories",
                        limit: MAX_ENTRIES as u64,
                    });
                }
                rest = rest.get(len..).unwrap_or_default();
            }
        }
        Ok(())
    }

    /// The entry of a record, unless it is one that is left out.
    fn entry(&mut self, directory: &str, record: &Record<'_>, at: u64) -> Result<Option<Entry>, ReadError> {
        if matches!(record.identifier, [0 | 1]) || record.flags.associated {
            return Ok(None);
        }
        let found = if self.names == Names::RockRidge {
            let field = record.susp.get(self.skip..).unwrap_or_default();
            susp::read(self.source, field, at, &mut self.budget)?
        } else {
            Entries::default()
        };
        let kind = if record.flags.directory { Kind::Directory } else { Kind::File };
        // Links and devices are records of no content with a mode of their own.
        let file_type = found.posix.map_or(0, |posix| posix.mode & TYPE);
        let expected = match kind {
            Kind::Directory => DIRECTORY,
            Kind::File => REGULAR,
        };
        if found.child_link || (file_type != 0 && file_type != expected) {
            return Ok(None);
        }
        let name = self
            .name(record.identifier, found.name)
            .map_err(|name| ReadError::BadName { directory: directory.to_owned(), name })?;
        let path = if directory.is_empty() { name } else { format!("{directory}/{name}") };
        if path.len() > MAX_PATH {
            return Err(ReadError::TooMany { what: "bytes in a path", limit: MAX_PATH as u64 });
        }
        let form = match record.flags {
            flags if flags.not_final => Some("a file in several extents"),
            flags if flags.interleaved => Some("an interleaved file"),
            _ => None,
        };
        if let Some(form) = form {
            return Err(ReadError::Unsupported { path, form });
        }
        if record.extent.len != 0 {
            self.check_extent(&path, record.extent)?;
        }
        Ok(Some(Entry {
            path,
            kind,
            len: u64::from(record.extent.len),
            posix: found.posix,
            extent: record.extent,
        }))
    }

    /// The name to show, or the name that cannot be shown.
    fn name(&self, identifier: &[u8], long: Option<Vec<u8>>) -> Result<String, String> {
        let name = match (self.names, long) {
            (Names::RockRidge, Some(name)) => String::from_utf8(name)
                .map_err(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())?,
            (Names::Joliet, _) => {
                let units = identifier.chunks(2).map(|unit| match unit {
                    [high, low] => u16::from_be_bytes([*high, *low]),
                    // Half a character: no name has it.
                    _ => 0,
                });
                let text: String = char::decode_utf16(units).map(|c| c.unwrap_or('\0')).collect();
                without_version(&text).to_owned()
            }
            // As Linux shows plain names.
            (Names::RockRidge | Names::Plain, _) => {
                let text = String::from_utf8_lossy(identifier);
                without_version(&text).to_ascii_lowercase()
            }
        };
        if matches!(name.as_str(), "" | "." | "..") || name.contains(['/', '\0']) {
            return Err(name);
        }
        Ok(name)
    }

    /// Whether the medium has the whole extent.
    fn check_extent(&self, path: &str, extent: Extent) -> Result<(), ReadError> {
        let at = offset(extent);
        if at + u64::from(extent.len) > self.source.len() {
            return Err(ReadError::Truncated { what: format!("{path:?}"), at });
        }
        Ok(())
    }
}

/// First byte of an extent: below 2^43.
pub(super) fn offset(extent: Extent) -> u64 {
    u64::from(extent.sector) * SECTOR as u64
}

/// A name without `;1` and without the dot that stands for an empty extension.
fn without_version(name: &str) -> &str {
    let name = match name.rsplit_once(';') {
        Some((name, version)) if version.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => name,
    };
    name.strip_suffix('.').unwrap_or(name)
}

fn directory_named(path: &str) -> String {
    format!("directory {path:?}")
}

fn malformed(path: &str, at: u64, problem: &'static str) -> ReadError {
    ReadError::Malformed { what: directory_named(path), at, problem }
}
