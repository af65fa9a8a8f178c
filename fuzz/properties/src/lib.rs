// SPDX-License-Identifier: AGPL-3.0-or-later
//! What holds for every input of the parsers that strangers reach. Test code: a function panics
//! where its property does not hold.
//!
//! Each function takes any bytes and says whether a parser took something of them, so that whoever
//! drives it sees that it is not only refusals that were tried. The fuzz targets drive them with what
//! the fuzzer invents, this crate's tests with the corpus and seeded mutations of it.

mod digests;
mod manifests;
mod names;
mod ranges;
mod redfish;

pub use digests::oci_digests;
pub use manifests::manifests;
pub use names::oci_names;
pub use ranges::ranges;
pub use redfish::{redfish_errors, redfish_links, redfish_resources, redfish_tasks};
