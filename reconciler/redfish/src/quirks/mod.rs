// SPDX-License-Identifier: AGPL-3.0-or-later
//! What is different about this BMC, decided once from what discovery saw.
//!
//! Each field of [`Traits`] is named after what it works around; each rule lives in one file,
//! with its source in a comment. Operations ask the traits and never the vendor. All of it
//! comes from recordings, other projects' sources and reports, none from our own hardware: a
//! rule that is wrong must fail soft, since every write is read back anyway.

mod ami;
mod dell;
mod fujitsu;
mod ibmc;
mod lenovo;
mod openbmc;
mod supermicro;
pub(crate) mod vendor;

use vendor::Vendor;

/// What discovery saw before any decision.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) vendor: Vendor,
    /// `Model` of the system.
    pub(crate) model: String,
    /// The manager calls itself OpenBMC, whoever built the machine.
    pub(crate) is_openbmc: bool,
    /// The system itself has virtual media, not only its manager.
    pub(crate) has_system_view: bool,
    /// Ids of the slots of the preferred view.
    pub(crate) slot_ids: Vec<String>,
}

/// What is different about this BMC.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traits {
    /// Every change of the boot override carries target, enabled and mode.
    pub boot_override_needs_all_three: bool,
    /// The virtual CD is `UsbCd`; `Cd` is a physical drive.
    pub usb_cd_is_the_virtual_cd: bool,
    /// Changing the boot mode makes a firmware job and a restart, so it is left alone.
    pub boot_mode_change_is_a_firmware_job: bool,
    /// An insert carries the image only: `Inserted` and `WriteProtected` are refused.
    pub insert_takes_the_image_only: bool,
    /// Image addresses with `?` or `=` are refused.
    pub image_address_takes_no_query: bool,
    /// Slots are changed by PATCH although neither actions nor `Allow` say so.
    pub slots_take_patch_unsaid: bool,
    /// Only slots whose id starts with `EXT` take an address; the others are for uploads and
    /// the console.
    pub only_ext_slots_take_addresses: bool,
    /// A second image at the same time fails, whatever the slots look like.
    pub one_image_at_a_time: bool,
    /// `http` images are refused.
    pub images_need_https: bool,
    /// `https` images are refused.
    pub images_need_http: bool,
}

/// Decides all traits.
pub(crate) fn decide(seen: &Seen) -> Traits {
    let mut traits = Traits::default();
    for rule in [
        ami::apply,
        dell::apply,
        fujitsu::apply,
        ibmc::apply,
        lenovo::apply,
        openbmc::apply,
        supermicro::apply,
    ] {
        rule(seen, &mut traits);
    }
    traits
}
