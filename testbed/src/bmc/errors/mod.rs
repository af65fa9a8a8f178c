// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a BMC refuses, and how it says so.
//!
//! A [`Refusal`] is the fact. [`Said`] is its wording: HTTP status, message id, text, arguments, resolution. The shared
//! wording follows DMTF's Base registry; a profile may word a refusal in its own way (`Profile::refuse`).

mod refusal;
mod wording;

use serde_json::{Value, json};

use super::profiles::Profile;

pub(crate) use refusal::Refusal;

/// How a refusal is worded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    /// HTTP status.
    pub(crate) status: u16,
    /// Whether the message id is the vendor's.
    pub(crate) oem: bool,
    /// Message key without registry prefix.
    pub(crate) id: &'static str,
    /// Text; `%1` and so on stand for the arguments.
    pub(crate) text: String,
    /// Arguments.
    pub(crate) args: Vec<String>,
    /// Resolution.
    pub(crate) resolution: &'static str,
}

impl Said {
    /// A message of the vendor's own registry.
    pub(crate) fn oem(status: u16, id: &'static str, text: &str, resolution: &'static str) -> Self {
        Self { status, oem: true, id, text: text.to_owned(), args: Vec::new(), resolution }
    }

    /// A message of the Base registry.
    pub(crate) fn base(status: u16, id: &'static str, text: &str, resolution: &'static str) -> Self {
        Self { oem: false, ..Self::oem(status, id, text, resolution) }
    }

    /// With arguments for the message.
    #[must_use]
    pub(crate) fn with_args<S: Into<String>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args = args.into_iter().map(Into::into).collect();
        self
    }
}

/// The body of an error.
pub(crate) fn error_body(profile: &Profile, said: &Said) -> Value {
    extended(profile, said.oem, said.id, &said.text, &said.args, said.resolution, severity(said.status))
}

/// The body of a success that has no resource to show.
pub(crate) fn success_body(profile: &Profile) -> Value {
    let text = "The request completed successfully.";
    let mut body = extended(profile, false, "Success", text, &[], "None.", "OK");
    if profile.errors.with_text {
        body["error"]["code"] = json!(format!("{}.Success", profile.errors.base));
        body["error"]["message"] = json!(text);
    }
    body
}

fn severity(status: u16) -> &'static str {
    if status >= 500 { "Critical" } else { "Warning" }
}

/// One extended message.
pub(crate) fn message(profile: &Profile, said: &Said) -> Value {
    error_body(profile, said)["error"]["@Message.ExtendedInfo"][0].take()
}

fn extended(
    profile: &Profile,
    oem: bool,
    id: &str,
    text: &str,
    args: &[String],
    resolution: &str,
    severity: &str,
) -> Value {
    let errors = &profile.errors;
    let registry = if oem { errors.oem } else { errors.base };
    let mut message = json!({"MessageId": format!("{registry}.{id}")});
    if !args.is_empty() || errors.with_text {
        message["MessageArgs"] = json!(args);
    }
    if errors.with_text {
        let text = args
            .iter()
            .enumerate()
            .fold(text.to_owned(), |text, (index, arg)| text.replace(&format!("%{}", index + 1), arg));
        message["Message"] = json!(text);
        message["Resolution"] = json!(resolution);
        message["Severity"] = json!(severity);
    }
    json!({"error": {
        "code": errors.code,
        "message": errors.message,
        "@Message.ExtendedInfo": [message],
    }})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bmc::profiles::{IDRAC9_6, ILO5};

    #[test]
    fn a_message_carries_its_arguments_in_text_and_list() {
        let refusal = Refusal::PropertyUnknown { name: "Bogus".to_owned() };
        let body = error_body(&IDRAC9_6, &refusal.said_by(&IDRAC9_6));
        let message = &body["error"]["@Message.ExtendedInfo"][0];
        assert_eq!(message["MessageId"], "Base.1.12.PropertyUnknown");
        assert!(message["Message"].as_str().is_some_and(|text| text.contains("Bogus")), "{message}");
    }

    #[test]
    fn a_vendor_words_its_own_refusals() {
        let refusal = Refusal::PowerConflict { requested: "On".to_owned(), power: "On" };
        assert_eq!(refusal.said_by(&IDRAC9_6).status, 409);
        assert_eq!(refusal.said_by(&ILO5).status, 400);
        let body = error_body(&ILO5, &refusal.said_by(&ILO5));
        let message = &body["error"]["@Message.ExtendedInfo"][0];
        assert_eq!(message["MessageId"], "iLO.2.18.InvalidOperationForSystemState");
        assert_eq!(message.get("Message"), None, "iLO sends ids and arguments only");
    }
}
