// SPDX-License-Identifier: AGPL-3.0-or-later
//! `task.json` on the task medium: who the machine must be, where the controller is, one token.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::disk::DiskSelector;
use crate::kinds::{ImageFormat, OnFailure};
use crate::network::{Interface, Mac};
use crate::secret_value::{SecretString, on_the_wire};
use crate::{JobId, LedgerId, Sha256};

/// The only value of `format` so far.
pub const TASK_FORMAT: u32 = 1;

/// The prefix of a task medium's volume label; 27 hex digits of the job follow.
pub const TASK_LABEL_PREFIX: &str = "TASK_";

/// What a task medium says beside the recipe.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// The version of this shape: 1.
    pub format: u32,
    /// The job.
    pub job_id: JobId,
    /// Which attempt of it; older media are refused.
    pub attempt: u32,
    /// The controller's epoch; lower ones are refused.
    pub epoch: u64,
    /// The database that the job belongs to.
    pub ledger: LedgerId,
    /// The server's name, for logs.
    pub server: String,
    /// The plan entry that is carried out.
    pub entry_digest: Sha256,
    /// Who the machine must be.
    pub identity: Identity,
    /// The disk to install on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<DiskSelector>,
    /// The machine must find the disk blank, or nothing is written.
    pub require_blank: bool,
    /// How the image is packed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_format: Option<ImageFormat>,
    /// Where the controller is.
    pub callback: Callback,
    /// The one token of this attempt: permit, webhook, images.
    #[serde(serialize_with = "on_the_wire::required")]
    pub token: SecretString,
    /// The machine's own network; DHCP without it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub network: Vec<Interface>,
    /// What is left after a failure behind the permit.
    pub on_failure: OnFailure,
}

/// Where the controller is, and how its certificate is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Callback {
    /// Scheme, host and port; routes are appended.
    pub url: String,
    /// SHA-256 of acceptable public keys (SPKI), 64 hex digits. Any of them will do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pins: Vec<String>,
}

/// Who a machine is. One strong match and no contradiction, see [`Identity::judge`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// Serial number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// SMBIOS UUID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    /// Hardware addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub macs: Vec<Mac>,
    /// On Dell the service tag is known as the SKU; nowhere else does a SKU count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sku: Option<String>,
}

/// What comparing two identities gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentityVerdict {
    /// A strong match and no contradiction.
    Same,
    /// Something contradicts: which, wanted, seen.
    Contradiction {
        /// `serial`, `uuid` or `mac`.
        what: &'static str,
        /// What was expected.
        wanted: String,
        /// What the machine says.
        seen: String,
    },
    /// Nothing contradicts, but nothing strong matches either.
    Unproven,
}

/// Serial numbers that mainboards carry when nobody set one; they prove nothing.
const PLACEHOLDER_SERIALS: [&str; 14] = [
    "",
    "0",
    "none",
    "unknown",
    "default string",
    "to be filled by o.e.m.",
    "not specified",
    "not applicable",
    "n/a",
    "system serial number",
    "0123456789",
    "123456789",
    "chassis serial number",
    "empty",
];

/// Whether a serial is one that mainboards carry when nobody set one.
pub fn is_placeholder_serial(serial: &str) -> bool {
    let lower = serial.trim().to_ascii_lowercase();
    PLACEHOLDER_SERIALS.contains(&lower.as_str())
        || lower.bytes().all(|b| b == b'0' || b == b'x' || b == b'.' || b == b' ')
}

fn normal_uuid(text: &str) -> Option<[u8; 16]> {
    let hex: String = text.chars().filter(|c| *c != '-').collect();
    if hex.len() != 32 {
        return None;
    }
    let mut bytes = [0; 16];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hex.get(index * 2..index * 2 + 2)?, 16).ok()?;
    }
    let worthless = bytes.iter().all(|b| *b == 0) || bytes.iter().all(|b| *b == 0xff);
    (!worthless).then_some(bytes)
}

/// SMBIOS before 2.6 left the byte order of the first three fields open (DSP0134 §7.2.1).
fn swapped(mut bytes: [u8; 16]) -> [u8; 16] {
    bytes[0..4].reverse();
    bytes[4..6].reverse();
    bytes[6..8].reverse();
    bytes
}

