// SPDX-License-Identifier: AGPL-3.0-or-later
//! Whether a system is the machine that the inventory names.
//!
//! # Caveats
//! Placeholders that boards ship with are unknown, never a contradiction. UUIDs are compared
//! in both byte orders: firmware and BMC often disagree about the first three groups.

use crate::contract::endpoint::IdentityHint;
use crate::contract::error::ErrorKind;
use crate::model::system::System;

/// How a system compares with a hint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// At least one property agrees, none contradicts.
    Match,
    /// Nothing to compare.
    Unknown,
    /// A property differs.
    Contradiction { property: &'static str, expected: String, seen: String },
}

impl Verdict {
    pub(crate) fn into_result(self) -> Result<(), ErrorKind> {
        match self {
            Self::Match | Self::Unknown => Ok(()),
            Self::Contradiction { property, expected, seen } => {
                Err(ErrorKind::WrongMachine { property, expected, seen })
            }
        }
    }
}

/// Compares. `sku_counts` on Dell, where the SKU is the service tag.
pub(crate) fn judge(hint: &IdentityHint, system: &System, sku_counts: bool) -> Verdict {
    let mut verdict = Verdict::Unknown;
    let serial = system.serial.as_deref().and_then(real);
    let sku = system.sku.as_deref().filter(|_| sku_counts).and_then(real);
    if let Some(expected) = hint.serial.as_deref().and_then(real) {
        let mut seen = [serial, sku].into_iter().flatten().peekable();
        if let Some(first) = seen.peek().copied() {
            if seen.any(|seen| seen.eq_ignore_ascii_case(expected)) {
                verdict = Verdict::Match;
            } else {
                return Verdict::Contradiction {
                    property: "serial number",
                    expected: expected.to_owned(),
                    seen: first.to_owned(),
                };
            }
        }
    }
    if let (Some(expected), Some(seen)) =
        (hint.uuid.as_deref().and_then(uuid_bytes), system.uuid.as_deref().and_then(uuid_bytes))
    {
        if expected == seen || other_order(&expected) == seen {
            verdict = Verdict::Match;
        } else {
            return Verdict::Contradiction {
                property: "uuid",
                expected: hint.uuid.clone().unwrap_or_default(),
                seen: system.uuid.clone().unwrap_or_default(),
            };
        }
    }
    verdict
}

/// A serial number that somebody gave.
fn real(serial: &str) -> Option<&str> {
    const PLACEHOLDERS: [&str; 12] = [
        "to be filled by o.e.m.",
        "to be filled by oem",
        "default string",
        "not specified",
        "not available",
        "not applicable",
        "none",
        "unknown",
        "n/a",
        "na",
        "empty",
        "0123456789",
    ];
    let serial = serial.trim();
    let plain = serial.to_ascii_lowercase();
    let blank = plain.chars().all(|c| matches!(c, '0' | 'x' | '.' | '-' | ' '));
    (!serial.is_empty() && !blank && !PLACEHOLDERS.contains(&plain.as_str())).then_some(serial)
}

/// The 16 bytes of a UUID that somebody gave.
fn uuid_bytes(text: &str) -> Option<[u8; 16]> {
    let digits: Vec<u8> = text
        .trim()
        .chars()
        .filter(|c| *c != '-')
        .map(|c| c.to_digit(16).map(|digit| digit as u8))
        .collect::<Option<_>>()?;
    if digits.len() != 32 {
        return None;
    }
    let bytes: Vec<u8> = digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    let bytes: [u8; 16] = bytes.try_into().ok()?;
    let placeholder = bytes.iter().all(|byte| *byte == bytes[0]) && matches!(bytes[0], 0 | 0xff);
    (!placeholder).then_some(bytes)
}

fn other_order(bytes: &[u8; 16]) -> [u8; 16] {
    let mut swapped = *bytes;
    swapped[0..4].reverse();
    swapped[4..6].reverse();
    swapped[6..8].reverse();
    swapped
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn system() -> System {
        System::read(
            "/redfish/v1/Systems/1",
            &json!({"SerialNumber": "CNIVC0014M0388", "SKU": "F54P1G3", "UUID": "4c4c4544-0035-3410-8050-c6c04f314733"}),
        )
    }

    fn hint(serial: &str, uuid: &str) -> IdentityHint {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        IdentityHint { serial: some(serial), uuid: some(uuid) }
    }

    #[test]
    fn the_service_tag_counts_on_dell_only() {
        assert_eq!(judge(&hint("f54p1g3", ""), &system(), true), Verdict::Match);
        assert!(matches!(
            judge(&hint("F54P1G3", ""), &system(), false),
            Verdict::Contradiction { property: "serial number", .. }
        ));
        assert_eq!(judge(&hint("CNIVC0014M0388", ""), &system(), true), Verdict::Match);
    }

    #[test]
    fn uuids_are_compared_in_both_byte_orders() {
        for uuid in ["4C4C4544-0035-3410-8050-C6C04F314733", "44454c4c-3500-1034-8050-c6c04f314733"] {
            assert_eq!(judge(&hint("", uuid), &system(), false), Verdict::Match, "{uuid}");
        }
        let other = "4c4c4544-0035-3410-8050-c6c04f314734";
        assert!(matches!(
            judge(&hint("CNIVC0014M0388", other), &system(), false),
            Verdict::Contradiction { property: "uuid", .. }
        ));
    }

    #[test]
    fn placeholders_are_unknown_and_no_contradiction() {
        let blank = System::read(
            "/s",
            &json!({"SerialNumber": "To be filled by O.E.M.", "UUID": "00000000-0000-0000-0000-000000000000"}),
        );
        let hint = hint("ABC", "4c4c4544-0035-3410-8050-c6c04f314733");
        assert_eq!(judge(&hint, &blank, false), Verdict::Unknown);
        assert_eq!(judge(&hint, &System::read("/s", &json!({"UUID": ""})), false), Verdict::Unknown);
        assert_eq!(judge(&IdentityHint::default(), &system(), false), Verdict::Unknown);
    }
}
