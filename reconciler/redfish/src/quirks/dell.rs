// SPDX-License-Identifier: AGPL-3.0-or-later
//! Dell iDRAC.

use super::vendor::Vendor;
use super::{Seen, Traits};

/// * iDRAC9 from 6.00 and iDRAC10 have virtual media under the system, two of them. Older ones
///   have `CD` and `RemovableDisk` under the manager only, and users report that the second
///   insert fails whichever comes first (iDRAC-Redfish-Scripting #290, #241). Told apart by
///   the view and not by version: iDRAC10 started again at 1.x.
/// * A change of the boot mode is a firmware job with a restart (iDRAC-Redfish-Scripting).
pub(super) fn apply(seen: &Seen, traits: &mut Traits) {
    if seen.vendor != Vendor::Dell {
        return;
    }
    traits.one_image_at_a_time = !seen.has_system_view;
    traits.boot_mode_change_is_a_firmware_job = true;
}
