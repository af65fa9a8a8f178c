// SPDX-License-Identifier: AGPL-3.0-or-later
//! Supermicro, as far as its own firmware goes; its OpenBMC machines are like OpenBMC.

use super::vendor::Vendor;
use super::{Seen, Traits};

/// Models whose virtual CD is `Cd` all the same (sushy `system.py`).
const PLAIN_CD_MODELS: [&str; 1] = ["ars-111gl-nhr"];

/// * The virtual CD is `UsbCd` where both are listed (sushy `system.py`).
/// * The boot PATCH must carry all three, else the BMC sets the mode to Legacy (ironic stories
///   2008547, 2008252, 2008712).
/// * X11 and X12 refuse `Inserted` and `WriteProtected` ("not in the list of valid
///   properties", community.general #4839), X12 refuses `?` and `=` in the address (ironic).
/// * Slots of the name `VirtualMediaN` are independent (recording of a SYS-821GE-TNHR). `CD1`
///   and the like are of older firmware, and nobody reports two images at a time there.
pub(super) fn apply(seen: &Seen, traits: &mut Traits) {
    if seen.vendor != Vendor::Supermicro || seen.is_openbmc {
        return;
    }
    let model = seen.model.to_ascii_lowercase();
    traits.usb_cd_is_the_virtual_cd = !PLAIN_CD_MODELS.iter().any(|plain| model.contains(plain));
    traits.boot_override_needs_all_three = true;
    traits.insert_takes_the_image_only = true;
    traits.image_address_takes_no_query = true;
    traits.one_image_at_a_time = !seen.slot_ids.iter().all(|id| id.starts_with("VirtualMedia"));
}
