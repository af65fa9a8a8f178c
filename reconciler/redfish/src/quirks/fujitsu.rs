// SPDX-License-Identifier: AGPL-3.0-or-later
//! Fujitsu iRMC S5 and S6.

use super::vendor::Vendor;
use super::{Seen, Traits};

/// `TransferProtocolType` is CIFS, HTTPS or NFS, never HTTP (terraform-provider-irmc-redfish,
/// `resource_virtual_media.go`).
pub(super) fn apply(seen: &Seen, traits: &mut Traits) {
    if seen.vendor == Vendor::Fujitsu {
        traits.images_need_https = true;
    }
}
