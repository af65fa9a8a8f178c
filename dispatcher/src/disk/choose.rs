// SPDX-License-Identifier: AGPL-3.0-or-later
//! Which disk is meant, and whether it will do.

use shoal_schema::disk::{DiskFacts, DiskSelector};

use super::layout::LayoutError;

/// What the selectors choose among a machine's disks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The task has no disk.
    NotWanted,
    /// Exactly one.
    One(DiskFacts),
    /// None, or several.
    Not(u32),
}

impl Choice {
    /// How many disks fit.
    pub fn matching(&self) -> u32 {
        match self {
            Self::NotWanted => 0,
            Self::One(_) => 1,
            Self::Not(count) => *count,
        }
    }
}

/// Why a disk cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// The disks cannot be listed.
    #[error("list the disks")]
    List(#[source] std::io::Error),
    /// The disk cannot be read.
    #[error("look at {disk}")]
    Inspect {
        /// The disk.
        disk: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// No disk fits.
    #[error("choose the disk ({selector}): none of {present} fits")]
    NoneFits {
        /// What was asked for.
        selector: String,
        /// How many disks there are.
        present: usize,
    },
    /// Several fit, so nobody knows which is meant.
    #[error("choose the disk ({selector}): {matching} of {present} fit, and only one may")]
    SeveralFit {
        /// What was asked for.
        selector: String,
        /// How many fit.
        matching: u32,
        /// How many disks there are.
        present: usize,
    },
    /// The layout has no place on it.
    #[error("use {disk}")]
    Layout {
        /// The disk.
        disk: String,
        /// Why not.
        #[source]
        source: LayoutError,
    },
    /// It must be blank and is not.
    #[error("use {disk}: it must be blank, and has {contents}")]
    NotBlank {
        /// The disk.
        disk: String,
        /// What is on it.
        contents: String,
    },
}

impl DiskError {
    /// A stable word.
    pub fn code(&self) -> &'static str {
        match self {
            Self::List(_) | Self::Inspect { .. } => "disk_unreadable",
            Self::NoneFits { .. } => "disk_not_found",
            Self::SeveralFit { .. } => "disk_ambiguous",
            Self::Layout { source: LayoutError::TooSmall { .. }, .. } => "disk_too_small",
            Self::Layout { .. } => "layout_invalid",
            Self::NotBlank { .. } => "disk_not_blank",
        }
    }
}

/// Chooses the disk that fits every selector given: the one that the plan names and the one of the recipe.
pub fn choose(selectors: &[&DiskSelector], disks: &[DiskFacts]) -> Choice {
    if selectors.is_empty() {
        return Choice::NotWanted;
    }
    let mut fitting = disks.iter().filter(|disk| {
        // Arrays and volumes consist of disks that are in the list as well: only by name.
        let composed = disk.path.starts_with("/dev/md") || disk.path.starts_with("/dev/mapper/");
        let named = selectors.iter().any(|selector| selector.path.is_some());
        (!composed || named) && selectors.iter().all(|selector| selector.matches(disk))
    });
    match (fitting.next(), fitting.count()) {
        (Some(disk), 0) => Choice::One(disk.clone()),
        (first, more) => {
            Choice::Not(u32::from(first.is_some()) + u32::try_from(more).unwrap_or(u32::MAX - 1))
        }
    }
}

#[cfg(test)]
mod tests {
    use shoal_schema::size::ByteSize;

    use super::*;

    fn disk(path: &str, serial: &str, gib: u64) -> DiskFacts {
        DiskFacts {
            path: path.to_owned(),
            serial: Some(serial.to_owned()),
            wwn: None,
            size_bytes: gib << 30,
            rotational: Some(false),
        }
    }

    #[test]
    fn a_disk_must_fit_every_selector_and_be_the_only_one() {
        let disks = [disk("/dev/sda", "A", 10), disk("/dev/sdb", "B", 10)];
        let serial = DiskSelector { serial: Some("B".to_owned()), ..DiskSelector::default() };
        let large = DiskSelector { min_size: Some(ByteSize::from_bytes(5 << 30)), ..DiskSelector::default() };
        let first = DiskSelector { path: Some("/dev/sda".to_owned()), ..DiskSelector::default() };
        assert_eq!(choose(&[], &disks), Choice::NotWanted);
        assert_eq!(choose(&[&serial, &large], &disks), Choice::One(disks[1].clone()));
        assert_eq!(choose(&[&large], &disks), Choice::Not(2));
        assert_eq!(choose(&[&serial, &first], &disks), Choice::Not(0));
    }

    #[test]
    fn an_array_is_chosen_by_name_only() {
        let disks = [disk("/dev/sda", "A", 10), disk("/dev/md0", "M", 10)];
        let large = DiskSelector { min_size: Some(ByteSize::from_bytes(5 << 30)), ..DiskSelector::default() };
        let named = DiskSelector { path: Some("/dev/md0".to_owned()), ..DiskSelector::default() };
        assert_eq!(choose(&[&large], &disks), Choice::One(disks[0].clone()));
        assert_eq!(choose(&[&named], &disks), Choice::One(disks[1].clone()));
    }
}
