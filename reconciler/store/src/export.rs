// SPDX-License-Identifier: AGPL-3.0-or-later
//! Everything in a store as one stream, and back: the base of backup and restore.
//!
//! ```text
//! "shoal-export 1\n"
//! frame*                 one per entry, tables in the order of Table::ALL, keys ascending
//! end
//! sha256                 32 bytes, over everything before them
//!
//! frame = 'E'  len(1) table-name  len(4) key  len(4) value
//! end   = '.'  count(8) of entries
//! ```
//!
//! Numbers are big-endian. Nothing follows the digest.
//!
//! Guarantees: an export is one consistent snapshot, taken while the store works. An import
//! changes nothing before the whole stream was verified, and only an empty store; the ledger comes
//! last, so that no controller starts on half an import.
//! What it does not do: it does not give the copy a new ledger id. Whoever restores a copy does
//! that ([`crate::ledger::renew`]), since the original may have gone on.

use std::io::{self, Read, Seek, SeekFrom, Write};

use sha2::Digest as _;

use crate::{
    Batch, CommitError, Expect, MAX_KEY_BYTES, MAX_VALUE_BYTES, ReadError, Reader, Scan, Store, Table,
};

const MAGIC: &[u8] = b"shoal-export 1\n";
const ENTRY: u8 = b'E';
const END: u8 = b'.';
/// Entries read at once: bounded memory whatever the store holds.
const PAGE: usize = 256;
/// Bytes imported in one batch.
const BATCH_BYTES: usize = 4 << 20;

/// An export or import that failed.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The store cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The store cannot be written.
    #[error("cannot write what is imported")]
    Commit(#[from] CommitError),
    /// The stream cannot be read or written.
    #[error("cannot {0} the export")]
    Io(&'static str, #[source] io::Error),
    /// Not an export, or one of a later version.
    #[error("this is not an export that this program knows")]
    NotAnExport,
    /// The stream ends early, goes on too long, or was changed.
    #[error("the export is damaged: {0}")]
    Damaged(&'static str),
    /// The stream holds a table that is not known.
    #[error(
        "the export holds the table {0:?}, which this program does not know: use the program that made it, or a newer one"
    )]
    UnknownTable(String),
    /// The store holds something.
    #[error("the table {0} is not empty: an export is imported into an empty store only")]
    NotEmpty(Table),
}

/// Writes everything that a snapshot holds; returns the number of entries.
pub fn export(snapshot: &dyn Reader, out: &mut dyn Write) -> Result<u64, ExportError> {
    let mut out = Hashed { inner: out, hash: sha2::Sha256::new() };
    out.write(MAGIC)?;
    let mut count = 0u64;
    for table in Table::ALL {
        let mut after: Option<Vec<u8>> = None;
        loop {
            let page = snapshot.scan(*table, &Scan { after: after.as_deref(), limit: PAGE, ..Scan::ALL })?;
            for (key, value) in &page {
                let name = table.name().as_bytes();
                out.write(&[ENTRY, name.len() as u8])?;
                out.write(name)?;
                out.write(&(key.len() as u32).to_be_bytes())?;
                out.write(key)?;
                out.write(&(value.len() as u32).to_be_bytes())?;
                out.write(value)?;
                count += 1;
            }
            match page.into_iter().next_back() {
                Some((last, _)) => after = Some(last),
                None => break,
            }
        }
    }
    out.write(&[END])?;
    out.write(&count.to_be_bytes())?;
    let digest = out.hash.clone().finalize();
    out.write(&digest)?;
    out.inner.flush().map_err(|error| ExportError::Io("write", error))?;
    Ok(count)
}

/// Verifies an export without a store; returns the number of entries.
pub fn verify(input: &mut dyn Read) -> Result<u64, ExportError> {
    walk(input, |_, _, _| Ok(()))
}

