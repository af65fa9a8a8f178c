// SPDX-License-Identifier: AGPL-3.0-or-later
//! Partition layouts: shares add up, labels differ, and what a workflow boots from is there.

use std::collections::HashMap;

use shoal_core::inventory::Located;
use shoal_schema::disk::{Format, Partition};
use shoal_schema::kinds::Recipe;
use shoal_schema::size::PartitionSize;

use super::{At, Finding};
use crate::codes;

/// The EFI system partition, as sgdisk code and GUID (UEFI 2.10 §5.3.3).
const ESP: [&str; 2] = ["ef00", "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"];
/// Linux: file system data, root for x86-64 and arm64 (Discoverable Partitions Specification), RAID
/// and LVM.
const LINUX: [&str; 6] = [
    "8300",
    "0fc63daf-8483-4772-8e79-3d69d8477de4",
    "4f68bce3-e8cd-4db1-96e7-fbcaf984b709",
    "b921b045-1df0-41c3-af44-4c6f280d3fae",
    "fd00",
    "a19d880f-05fc-4d3b-a006-743f0f84911e",
];
/// Microsoft reserved.
const MSR: [&str; 2] = ["0c01", "e3c9e316-0b5c-4db8-817d-f92df00215ae"];
/// Microsoft basic data.
const BASIC_DATA: [&str; 2] = ["0700", "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7"];

fn is(partition: &Partition, types: &[&str]) -> bool {
    types.iter().any(|known| partition.type_guid.eq_ignore_ascii_case(known))
}

pub(super) fn check(recipe: &Located<Recipe>) -> Vec<Finding> {
    let layout = &recipe.value.spec.layout;
    let mut findings = Vec::new();
    let share: u32 = layout
        .iter()
        .map(|partition| match partition.size {
            PartitionSize::Percent(share) => u32::from(share),
            PartitionSize::Bytes(_) => 0,
        })
        .sum();
    if share > 100 {
        let message = format!("the shares add up to {share} %: more than what the fixed sizes leave");
        findings.push(Finding::error(codes::LAYOUT_PERCENT, At::of(recipe, "/spec/layout").key(), message));
    }
    let mut labels: HashMap<&str, usize> = HashMap::new();
    for (index, partition) in layout.iter().enumerate() {
        let Some(label) = partition.label.as_deref() else { continue };
        if let Some(first) = labels.get(label) {
            let at = At::of(recipe, format!("/spec/layout/{index}/label"));
            findings.push(
                Finding::error(codes::LAYOUT_LABEL, at, "another partition has the same label")
                    .related("first here", At::of(recipe, format!("/spec/layout/{first}/label"))),
            );
        } else {
            labels.insert(label, index);
        }
    }
    findings
}

/// What Linux boots from.
pub(super) fn linux(recipe: &Located<Recipe>) -> Vec<Finding> {
    let layout = &recipe.value.spec.layout;
    let mut findings = esp(recipe);
    let root = |partition: &Partition| {
        is(partition, &LINUX) && matches!(partition.format, Format::Ext4 | Format::Xfs | Format::Btrfs)
    };
    if !layout.iter().any(root) {
        findings.push(role(recipe, "a root: type `8300` with `ext4`, `xfs` or `btrfs`"));
    }
    findings
}

/// What Windows boots from.
pub(super) fn windows(recipe: &Located<Recipe>) -> Vec<Finding> {
    let layout = &recipe.value.spec.layout;
    let mut findings = esp(recipe);
    match layout.iter().enumerate().find(|(_, partition)| is(partition, &MSR)) {
        None => findings.push(role(recipe, "a Microsoft reserved partition: type `0c01`")),
        Some((index, partition)) if partition.format != Format::Raw => {
            let at = At::of(recipe, format!("/spec/layout/{index}/format"));
            let message = "a Microsoft reserved partition is never formatted";
            findings.push(Finding::warning(codes::LAYOUT_ROLE, at, message).hint("use `raw`"));
        }
        Some(_) => {}
    }
    if !layout.iter().any(|partition| is(partition, &BASIC_DATA) && partition.format == Format::Ntfs) {
        findings.push(role(recipe, "a partition for Windows: type `0700` with `ntfs`"));
    }
    findings
}

fn esp(recipe: &Located<Recipe>) -> Vec<Finding> {
    match recipe.value.spec.layout.iter().enumerate().find(|(_, partition)| is(partition, &ESP)) {
        None => vec![role(recipe, "an EFI system partition: type `ef00` with `vfat`")],
        Some((index, partition)) if partition.format != Format::Vfat => {
            let at = At::of(recipe, format!("/spec/layout/{index}"));
            let message = "firmware reads an EFI system partition only with `vfat`";
            vec![Finding::warning(codes::LAYOUT_ROLE, at, message).hint("use `format: vfat`")]
        }
        Some(_) => Vec::new(),
    }
}

fn role(recipe: &Located<Recipe>, what: &str) -> Finding {
    let at = At::of(recipe, "/spec/layout").key();
    Finding::warning(codes::LAYOUT_ROLE, at, format!("the layout lacks {what}"))
}
