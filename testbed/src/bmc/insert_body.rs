// SPDX-License-Identifier: AGPL-3.0-or-later
//! What an insertion asks for, and what of it a model takes.

use std::path::Path;

use serde_json::{Map, Value};

use super::errors::Refusal;
use super::machine::MediumKind;
use super::profiles::{MediaModel, SlotModel};

const INSERT: &str = "VirtualMedia.InsertMedia";

/// What a valid InsertMedia asks for.
pub(super) struct Wanted {
    pub(super) url: String,
    pub(super) write_protected: bool,
}

/// Reads the parameters of InsertMedia.
pub(super) fn wanted(model: &MediaModel, body: &Map<String, Value>) -> Result<Wanted, Refusal> {
    let mut write_protected = true;
    for (name, value) in body {
        let unknown = || Refusal::ParameterUnknown { action: INSERT, name: name.clone() };
        let wrong =
            || Refusal::ParameterType { action: INSERT, name: name.clone(), value: value.to_string() };
        if !model.insert_parameters.contains(&name.as_str()) {
            return Err(unknown());
        }
        match name.as_str() {
            "WriteProtected" => write_protected = value.as_bool().ok_or_else(wrong)?,
            "Inserted" => {
                if !value.as_bool().ok_or_else(wrong)? && model.inserted_must_be_true {
                    let (name, value) = ("Inserted", "false".to_owned());
                    return Err(Refusal::ParameterNotInList { action: INSERT, name, value });
                }
            }
            "VerifyCertificate" => {
                value.as_bool().ok_or_else(wrong)?;
            }
            "TransferProtocolType" => one_of(name, value, "TransferProtocolType", model.protocols)?,
            "TransferMethod" => one_of(name, value, "TransferMethod", &["Stream"])?,
            _ if value.is_string() || value.is_null() => {}
            _ => return Err(wrong()),
        }
    }
    let given = |name: &str| body.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    if let Some(name) = model.required_parameters.iter().find(|name| given(name).is_none()) {
        return Err(Refusal::ParameterMissing { action: INSERT, name });
    }
    let url = given("Image").unwrap_or_default();
    let format = || Refusal::MediumFormat { url: url.to_owned() };
    let parsed = url::Url::parse(url).map_err(|_| format())?;
    let scheme_known = model.schemes.contains(&parsed.scheme());
    let plain = !model.plain_urls_only || !url.contains(['?', '=']);
    let ending = model.extensions.is_none_or(|endings| {
        let path = parsed.path().to_ascii_lowercase();
        endings.iter().any(|ending| path.ends_with(ending))
    });
    if !scheme_known || !plain || !ending {
        return Err(format());
    }
    let protocol = body.get("TransferProtocolType").and_then(Value::as_str);
    let agrees = |protocol: &str| match parsed.scheme() {
        "smb" => protocol.eq_ignore_ascii_case("CIFS"),
        scheme => protocol.eq_ignore_ascii_case(scheme),
    };
    if protocol.is_some_and(|protocol| !agrees(protocol)) {
        return Err(format());
    }
    Ok(Wanted { url: url.to_owned(), write_protected })
}

fn one_of(name: &str, value: &Value, known: &'static str, allowed: &[&str]) -> Result<(), Refusal> {
    match value.as_str() {
        Some(text) if allowed.contains(&text) => Ok(()),
        Some(text) => {
            Err(Refusal::ParameterNotInList { action: INSERT, name: known, value: text.to_owned() })
        }
        None if value.is_null() => Ok(()),
        None => {
            Err(Refusal::ParameterType { action: INSERT, name: name.to_owned(), value: value.to_string() })
        }
    }
}

/// How the machine sees an image: by what the slot can be, and by its ending where the slot can be both.
pub(super) fn kind(model: &SlotModel, url: &str) -> MediumKind {
    let path = url.split(['?', '#']).next().unwrap_or(url);
    let raw = Path::new(path).extension().is_some_and(|ending| ending.eq_ignore_ascii_case("img"));
    match (model.optical(), model.removable()) {
        (false, _) => MediumKind::Usb,
        (true, true) if raw => MediumKind::Usb,
        (true, _) => MediumKind::Cd,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::bmc::profiles::{IDRAC9_6, ILO5, SMC_X13_SINGLE};

    fn check(model: &MediaModel, body: Value) -> Result<String, Refusal> {
        let Value::Object(map) = body else { panic!("the test's own body") };
        wanted(model, &map).map(|wanted| wanted.url)
    }

    #[test]
    fn dell_takes_images_by_their_ending_only() {
        assert!(check(&IDRAC9_6.media, json!({"Image": "http://10.0.0.1/m/x/a.ISO"})).is_ok());
        let bad = check(&IDRAC9_6.media, json!({"Image": "http://10.0.0.1/m/x/a.bin"}));
        assert!(matches!(bad, Err(Refusal::MediumFormat { .. })));
    }

    #[test]
    fn supermicro_refuses_query_strings() {
        let bad = check(&SMC_X13_SINGLE.media, json!({"Image": "http://10.0.0.1/a.iso?sig=x"}));
        assert!(matches!(bad, Err(Refusal::MediumFormat { .. })));
        assert!(check(&ILO5.media, json!({"Image": "http://10.0.0.1/a.iso?sig=x"})).is_ok());
    }

    #[test]
    fn wrong_parameters_are_named() {
        let model = &ILO5.media;
        assert!(matches!(check(model, json!({})), Err(Refusal::ParameterMissing { name: "Image", .. })));
        assert!(matches!(check(model, json!({"Image": 5})), Err(Refusal::ParameterType { .. })));
        let unknown = check(model, json!({"Image": "http://h/a.iso", "Bogus": 1}));
        assert!(matches!(unknown, Err(Refusal::ParameterUnknown { .. })));
        let scheme = check(model, json!({"Image": "ftp://h/a.iso"}));
        assert!(matches!(scheme, Err(Refusal::MediumFormat { .. })));
        let protocol = check(model, json!({"Image": "http://h/a.iso", "TransferProtocolType": "HTTPS"}));
        assert!(matches!(protocol, Err(Refusal::MediumFormat { .. })));
    }

    #[test]
    fn a_slot_that_can_be_both_goes_by_the_ending() {
        let both = &IDRAC9_6.slots[0];
        assert_eq!(kind(both, "http://h/a.iso"), MediumKind::Cd);
        assert_eq!(kind(both, "http://h/a.img"), MediumKind::Usb);
        assert_eq!(kind(&ILO5.slots[0], "http://h/a.iso"), MediumKind::Usb);
        assert_eq!(kind(&ILO5.slots[1], "http://h/a.img"), MediumKind::Cd);
    }
}
