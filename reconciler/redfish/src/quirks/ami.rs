// SPDX-License-Identifier: AGPL-3.0-or-later
//! AMI MegaRAC and what is built on it.

use super::vendor::Vendor;
use super::{Seen, Traits};

/// The boot triple on each change: ironic `redfish/management.py` lists AMI and ASRockRack.
/// Gigabyte runs AMI and falls back to mode Legacy when none is sent (Cray's recording of an
/// H262).
pub(super) fn apply(seen: &Seen, traits: &mut Traits) {
    if matches!(seen.vendor, Vendor::Ami | Vendor::AsrockRack | Vendor::Gigabyte) {
        traits.boot_override_needs_all_three = true;
    }
}
