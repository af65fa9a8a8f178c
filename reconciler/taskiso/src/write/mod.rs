// SPDX-License-Identifier: AGPL-3.0-or-later
//! The ISO 9660 writer: `tree` arranges the files, `hierarchy` makes the two directory trees out
//! of it, `layout` gives everything its sector and writes it down; the others encode one
//! structure each.
//!
//! # Guarantees
//!
//! * The image is a function of files, pad, volume identifier and time.
//! * ECMA-119 interchange level 2: one extent a file, identifiers of up to 31 characters.
//! * Nothing here fails: the sets handed in are checked by [`crate::TaskFiles`] and
//!   [`crate::build_volume`].

mod descriptor;
mod fields;
mod hierarchy;
mod layout;
mod names;
mod path_table;
mod record;
mod stamp;
mod susp;
mod tree;

pub(crate) use layout::Layout;
pub(crate) use stamp::Stamp;
