// SPDX-License-Identifier: AGPL-3.0-or-later
//! Which medium is in which drive. Pure: it says what is to change, [`crate::driver`] does it.

use shoal_testbed::bmc::{AttachedMedium, BootDevice, MediumKind};

use crate::log::Route;

/// Optical drives of a machine: the two first SATA ports, `/dev/sr0` and `/dev/sr1`.
pub(crate) const CD_DRIVES: usize = 2;
/// The bus of USB sticks.
pub(crate) const USB_BUS: &str = "usb";

/// The id of an optical drive.
pub(crate) fn cd(number: usize) -> String {
    format!("cd{number}")
}

/// Where a medium is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Drive {
    /// An optical drive, which is always there.
    Cd(usize),
    /// A USB stick, which comes and goes with the medium; by the BMC's slot.
    Usb(usize),
}

impl Drive {
    /// The id of the device.
    pub(crate) fn id(self) -> String {
        match self {
            Self::Cd(number) => cd(number),
            Self::Usb(slot) => format!("stick{slot}"),
        }
    }
}

/// A medium in a drive.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Loaded {
    pub(crate) drive: Drive,
    pub(crate) medium: AttachedMedium,
    /// The node of QEMU's that reads it.
    pub(crate) node: String,
    pub(crate) route: Route,
}

/// What is in the drives.
#[derive(Debug, Default)]
pub(crate) struct Drives(Vec<Loaded>);

impl Drives {
    /// Everything that is loaded.
    pub(crate) fn loaded(&self) -> &[Loaded] {
        &self.0
    }

    /// What is loaded and not wanted any more. A medium that was ejected and inserted again is another one.
    pub(crate) fn unwanted(&self, wanted: &[AttachedMedium]) -> Vec<Loaded> {
        let same = |loaded: &Loaded| wanted.iter().any(|medium| medium.insertion == loaded.medium.insertion);
        self.0.iter().filter(|loaded| !same(loaded)).cloned().collect()
    }

    /// What is wanted and not loaded yet, in slot order.
    pub(crate) fn missing(&self, wanted: &[AttachedMedium]) -> Vec<AttachedMedium> {
        let there =
            |medium: &AttachedMedium| self.0.iter().any(|loaded| loaded.medium.insertion == medium.insertion);
        wanted.iter().filter(|medium| !there(medium)).cloned().collect()
    }

    /// A drive for a medium: the first empty one.
    pub(crate) fn free(&self, medium: &AttachedMedium) -> Option<Drive> {
        match medium.kind {
            MediumKind::Usb => Some(Drive::Usb(medium.slot)),
            MediumKind::Cd => {
                let taken = |drive: &Drive| self.0.iter().any(|loaded| loaded.drive == *drive);
                (0..CD_DRIVES).map(Drive::Cd).find(|drive| !taken(drive))
            }
        }
    }

    /// Notes that a medium is in a drive.
    pub(crate) fn put(&mut self, loaded: Loaded) {
        self.0.push(loaded);
    }

    /// Notes that a drive is empty.
    pub(crate) fn take(&mut self, drive: Drive) {
        self.0.retain(|loaded| loaded.drive != drive);
    }

    /// Where firmware looks first: nothing means the disks, or a medium that is in no drive.
    pub(crate) fn first(&self, device: &BootDevice) -> Option<Drive> {
        let (BootDevice::Cd { slot } | BootDevice::Usb { slot }) = device else { return None };
        self.0.iter().find(|loaded| loaded.medium.slot == *slot).map(|loaded| loaded.drive)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn medium(slot: usize, kind: MediumKind, insertion: u64) -> AttachedMedium {
        let at = "2026-01-01T00:00:00Z".parse().expect("a time");
        let url = format!("http://127.0.0.1/{insertion}.iso");
        AttachedMedium { slot, id: slot.to_string(), kind, url, inserted_at: at, insertion }
    }

    fn put(drives: &mut Drives, medium: AttachedMedium) -> Option<Drive> {
        let drive = drives.free(&medium)?;
        let node = format!("m{}", medium.insertion);
        drives.put(Loaded { drive, node, medium, route: Route::Direct });
        Some(drive)
    }

    #[test]
    fn discs_take_the_first_empty_drive_and_a_third_finds_none() {
        let mut drives = Drives::default();
        assert_eq!(put(&mut drives, medium(0, MediumKind::Cd, 1)), Some(Drive::Cd(0)));
        assert_eq!(put(&mut drives, medium(2, MediumKind::Cd, 2)), Some(Drive::Cd(1)));
        assert_eq!(put(&mut drives, medium(3, MediumKind::Cd, 3)), None);
        assert_eq!(put(&mut drives, medium(1, MediumKind::Usb, 4)), Some(Drive::Usb(1)));
        drives.take(Drive::Cd(0));
        assert_eq!(put(&mut drives, medium(3, MediumKind::Cd, 3)), Some(Drive::Cd(0)));
    }

    #[test]
    fn an_image_that_was_inserted_again_is_changed_in_its_drive() {
        let mut drives = Drives::default();
        put(&mut drives, medium(0, MediumKind::Cd, 1));
        let again = vec![medium(0, MediumKind::Cd, 2)];
        assert_eq!(drives.unwanted(&again).len(), 1);
        assert_eq!(drives.missing(&again), again);
        let same = vec![medium(0, MediumKind::Cd, 1)];
        assert!(drives.unwanted(&same).is_empty() && drives.missing(&same).is_empty());
    }

    #[test]
    fn the_first_boot_device_is_the_drive_of_the_slot() {
        let mut drives = Drives::default();
        put(&mut drives, medium(1, MediumKind::Cd, 1));
        put(&mut drives, medium(0, MediumKind::Usb, 2));
        assert_eq!(drives.first(&BootDevice::Cd { slot: 1 }), Some(Drive::Cd(0)));
        assert_eq!(drives.first(&BootDevice::Usb { slot: 0 }), Some(Drive::Usb(0)));
        assert_eq!(drives.first(&BootDevice::Cd { slot: 3 }), None);
        assert_eq!(drives.first(&BootDevice::Disk), None);
    }
}
