// SPDX-License-Identifier: AGPL-3.0-or-later
//! Exports of a store, as a restore reads them.

use sha2::{Digest as _, Sha256};
use shoal_store::export::{ExportError, Importer, export};
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
    let verified = Importer::open(input).and_then(Importer::verify);
    let store = MemoryStore::new();
    let contents = match Importer::open(input).and_then(|importer| importer.import(&store)) {
        Ok(contents) => contents,
        Err(error) => {
            assert!(verified.is_err(), "verified, and then refused: {error:?}");
            assert!(!matches!(error, ExportError::NotEmpty(_) | ExportError::Io(..)), "{error:?}");
            let ledger = store.scan(Table::Meta, &Scan::ALL);
            assert!(
                ledger.is_ok_and(|rows| rows.is_empty()),
                "half an import that a controller would start on"
            );
            return false;
        }
    };
    assert_eq!(verified.ok().as_ref(), Some(&contents));
    let mut out = Vec::new();
    let snapshot = store.snapshot().expect("a store in memory");
    let count = export(snapshot, contents.about.clone(), &mut out).expect("a store in memory");
    assert_eq!(count, contents.entries);
    // The line that says what it is of may have been written in another way, by a later program.
    let entries = |bytes: &[u8]| bytes.splitn(3, |byte| *byte == b'\n').nth(2).map(<[u8]>::to_vec);
    let content = |bytes: &[u8]| entries(&bytes[..bytes.len() - DIGEST]);
    assert_eq!(content(&out), content(input), "what comes out is not what went in");
    true
}
