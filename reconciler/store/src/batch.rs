// SPDX-License-Identifier: AGPL-3.0-or-later
//! Conditional batches: all checks hold and all writes happen, or nothing does.

use crate::{CommitError, ReadError, Reader, Table};

/// The longest key, in bytes.
pub const MAX_KEY_BYTES: usize = 1024;

/// The largest value, in bytes. Task media carry at most 1 MiB of user-data, so records stay far
/// below; other engines have limits of this order.
pub const MAX_VALUE_BYTES: usize = 8 << 20;

/// What must hold, and what is then written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// Tested in order against the state before the batch; the first that fails is reported.
    pub checks: Vec<Check>,
    /// Applied in order.
    pub writes: Vec<Write>,
}

/// A condition on one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// The table.
    pub table: Table,
    /// The key.
    pub key: Vec<u8>,
    /// What must be there.
    pub expect: Expect,
}

/// What a check expects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expect {
    /// No value.
    Absent,
    /// Some value.
    Exists,
    /// Exactly these bytes.
    Value(Vec<u8>),
}

/// A change of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Sets a value.
    Put {
        /// The table.
        table: Table,
        /// The key.
        key: Vec<u8>,
        /// The value.
        value: Vec<u8>,
    },
    /// Removes a value; one that is absent stays absent.
    Delete {
        /// The table.
        table: Table,
        /// The key.
        key: Vec<u8>,
    },
    /// Adds to a counter: eight bytes, big-endian; an absent one counts as zero. Several batches
    /// may add to one counter at the same time without failing each other's checks.
    Add {
        /// The table.
        table: Table,
        /// The key.
        key: Vec<u8>,
        /// The amount.
        amount: u64,
    },
}

impl Batch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a check.
    pub fn check(&mut self, table: Table, key: impl Into<Vec<u8>>, expect: Expect) {
        self.checks.push(Check { table, key: key.into(), expect });
    }

    /// Adds a [`Write::Put`].
    pub fn put(&mut self, table: Table, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.writes.push(Write::Put { table, key: key.into(), value: value.into() });
    }

    /// Adds a [`Write::Delete`].
    pub fn delete(&mut self, table: Table, key: impl Into<Vec<u8>>) {
        self.writes.push(Write::Delete { table, key: key.into() });
    }

    /// Adds a [`Write::Add`].
    pub fn add(&mut self, table: Table, key: impl Into<Vec<u8>>, amount: u64) {
        self.writes.push(Write::Add { table, key: key.into(), amount });
    }

    /// Appends the checks and writes of another batch.
    pub fn append(&mut self, mut other: Self) {
        self.checks.append(&mut other.checks);
        self.writes.append(&mut other.writes);
    }

    /// Nothing to test and nothing to write.
    pub fn is_empty(&self) -> bool {
        self.checks.is_empty() && self.writes.is_empty()
    }

    /// Whether a store holds what this batch writes: for whoever was told [`CommitError::Unknown`]. Counters are
    /// not looked at, for others may have added to them; a batch of nothing but those is never found.
    ///
    /// # Errors
    /// The store cannot be read, so that it is still unknown.
    pub fn is_kept_by(&self, reader: &(impl Reader + ?Sized)) -> Result<bool, ReadError> {
        let mut any = false;
        for write in &self.writes {
            let (table, key, wanted) = match write {
                Write::Put { table, key, value } => (*table, key, Some(value)),
                Write::Delete { table, key } => (*table, key, None),
                Write::Add { .. } => continue,
            };
            if reader.get(table, key)?.as_ref() != wanted {
                return Ok(false);
            }
            any = true;
        }
        Ok(any)
    }

    /// Bytes of keys and values to be written, about.
    pub(crate) fn weight(&self) -> usize {
        self.writes
            .iter()
            .map(|write| match write {
                Write::Put { key, value, .. } => key.len() + value.len(),
                Write::Delete { key, .. } | Write::Add { key, .. } => key.len() + 8,
            })
            .sum()
    }

    /// Refuses keys and values that no engine has to take.
    pub(crate) fn validate(&self) -> Result<(), CommitError> {
        for check in &self.checks {
            validate_key(check.table, &check.key)?;
        }
        for write in &self.writes {
            match write {
                Write::Put { table, key, value } => {
                    validate_key(*table, key)?;
                    if value.len() > MAX_VALUE_BYTES {
                        let (table, key, size) = (*table, key.clone(), value.len());
                        return Err(CommitError::ValueTooLarge { table, key, size });
                    }
                }
                Write::Delete { table, key } | Write::Add { table, key, .. } => validate_key(*table, key)?,
            }
        }
        Ok(())
    }
}

fn validate_key(table: Table, key: &[u8]) -> Result<(), CommitError> {
    if (1..=MAX_KEY_BYTES).contains(&key.len()) {
        Ok(())
    } else {
        Err(CommitError::KeySize { table, size: key.len() })
    }
}

/// Eight bytes of a counter, as [`Write::Add`] keeps it.
pub(crate) fn counter_bytes(value: u64) -> Vec<u8> {
    value.to_be_bytes().to_vec()
}

/// Reads what [`counter_bytes`] made; `None` where it is something else.
pub(crate) fn counter_value(bytes: &[u8]) -> Option<u64> {
    bytes.try_into().ok().map(u64::from_be_bytes)
}
