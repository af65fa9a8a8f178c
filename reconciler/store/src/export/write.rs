// SPDX-License-Identifier: AGPL-3.0-or-later
//! Writing an export, piece by piece, as fast as whoever wants it takes the pieces.

use std::io::Write;

use sha2::Digest as _;

use super::{About, END, ENTRY, ExportError, MAGIC, VERSION};
use crate::{Entry, Reader, Scan, Table};

/// Entries read at once. With the largest values that there can be this is half a gigabyte, with those that there
/// are a few hundred kilobytes.
const PAGE: usize = 64;

/// An export under way: an iterator over pieces of the stream. It holds its snapshot until it is dropped.
pub struct Exporter {
    snapshot: Box<dyn Reader>,
    hash: sha2::Sha256,
    next: Next,
    entries: u64,
}

enum Next {
    Head(About),
    /// Of the table with this number, what comes behind this key.
    Page(usize, Option<Vec<u8>>),
    End,
    Nothing,
}

impl Exporter {
    /// Of this snapshot.
    pub fn new(snapshot: Box<dyn Reader>, about: About) -> Self {
        Self { snapshot, hash: sha2::Sha256::new(), next: Next::Head(about), entries: 0 }
    }

    /// Entries so far.
    pub fn entries(&self) -> u64 {
        self.entries
    }

    fn piece(&mut self) -> Result<Option<Vec<u8>>, ExportError> {
        loop {
            // Whatever fails is the end.
            match std::mem::replace(&mut self.next, Next::Nothing) {
                Next::Head(about) => {
                    let about = serde_json::to_vec(&about)
                        .map_err(|error| ExportError::Io("describe", error.into()))?;
                    self.next = Next::Page(0, None);
                    return Ok(Some(self.hashed([MAGIC, VERSION, &about, b"\n"].concat())));
                }
                Next::Page(number, after) => {
                    let Some(table) = Table::ALL.get(number).copied() else {
                        self.next = Next::End;
                        continue;
                    };
                    let scan = Scan { after: after.as_deref(), limit: PAGE, ..Scan::ALL };
                    let page = self.snapshot.scan(table, &scan)?;
                    let Some((last, _)) = page.last() else {
                        self.next = Next::Page(number + 1, None);
                        continue;
                    };
                    self.next = Next::Page(number, Some(last.clone()));
                    self.entries += page.len() as u64;
                    return Ok(Some(self.hashed(frames(table, &page))));
                }
                Next::End => {
                    let end = [&[END][..], &self.entries.to_be_bytes()].concat();
                    let mut end = self.hashed(end);
                    end.extend(self.hash.clone().finalize());
                    return Ok(Some(end));
                }
                Next::Nothing => return Ok(None),
            }
        }
    }

    fn hashed(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        self.hash.update(&bytes);
        bytes
    }
}

impl Iterator for Exporter {
    type Item = Result<Vec<u8>, ExportError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.piece().transpose()
    }
}

fn frames(table: Table, page: &[Entry]) -> Vec<u8> {
    let name = table.name().as_bytes();
    let size: usize = page.iter().map(|(key, value)| 10 + name.len() + key.len() + value.len()).sum();
    let mut out = Vec::with_capacity(size);
    for (key, value) in page {
        out.extend([ENTRY, name.len() as u8]);
        out.extend(name);
        out.extend((key.len() as u32).to_be_bytes());
        out.extend(key);
        out.extend((value.len() as u32).to_be_bytes());
        out.extend(value);
    }
    out
}

/// Writes a whole export; returns the number of entries.
pub fn export(snapshot: Box<dyn Reader>, about: About, out: &mut dyn Write) -> Result<u64, ExportError> {
    let mut exporter = Exporter::new(snapshot, about);
    while let Some(piece) = exporter.piece()? {
        out.write_all(&piece).map_err(|error| ExportError::Io("write", error))?;
    }
    out.flush().map_err(|error| ExportError::Io("write", error))?;
    Ok(exporter.entries)
}
