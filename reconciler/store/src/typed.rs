// SPDX-License-Identifier: AGPL-3.0-or-later
//! Typed tables: keys that sort, values that carry their version.
//!
//! A value is stored as `{"v":1,"record":…}`, JSON with the fields in the order of the type, so that
//! equal values are equal bytes as long as their maps are sorted (`BTreeMap`). Versions only go
//! forward: [`Record::upgrade`] reads what earlier versions wrote, a later one is refused by name.

use std::marker::PhantomData;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use shoal_schema::{JobId, Sha256};

use crate::error::show_key;
use crate::{Batch, Expect, Order, ReadError, Reader, Scan, Table};

/// A value of a typed table.
pub trait Record: Serialize + DeserializeOwned {
    /// The version of the shape that this program writes; from 1.
    const VERSION: u32;

    /// Turns a record of an earlier version into one of [`Record::VERSION`].
    fn upgrade(from: u32, record: serde_json::Value) -> Result<serde_json::Value, String> {
        drop(record);
        Err(format!("nothing reads version {from}"))
    }
}

/// A key of a typed table. The order of encodings is the order of keys.
pub trait Key: Sized {
    /// The key's bytes; never empty.
    fn encode(&self) -> Vec<u8>;

    /// Reads what [`Key::encode`] made.
    fn decode(bytes: &[u8]) -> Option<Self>;
}

/// A record that cannot be read or made.
#[derive(Debug, thiserror::Error)]
pub enum TypedError {
    /// The store cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The record has no JSON.
    #[error("cannot write the entry {key} of the table {table}")]
    Encode {
        /// The table.
        table: Table,
        /// The key, for people.
        key: String,
        /// Why not.
        #[source]
        source: serde_json::Error,
    },
    /// The record is no JSON, or not of its type.
    #[error("the entry {key} of the table {table} cannot be read")]
    Decode {
        /// The table.
        table: Table,
        /// The key, for people.
        key: String,
        /// Why not.
        #[source]
        source: serde_json::Error,
    },
    /// A later version of the program wrote the record.
    #[error(
        "the entry {key} of the table {table} has version {found}, and this program knows versions up to {known}"
    )]
    Newer {
        /// The table.
        table: Table,
        /// The key, for people.
        key: String,
        /// The record's version.
        found: u32,
        /// The newest version that is known.
        known: u32,
    },
    /// A record of an earlier version cannot be brought up.
    #[error(
        "the entry {key} of the table {table} cannot be brought from version {found} to {known}: {reason}"
    )]
    Upgrade {
        /// The table.
        table: Table,
        /// The key, for people.
        key: String,
        /// The record's version.
        found: u32,
        /// The version that is wanted.
        known: u32,
        /// Why not.
        reason: String,
    },
    /// The key is not of its type.
    #[error("the key {key} of the table {table} is not of the table's type")]
    Key {
        /// The table.
        table: Table,
        /// The key, for people.
        key: String,
    },
}

/// A table with its types.
pub struct TypedTable<K, V> {
    table: Table,
    types: PhantomData<fn() -> (K, V)>,
}

#[derive(Serialize)]
struct Versioned<T> {
    v: u32,
    record: T,
}

#[derive(Deserialize)]
struct AnyVersion {
    v: u32,
    record: serde_json::Value,
}

// === impl TypedTable ===

impl<K: Key, V: Record> TypedTable<K, V> {
    /// The typed face of a table.
    pub const fn new(table: Table) -> Self {
        Self { table, types: PhantomData }
    }

    /// The record of a key.
    pub fn get(&self, reader: &(impl Reader + ?Sized), key: &K) -> Result<Option<V>, TypedError> {
        let key = key.encode();
        let found = reader.get(self.table, &key)?;
        found.map(|bytes| self.decode_value(&key, &bytes)).transpose()
    }

    /// All records, in the order of their keys.
    pub fn all(&self, reader: &(impl Reader + ?Sized)) -> Result<Vec<(K, V)>, TypedError> {
        self.scan(reader, &Scan::ALL)
    }

    /// Records whose encoded keys begin with `prefix`, in order: see [`first_of_pair`].
    pub fn prefixed(
        &self,
        reader: &(impl Reader + ?Sized),
        prefix: &[u8],
    ) -> Result<Vec<(K, V)>, TypedError> {
        self.scan(reader, &Scan::prefix(prefix))
    }

    /// The last record whose encoded key begins with `prefix`.
    pub fn last(&self, reader: &(impl Reader + ?Sized), prefix: &[u8]) -> Result<Option<(K, V)>, TypedError> {
        let scan = Scan { prefix, order: Order::Descending, limit: 1, ..Scan::ALL };
        Ok(self.scan(reader, &scan)?.pop())
    }

