// SPDX-License-Identifier: AGPL-3.0-or-later
//! xFusion iBMC (and Huawei's, its ancestor).

use super::vendor::Vendor;
use super::{Seen, Traits};

/// xFusion V7 takes Nfs, Cifs and https (bootwright's fixture of a 2288H V7, 3.08.05.85).
/// Huawei's own takes no HTTP at all and has no `InsertMedia`; it ends up without a slot.
pub(super) fn apply(seen: &Seen, traits: &mut Traits) {
    if seen.vendor == Vendor::Xfusion {
        traits.images_need_https = true;
    }
}
