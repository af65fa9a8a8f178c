// SPDX-License-Identifier: AGPL-3.0-or-later
//! Disk selectors: stable, and possible.

use shoal_schema::disk::DiskSelector;
use shoal_schema::kinds::ImageVersion;

use super::{At, Finding};
use crate::codes;

/// What can be said about a selector alone. `at` makes the place of a field of it.
pub(super) fn selector(disk: &DiskSelector, at: impl Fn(&str) -> At) -> Vec<Finding> {
    let mut findings = Vec::new();
    if disk.path.is_some() && !disk.is_stable() {
        findings.push(
            Finding::warning(
                codes::DISK_UNSTABLE,
                at("/path"),
                "kernel names move between boots: another disk may have this one at the next",
            )
            .hint("choose the disk by `serial` or `wwn`, or by size where there is only one"),
        );
    }
    if let (Some(least), Some(most)) = (disk.min_size, disk.max_size)
        && least > most
    {
        let message = format!("no disk has at least {least} and at most {most}");
        findings.push(Finding::error(codes::DISK_RANGE, at("/minSize"), message));
    }
    findings
}

/// Whether the disk that is chosen can hold an image.
pub(super) fn holds(disk: &DiskSelector, image: &ImageVersion, at: impl FnOnce() -> At) -> Option<Finding> {
    let (most, needed) = (disk.max_size?, image.min_disk?);
    (most < needed).then(|| {
        let message = format!("the image needs a disk of {needed}, and this one has at most {most}");
        Finding::error(codes::DISK_TOO_SMALL, at(), message)
    })
}
