// SPDX-License-Identifier: AGPL-3.0-or-later
//! Reading an export: to see whether it is whole, or into a store.

use std::io::Read;

use sha2::Digest as _;

use super::{ABOUT_BYTES, About, Contents, END, ENTRY, ExportError, MAGIC, VERSION};
use crate::{Batch, Expect, MAX_KEY_BYTES, MAX_VALUE_BYTES, Scan, Store, Table};

/// Bytes imported in one batch.
const BATCH_BYTES: usize = 4 << 20;

/// An export of which the beginning was read.
pub struct Importer<R> {
    input: Hashed<R>,
    about: About,
}

impl<R: Read> Importer<R> {
    /// Reads what the export says of itself. It is believed once the rest was read too.
    pub fn open(input: R) -> Result<Self, ExportError> {
        let mut input = Hashed { inner: input, hash: sha2::Sha256::new(), bytes: 0 };
        let magic = input.up_to(MAGIC.len())?;
        if magic.is_empty() {
            return Err(ExportError::Empty);
        }
        if magic != MAGIC {
            return Err(ExportError::NotAnExport);
        }
        let version = input.line(ABOUT_BYTES)?;
        if version != VERSION {
            let number = version.strip_suffix(b"\n").unwrap_or_default();
            let newer = !number.is_empty() && number.iter().all(u8::is_ascii_digit);
            return Err(if newer { ExportError::Newer } else { ExportError::NotAnExport });
        }
        let about = serde_json::from_slice(&input.line(ABOUT_BYTES)?)
            .map_err(|_| ExportError::Damaged("the line that says what it is of cannot be read"))?;
        Ok(Self { input, about })
    }

    /// What it says that it is of.
    pub fn about(&self) -> &About {
        &self.about
    }

    /// Reads it to its end, without a store.
    pub fn verify(self) -> Result<Contents, ExportError> {
        self.walk(|_, _, _| Ok(()))
    }

    /// Puts it into an empty store. Whether it was whole is known at its end: where this fails, the store is to be
    /// thrown away, and has no ledger.
    pub fn import(self, store: &dyn Store) -> Result<Contents, ExportError> {
        for table in Table::ALL {
            if !store.scan(*table, &Scan { limit: 1, ..Scan::ALL })?.is_empty() {
                return Err(ExportError::NotEmpty(*table));
            }
        }
        let mut batch = Batch::new();
        let mut last = Batch::new();
        let contents = self.walk(|table, key, value| {
            // The ledger makes a database of it: not before the digest was right.
            let batch = if table == Table::Meta { &mut last } else { &mut batch };
            batch.check(table, key.clone(), Expect::Absent);
            batch.put(table, key, value);
            if table != Table::Meta && batch.weight() >= BATCH_BYTES {
                store.commit(std::mem::take(batch))?;
            }
            Ok(())
        })?;
        store.commit(batch)?;
        store.commit(last)?;
        Ok(contents)
    }

    fn walk(
        mut self,
        mut take: impl FnMut(Table, Vec<u8>, Vec<u8>) -> Result<(), ExportError>,
    ) -> Result<Contents, ExportError> {
        let input = &mut self.input;
        let mut tables: Vec<(Table, u64)> = Vec::new();
        let mut before: Option<Vec<u8>> = None;
        loop {
            match input.exactly(1)?[0] {
                ENTRY => {
                    let length = usize::from(input.exactly(1)?[0]);
                    let name = input.exactly(length)?;
                    let table = std::str::from_utf8(&name).ok().and_then(Table::by_name);
                    let table = table.ok_or_else(|| {
                        ExportError::UnknownTable(String::from_utf8_lossy(&name).into_owned())
                    })?;
                    match tables.last_mut() {
                        Some((last, count)) if *last == table => *count += 1,
                        Some((last, _)) if *last > table => {
                            return Err(ExportError::Damaged("its tables are not in their order"));
                        }
                        _ => {
                            tables.push((table, 1));
                            before = None;
                        }
                    }
                    let key = input.sized(MAX_KEY_BYTES)?;
                    // What no export writes is told before a store is asked to keep it.
                    if key.is_empty() {
                        return Err(ExportError::Damaged("an entry has no key"));
                    }
                    if before.as_ref().is_some_and(|before| *before >= key) {
                        return Err(ExportError::Damaged("its entries are not in their order"));
                    }
                    before = Some(key.clone());
                    let value = input.sized(MAX_VALUE_BYTES)?;
                    take(table, key, value)?;
                }
                END => break,
                _ => return Err(ExportError::Damaged("something stands where an entry should begin")),
            }
        }
        let entries: u64 = tables.iter().map(|(_, count)| count).sum();
        if input.exactly(8)? != entries.to_be_bytes() {
            return Err(ExportError::Damaged("the number of entries is not the one it states"));
        }
        let digest: [u8; 32] = input.hash.clone().finalize().into();
        if input.exactly(digest.len())? != digest {
            return Err(ExportError::Damaged("its digest is not the one it states"));
        }
        let bytes = input.bytes;
        if !input.up_to(1)?.is_empty() {
            return Err(ExportError::Damaged("something follows its end"));
        }
        Ok(Contents { about: self.about, tables, entries, bytes, digest: digest.into() })
    }
}

/// A stream with the digest of what came out of it.
struct Hashed<R> {
    inner: R,
    hash: sha2::Sha256,
    bytes: u64,
}

impl<R: Read> Hashed<R> {
    /// So many bytes, fewer only at the end.
    fn up_to(&mut self, length: usize) -> Result<Vec<u8>, ExportError> {
        let mut bytes = Vec::new();
        let mut part = (&mut self.inner).take(length as u64);
        part.read_to_end(&mut bytes).map_err(|error| ExportError::Io("read", error))?;
        self.hash.update(&bytes);
        self.bytes += bytes.len() as u64;
        Ok(bytes)
    }

    fn exactly(&mut self, length: usize) -> Result<Vec<u8>, ExportError> {
        let bytes = self.up_to(length)?;
        if bytes.len() < length { Err(ExportError::Damaged("it ends too early")) } else { Ok(bytes) }
    }

    fn sized(&mut self, limit: usize) -> Result<Vec<u8>, ExportError> {
        let length = self.exactly(4)?;
        let length = length.iter().fold(0usize, |sum, byte| (sum << 8) | usize::from(*byte));
        if length > limit {
            return Err(ExportError::Damaged("an entry is larger than any can be"));
        }
        self.exactly(length)
    }

    /// Up to the end of a line, with it.
    fn line(&mut self, limit: usize) -> Result<Vec<u8>, ExportError> {
        let mut line = Vec::new();
        while line.last() != Some(&b'\n') {
            if line.len() == limit {
                return Err(ExportError::Damaged("a line of its beginning is too long"));
            }
            line.extend(self.exactly(1)?);
        }
        Ok(line)
    }
}
