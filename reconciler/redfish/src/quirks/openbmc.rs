// SPDX-License-Identifier: AGPL-3.0-or-later
//! OpenBMC (bmcweb), whoever built the machine: NVIDIA, Supermicro GB, Cisco C845A.

use super::{Seen, Traits};

/// `InsertMedia` takes `smb` and `https` only; `http` is answered with
/// `ResourceAtUriInUnknownFormat` (bmcweb `virtual_media.hpp`; openbmc #3991).
pub(super) fn apply(seen: &Seen, traits: &mut Traits) {
    if seen.is_openbmc {
        traits.images_need_https = true;
    }
}
