// SPDX-License-Identifier: AGPL-3.0-or-later
//! The disk: which one is meant, what is on it, and whether it will do.

mod choose;
mod fat;
mod inspect;
mod layout;
mod signature;
mod table;
mod window;

pub use choose::{Choice, DiskError, choose};
pub use fat::{FatError, read_file as read_fat_file};
pub use inspect::{Inspection, inspect};
pub use layout::{LayoutError, Place, place, type_guid};
pub use table::{GptEntry, TableError, read_gpt};
