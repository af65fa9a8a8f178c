// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a BMC is told about itself: the machine it manages, who may log in, how it starts.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::machine::Machine;
use super::profiles::Profile;
use crate::faults::SplitMix;

/// The identity of a machine, as its firmware tables and its BMC report it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// DMI product serial: what the machine itself says it is. On Dell this is the service tag, which Redfish shows
    /// as `SKU`; elsewhere Redfish shows it as `SerialNumber`.
    pub serial: String,
    /// DMI board serial. Only Dell's Redfish shows it, as `SerialNumber`.
    pub board_serial: String,
    /// Redfish `SKU` where it is not the service tag.
    pub sku: String,
    /// DMI system UUID.
    pub uuid: Uuid,
    /// MAC addresses of the host's interfaces, in the order of the profile's interface ids.
    pub macs: Vec<String>,
    /// MAC address of the BMC's own interface.
    pub bmc_mac: String,
    /// Disks of the machine. Redfish does not show them here; the simulated machine does.
    pub disks: Vec<Disk>,
}

/// A disk of the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Disk {
    /// Kernel name, `/dev/sda`.
    pub path: String,
    /// Serial number.
    pub serial: String,
    /// World wide name, without `0x`.
    pub wwn: Option<String>,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Whether it spins.
    pub rotational: bool,
}

impl Identity {
    /// A made-up identity: the same for the same seed and index, different for any other index.
    pub fn numbered(seed: u64, index: usize) -> Self {
        let mut random = SplitMix(seed ^ (index as u64).wrapping_mul(0x2545_f491_4f6c_dd1d));
        let mut bytes = [0_u8; 16];
        bytes[..8].copy_from_slice(&random.next().to_be_bytes());
        bytes[8..].copy_from_slice(&random.next().to_be_bytes());
        let number = index as u64 & 0xff_ffff;
        let tail = number.to_be_bytes();
        Self {
            serial: format!("SB{number:05}{:04X}", random.next() & 0xffff),
            board_serial: format!("CNTB{number:05}{:04X}", random.next() & 0xffff),
            sku: format!("TB{:06X}", random.next() & 0xff_ffff),
            uuid: uuid::Builder::from_random_bytes(bytes).into_uuid(),
            macs: (0..2_u8)
                .map(|port| format!("02:5b:{:02x}:{:02x}:{:02x}:{port:02x}", tail[5], tail[6], tail[7]))
                .collect(),
            bmc_mac: format!("02:5b:{:02x}:{:02x}:{:02x}:fe", tail[5], tail[6], tail[7]),
            disks: vec![Disk {
                path: "/dev/sda".to_owned(),
                serial: format!("TBD{number:08}"),
                wwn: Some(format!("5000c5{:010x}", random.next() & 0xff_ffff_ffff)),
                size_bytes: 480_103_981_056,
                rotational: false,
            }],
        }
    }
}

/// A password: compared in constant time, wiped when dropped, never printed.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// Takes the password over.
    pub fn new(password: String) -> Self {
        Self(Zeroizing::new(password))
    }

    /// Whether `given` is this password.
    pub(crate) fn is(&self, given: &str) -> bool {
        self.0.as_bytes().ct_eq(given.as_bytes()).into()
    }
}

/// The one administrator account of a BMC.
#[derive(Clone)]
pub struct Credentials {
    /// User name.
    pub user: String,
    /// Password.
    pub password: Password,
}

/// One BMC of a farm.
#[derive(Clone)]
pub struct BmcConfig {
    /// The model it imitates.
    pub profile: &'static Profile,
    /// The machine behind it.
    pub identity: Identity,
    /// Who may log in.
    pub credentials: Credentials,
    /// The machine itself.
    pub machine: Arc<dyn Machine>,
    /// Whether the machine is on at the start, with its own system running from disk.
    pub powered_on: bool,
    /// How many records the request log keeps.
    pub log_capacity: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbered_identities_are_stable_and_distinct() {
        assert_eq!(Identity::numbered(1, 5), Identity::numbered(1, 5));
        let serials: std::collections::HashSet<_> =
            (0..2000).map(|n| Identity::numbered(1, n).serial).collect();
        assert_eq!(serials.len(), 2000);
        assert_ne!(Identity::numbered(1, 5).uuid, Identity::numbered(2, 5).uuid);
    }
}
