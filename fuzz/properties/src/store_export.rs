// SPDX-License-Identifier: AGPL-3.0-or-later
//! Exports of a store, as a restore reads them.

use std::io::Cursor;

use sha2::{Digest as _, Sha256};
use shoal_store::export::{ExportError, export, import, verify};
use shoal_store::{MemoryStore, Reader, Scan, Store, Table};

/// Bytes of the digest at the end.
const DIGEST: usize = 32;

/// The input as an export, and once more with the digest that its content has.
///
/// # Panics
///
/// Where what is refused leaves something behind, where what is taken is not what comes out again byte
/// for byte, or where a stream is taken that was cut, lengthened or changed.
pub fn store_export(input: &[u8]) -> bool {
    let taken = imported(input);
    if taken {
        let mut changed = input.to_vec();
        let at = changed.iter().map(|byte| usize::from(*byte)).sum::<usize>() % changed.len();
        changed[at] ^= 1;
        assert!(!imported(&changed), "byte {at} was changed");
        assert!(!imported(&input[..at]), "cut at {at}");
        assert!(!imported(&[input, b"\n"].concat()), "something follows");
    }
    // A fuzzer finds no digests: what is behind them is reached only so.
    let content = &input[..input.len().saturating_sub(DIGEST)];
    let sealed = [content, Sha256::digest(content).as_slice()].concat();
    let sealed = imported(&sealed);
    taken || sealed
}

fn imported(input: &[u8]) -> bool {
    let verified = verify(&mut &*input);
    let store = MemoryStore::new();
    let count = match import(&store, &mut Cursor::new(input)) {
        Ok(count) => count,
        Err(error) => {
            assert!(verified.is_err(), "verified, and then refused: {error:?}");
            assert!(!matches!(error, ExportError::NotEmpty(_) | ExportError::Io(..)), "{error:?}");
            let empty = |table: &Table| store.scan(*table, &Scan::ALL).is_ok_and(|rows| rows.is_empty());
            assert!(Table::ALL.iter().all(empty), "half an import");
            return false;
        }
    };
    assert_eq!(verified.ok(), Some(count));
    let mut out = Vec::new();
    let snapshot = store.snapshot().expect("a store in memory");
    assert_eq!(export(snapshot.as_ref(), &mut out).expect("a store in memory"), count);
    assert_eq!(out, input, "what comes out is not what went in");
    true
}
