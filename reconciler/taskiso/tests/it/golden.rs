// SPDX-License-Identifier: AGPL-3.0-or-later
//! The same bytes everywhere.

use proptest::prelude::*;

use crate::sets::{EPOCH, JOB, LABEL, fixed, maintenance, medium, random, set};
use shoal_taskiso::{Composed, DEFAULT_LIMIT, DEFAULT_RAW_MULTIPLE, ReadAt, TaskMedium, build, raw_image};

#[test]
fn the_fixed_medium_has_the_digest_it_always_had() {
    let iso = medium(&fixed());
    assert_eq!(iso.volume_id, LABEL);
    assert_eq!(iso.bytes.len(), 100_352);
    // A change here is a change of every medium in the field: say so in the commit.
    assert_eq!(iso.sha256_hex(), "74d1e47fbf67908f632f3ef4d7545e5fb6316882c6194521af757c945448f924");
}

#[test]
fn the_fixed_raw_image_has_the_digest_it_always_had() {
    let raw = raw_image(&medium(&fixed()), DEFAULT_RAW_MULTIPLE).expect("a mebibyte");
    assert_eq!(raw.sha256_hex(), "5a1ee2148ac632f5be9cea86dd94a19a1f7a88634d88b194384904908963c4f4");
}

#[test]
fn the_fixed_composed_image_has_its_task_where_it_always_was() {
    let composed = Composed::new(maintenance().bytes, &medium(&fixed())).expect("two volumes");
    assert_eq!(composed.task_offset(), 131_072);
    assert_eq!(composed.len(), 262_144);
}

#[test]
fn the_time_is_all_that_another_epoch_changes() {
    let build_at = |epoch| {
        let spec =
            TaskMedium { job_id: JOB.into(), files: set(&fixed()), epoch, pad: 0, limit: DEFAULT_LIMIT };
        build(&spec).expect("a small medium").bytes
    };
    let (one, two) = (build_at(EPOCH), build_at(EPOCH + 1));
    let changed: Vec<_> = one.iter().zip(&two).filter(|(a, b)| a != b).collect();
    assert_eq!(one.len(), two.len());
    // 22:13:20 becomes 22:13:21: a binary second, or its last digit.
    assert!(!changed.is_empty());
    for pair in changed {
        assert!(matches!(pair, (20, 21) | (b'0', b'1')), "{pair:?}");
    }
}

proptest! {
    #[test]
    fn the_order_of_insertion_leaves_no_trace(
        (files, shuffled) in random(24)
            .prop_flat_map(|files| (Just(files.clone()), Just(files).prop_shuffle()))
    ) {
        prop_assert_eq!(medium(&files), medium(&shuffled));
    }
}
