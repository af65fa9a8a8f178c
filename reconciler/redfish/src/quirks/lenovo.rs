// SPDX-License-Identifier: AGPL-3.0-or-later
//! Lenovo XCC.

use super::vendor::Vendor;
use super::{Seen, Traits};

/// * No `InsertMedia`: slots are patched (sushy; recording of an SR670 V2; pubs.lenovo.com
///   xcc-restapi).
/// * `RDOC*` are for uploads, `Remote*` for the console; both refuse an address
///   (python-redfish-lenovo #21: Ironic's loop failed on RDOC).
/// * The first XCC takes HTTP only; XCC2 added HTTPS and moved the slots under the system
///   (pubs.lenovo.com xcc, xcc2).
pub(super) fn apply(seen: &Seen, traits: &mut Traits) {
    if seen.vendor != Vendor::Lenovo || !seen.slot_ids.iter().any(|id| id.starts_with("EXT")) {
        return;
    }
    traits.slots_take_patch_unsaid = true;
    traits.only_ext_slots_take_addresses = true;
    traits.images_need_http = !seen.has_system_view;
}