impl Identity {
    /// Compares what is wanted (`self`) with what a machine or its BMC says.
    ///
    /// Strong: serial (a Dell's service tag may stand in the SKU) or UUID in either byte order.
    /// A MAC that is wanted and missing contradicts; MACs alone prove nothing.
    pub fn judge(&self, seen: &Self) -> IdentityVerdict {
        let mut strong = false;
        if let Some(wanted) = &self.serial {
            let known: Vec<&String> = [&seen.serial, &seen.sku]
                .into_iter()
                .flatten()
                .filter(|text| !is_placeholder_serial(text))
                .collect();
            if known.iter().any(|text| text.trim().eq_ignore_ascii_case(wanted.trim())) {
                strong = true;
            } else if let Some(first) = known.first() {
                return IdentityVerdict::Contradiction {
                    what: "serial",
                    wanted: wanted.clone(),
                    seen: (*first).clone(),
                };
            }
        }
        if let (Some(wanted), Some(other)) = (&self.uuid, &seen.uuid) {
            match (normal_uuid(wanted), normal_uuid(other)) {
                (Some(a), Some(b)) if a == b || a == swapped(b) => strong = true,
                (Some(_), Some(_)) => {
                    return IdentityVerdict::Contradiction {
                        what: "uuid",
                        wanted: wanted.clone(),
                        seen: other.clone(),
                    };
                }
                _ => {}
            }
        }
        if !seen.macs.is_empty() {
            for wanted in &self.macs {
                if !seen.macs.contains(wanted) {
                    let all: Vec<&str> = seen.macs.iter().map(Mac::as_str).collect();
                    return IdentityVerdict::Contradiction {
                        what: "mac",
                        wanted: wanted.as_str().to_owned(),
                        seen: all.join(" "),
                    };
                }
            }
        }
        if strong { IdentityVerdict::Same } else { IdentityVerdict::Unproven }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(serial: Option<&str>, uuid: Option<&str>, macs: &[&str]) -> Identity {
        Identity {
            serial: serial.map(Into::into),
            uuid: uuid.map(Into::into),
            macs: macs.iter().map(|m| Mac::parse(m).unwrap()).collect(),
            sku: None,
        }
    }

    const UUID: &str = "00112233-4455-6677-8899-aabbccddeeff";
    const SWAPPED: &str = "33221100-5544-7766-8899-AABBCCDDEEFF";

    #[test]
    fn a_serial_or_a_uuid_in_either_byte_order_proves_a_machine() {
        assert_eq!(id(Some("S1X"), None, &[]).judge(&id(Some(" s1x "), None, &[])), IdentityVerdict::Same);
        assert_eq!(id(None, Some(UUID), &[]).judge(&id(None, Some(SWAPPED), &[])), IdentityVerdict::Same);
    }

    #[test]
    fn any_contradiction_outweighs_a_match() {
        let wanted = id(Some("S1X"), Some(UUID), &["02:00:00:00:00:01"]);
        let other_uuid = id(Some("S1X"), Some("10112233-4455-6677-8899-aabbccddeeff"), &[]);
        assert!(matches!(wanted.judge(&other_uuid), IdentityVerdict::Contradiction { what: "uuid", .. }));
        let other_mac = id(Some("S1X"), Some(UUID), &["02:00:00:00:00:02"]);
        assert!(matches!(wanted.judge(&other_mac), IdentityVerdict::Contradiction { what: "mac", .. }));
        let other_serial = id(Some("S2X"), Some(UUID), &[]);
        assert!(matches!(wanted.judge(&other_serial), IdentityVerdict::Contradiction { what: "serial", .. }));
    }

    #[test]
    fn a_placeholder_proves_and_contradicts_nothing() {
        let wanted = id(Some("S1X"), None, &[]);
        for text in ["", "To Be Filled By O.E.M.", "0000000", "Default string"] {
            assert_eq!(wanted.judge(&id(Some(text), None, &[])), IdentityVerdict::Unproven, "{text}");
        }
    }

    #[test]
    fn a_hardware_address_alone_proves_nothing() {
        let wanted = id(Some("S1X"), None, &["02:00:00:00:00:01"]);
        assert_eq!(wanted.judge(&id(None, None, &["02:00:00:00:00:01"])), IdentityVerdict::Unproven);
    }

    #[test]
    fn the_service_tag_may_stand_in_the_sku() {
        let mut seen = id(Some("CN7475123"), None, &[]);
        seen.sku = Some("ABC1234".into());
        assert_eq!(id(Some("ABC1234"), None, &[]).judge(&seen), IdentityVerdict::Same);
    }
}