/// Verifies an export and then puts it into an empty store; returns the number of entries.
pub fn import<R: Read + Seek>(store: &dyn Store, input: &mut R) -> Result<u64, ExportError> {
    for table in Table::ALL {
        if !store.scan(*table, &Scan { limit: 1, ..Scan::ALL })?.is_empty() {
            return Err(ExportError::NotEmpty(*table));
        }
    }
    let start = input.stream_position().map_err(|error| ExportError::Io("read", error))?;
    verify(input)?;
    input.seek(SeekFrom::Start(start)).map_err(|error| ExportError::Io("read", error))?;
    let mut batch = Batch::new();
    let count = walk(input, |table, key, value| {
        batch.check(table, key.clone(), Expect::Absent);
        batch.put(table, key, value);
        if batch.weight() >= BATCH_BYTES {
            store.commit(std::mem::take(&mut batch))?;
        }
        Ok(())
    })?;
    store.commit(batch)?;
    Ok(count)
}

fn walk(
    input: &mut dyn Read,
    mut take: impl FnMut(Table, Vec<u8>, Vec<u8>) -> Result<(), ExportError>,
) -> Result<u64, ExportError> {
    let mut input = Hashed { inner: input, hash: sha2::Sha256::new() };
    match input.read_exact(MAGIC.len()) {
        Ok(magic) if magic == MAGIC => {}
        Ok(_) | Err(ExportError::Damaged(_)) => return Err(ExportError::NotAnExport),
        Err(error) => return Err(error),
    }
    let mut count = 0u64;
    let mut last: Option<(Table, Vec<u8>)> = None;
    loop {
        match input.read_exact(1)?[0] {
            ENTRY => {
                let length = usize::from(input.read_exact(1)?[0]);
                let name = input.read_exact(length)?;
                let table = std::str::from_utf8(&name).ok().and_then(Table::by_name);
                let table = table
                    .ok_or_else(|| ExportError::UnknownTable(String::from_utf8_lossy(&name).into_owned()))?;
                let key = input.read_sized(MAX_KEY_BYTES)?;
                if key.is_empty() {
                    return Err(ExportError::Damaged("an entry has no key"));
                }
                let value = input.read_sized(MAX_VALUE_BYTES)?;
                let at = (table, key);
                if last.as_ref().is_some_and(|last| at <= *last) {
                    return Err(ExportError::Damaged("its entries are not in their order"));
                }
                take(table, at.1.clone(), value)?;
                last = Some(at);
                count += 1;
            }
            END => break,
            _ => return Err(ExportError::Damaged("something stands where an entry should begin")),
        }
    }
    let stated = input.read_exact(8)?;
    if stated != count.to_be_bytes() {
        return Err(ExportError::Damaged("the number of entries is not the one it states"));
    }
    let digest = input.hash.clone().finalize();
    if input.read_exact(digest.len())? != digest.as_slice() {
        return Err(ExportError::Damaged("its digest is not the one it states"));
    }
    let more = input.inner.read(&mut [0]).map_err(|error| ExportError::Io("read", error))?;
    if more == 0 { Ok(count) } else { Err(ExportError::Damaged("something follows its end")) }
}

/// A stream with the digest of what went through it.
struct Hashed<S> {
    inner: S,
    hash: sha2::Sha256,
}

impl Hashed<&mut dyn Write> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), ExportError> {
        self.hash.update(bytes);
        self.inner.write_all(bytes).map_err(|error| ExportError::Io("write", error))
    }
}

impl Hashed<&mut dyn Read> {
    fn read_exact(&mut self, length: usize) -> Result<Vec<u8>, ExportError> {
        let mut bytes = Vec::new();
        let mut part = (&mut self.inner).take(length as u64);
        part.read_to_end(&mut bytes).map_err(|error| ExportError::Io("read", error))?;
        if bytes.len() < length {
            return Err(ExportError::Damaged("it ends too early"));
        }
        self.hash.update(&bytes);
        Ok(bytes)
    }

    fn read_sized(&mut self, limit: usize) -> Result<Vec<u8>, ExportError> {
        let length = self.read_exact(4)?;
        let length = length.iter().fold(0usize, |sum, byte| (sum << 8) | usize::from(*byte));
        if length > limit {
            return Err(ExportError::Damaged("an entry is larger than any can be"));
        }
        self.read_exact(length)
    }
}