    /// Records of a scan.
    pub fn scan(&self, reader: &(impl Reader + ?Sized), scan: &Scan<'_>) -> Result<Vec<(K, V)>, TypedError> {
        let entries = reader.scan(self.table, scan)?;
        entries
            .iter()
            .map(|(key, value)| {
                let typed = K::decode(key)
                    .ok_or_else(|| TypedError::Key { table: self.table, key: show_key(key) })?;
                Ok((typed, self.decode_value(key, value)?))
            })
            .collect()
    }

    /// Writes a record, whatever was there.
    pub fn put(&self, batch: &mut Batch, key: &K, value: &V) -> Result<(), TypedError> {
        let key = key.encode();
        let value = self.encode_value(&key, value)?;
        batch.put(self.table, key, value);
        Ok(())
    }

    /// Writes a record where there must be none.
    pub fn insert(&self, batch: &mut Batch, key: &K, value: &V) -> Result<(), TypedError> {
        batch.check(self.table, key.encode(), Expect::Absent);
        self.put(batch, key, value)
    }

    /// Writes a record in place of exactly the one that was read. `before` must be what
    /// [`TypedTable::get_raw`] returned with it.
    pub fn replace(&self, batch: &mut Batch, key: &K, before: &[u8], value: &V) -> Result<(), TypedError> {
        batch.check(self.table, key.encode(), Expect::Value(before.to_vec()));
        self.put(batch, key, value)
    }

    /// The record of a key, with its bytes for [`TypedTable::replace`].
    pub fn get_raw(
        &self,
        reader: &(impl Reader + ?Sized),
        key: &K,
    ) -> Result<Option<(V, Vec<u8>)>, TypedError> {
        let key = key.encode();
        let Some(bytes) = reader.get(self.table, &key)? else { return Ok(None) };
        Ok(Some((self.decode_value(&key, &bytes)?, bytes)))
    }

    /// Removes a record, where there is one.
    pub fn delete(&self, batch: &mut Batch, key: &K) {
        batch.delete(self.table, key.encode());
    }

    fn encode_value(&self, key: &[u8], record: &V) -> Result<Vec<u8>, TypedError> {
        serde_json::to_vec(&Versioned { v: V::VERSION, record }).map_err(|source| TypedError::Encode {
            table: self.table,
            key: show_key(key),
            source,
        })
    }

    fn decode_value(&self, key: &[u8], bytes: &[u8]) -> Result<V, TypedError> {
        let table = self.table;
        let broken = |source| TypedError::Decode { table, key: show_key(key), source };
        let AnyVersion { v: found, record } = serde_json::from_slice(bytes).map_err(broken)?;
        let known = V::VERSION;
        let record =
            match found.cmp(&known) {
                std::cmp::Ordering::Equal => record,
                std::cmp::Ordering::Greater => {
                    return Err(TypedError::Newer { table, key: show_key(key), found, known });
                }
                std::cmp::Ordering::Less => V::upgrade(found, record).map_err(|reason| {
                    TypedError::Upgrade { table, key: show_key(key), found, known, reason }
                })?,
            };
        serde_json::from_value(record).map_err(broken)
    }
}

// === impl Key ===

impl Key for String {
    fn encode(&self) -> Vec<u8> {
        self.as_bytes().to_vec()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        Self::from_utf8(bytes.to_vec()).ok()
    }
}

impl Key for u64 {
    fn encode(&self) -> Vec<u8> {
        self.to_be_bytes().to_vec()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self::from_be_bytes)
    }
}

impl Key for JobId {
    fn encode(&self) -> Vec<u8> {
        self.as_str().as_bytes().to_vec()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        Self::parse(std::str::from_utf8(bytes).ok()?).ok()
    }
}

impl Key for Sha256 {
    fn encode(&self) -> Vec<u8> {
        self.to_string().into_bytes()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        Self::parse(std::str::from_utf8(bytes).ok()?).ok()
    }
}

/// The first part of a pair ends with 00 01; a zero byte within it is written 00 ff.
impl<A: Key, B: Key> Key for (A, B) {
    fn encode(&self) -> Vec<u8> {
        let mut bytes = first_of_pair(&self.0);
        bytes.extend(self.1.encode());
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut first = Vec::new();
        let mut rest = bytes;
        loop {
            match rest {
                [0, 1, second @ ..] => return Some((A::decode(&first)?, B::decode(second)?)),
                [0, 0xff, more @ ..] => {
                    first.push(0);
                    rest = more;
                }
                [0, ..] | [] => return None,
                [byte, more @ ..] => {
                    first.push(*byte);
                    rest = more;
                }
            }
        }
    }
}

/// The prefix of every pair with this first part.
pub fn first_of_pair(first: &impl Key) -> Vec<u8> {
    let mut bytes = Vec::new();
    for byte in first.encode() {
        bytes.push(byte);
        if byte == 0 {
            bytes.push(0xff);
        }
    }
    bytes.extend([0, 1]);
    bytes
}
