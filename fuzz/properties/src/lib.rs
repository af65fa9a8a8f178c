// SPDX-License-Identifier: AGPL-3.0-or-later
//! What holds for every input of the parsers that strangers reach. Test code: a function panics
//! where its property does not hold.
//!
//! Each function takes any bytes and says whether a parser took something of them, so that whoever
//! drives it sees that it is not only refusals that were tried. The fuzz targets drive them with what
//! the fuzzer invents, this crate's tests with the corpus and seeded mutations of it.

mod capability;
mod digests;
mod inventory;
mod iso_reader;
mod manifests;
mod names;
mod plan_file;
mod ranges;
mod recipe;
mod redfish;
mod store_export;
mod store_rows;
mod webhook;

pub use capability::capability;
pub use digests::oci_digests;
pub use inventory::inventory;
pub use iso_reader::iso_reader;
pub use manifests::manifests;
pub use names::oci_names;
pub use plan_file::plan;
pub use ranges::ranges;
pub use recipe::recipe;
pub use redfish::{redfish_errors, redfish_links, redfish_resources, redfish_tasks};
pub use store_export::store_export;
pub use store_rows::store_rows;
pub use webhook::webhook;
