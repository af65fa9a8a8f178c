// SPDX-License-Identifier: AGPL-3.0-or-later
//! The body of an insert, and how it changes with what a BMC refuses (`Rule::InsertBodiesLearn`).
//!
//! Starts with the image alone, plus what the BMC says it requires, and learns: what is missed
//! is added, what is not known is taken out for good. A refusal without a reason leads one step
//! up the ladder: `Inserted` and `WriteProtected`, the protocol, the method, a user.

use serde_json::{Map, Value, json};

use crate::contract::discovered::InsertVia;
use crate::contract::image::ImageRef;
use crate::model::action::Parameters;
use crate::rules::{Rule, Rules};
use crate::wire::refusal::Refusal;

const OPTIONAL: [&str; 6] =
    ["Inserted", "WriteProtected", "TransferProtocolType", "TransferMethod", "UserName", "Password"];
/// The steps of the ladder for refusals without a reason.
const LADDER: [&[&str]; 4] = [
    &["Inserted", "WriteProtected"],
    &["TransferProtocolType"],
    &["TransferMethod"],
    &["UserName", "Password"],
];
/// A property that is not known or not taken.
const UNKNOWN: [&str; 7] = [
    "ActionParameterUnknown",
    "ActionParameterNotSupported",
    "PropertyUnknown",
    "PropertyNotWritable",
    // HPE iLO.
    "PropertyNotWritableOrUnknown",
    "PropertyNotSupported",
    "ActionParameterValueTypeError",
];

/// A body that learns.
pub(crate) struct InsertBody {
    fields: Map<String, Value>,
    refused: Vec<&'static str>,
    protocol: String,
    /// Only what is asked for by name may be added.
    image_only: bool,
}

impl InsertBody {
    /// The first body for a route.
    pub(crate) fn new(via: InsertVia, image: &ImageRef, parameters: &Parameters, rules: Rules) -> Self {
        let protocol = image.url.scheme().unwrap_or_default().to_ascii_uppercase();
        let spelled = parameters
            .allowed("TransferProtocolType")
            .iter()
            .find(|value| value.eq_ignore_ascii_case(&protocol))
            .cloned();
        let mut body = Self {
            fields: Map::new(),
            refused: Vec::new(),
            protocol: spelled.unwrap_or(protocol),
            image_only: rules.has(Rule::SupermicroTakesTheImageAlone) || via == InsertVia::Oem,
        };
        body.fields.insert("Image".to_owned(), json!(image.url.expose()));
        if via == InsertVia::Patch {
            // XCC requires `Inserted`.
            body.add("Inserted");
            body.add("WriteProtected");
        }
        for name in OPTIONAL {
            let wanted = parameters.get(name).is_some_and(|parameter| {
                parameter.required || (!parameter.allowed.is_empty() && name.starts_with("Transfer"))
            });
            if wanted {
                body.add(name);
            }
        }
        body
    }

    /// As JSON.
    pub(crate) fn json(&self) -> Value {
        Value::Object(self.fields.clone())
    }

    /// Learns from a refusal. False when there is nothing more to try.
    pub(crate) fn learn(&mut self, refusal: &Refusal) -> bool {
        let mut changed = false;
        let mut named_any = false;
        for name in OPTIONAL {
            for message in &refusal.messages.0 {
                if !message.names(name) {
                    continue;
                }
                named_any = true;
                let unknown = UNKNOWN.iter().any(|key| message.key() == *key)
                    || message.text.contains("not in the list of valid properties");
                let has = self.fields.contains_key(name);
                if unknown && has {
                    self.fields.remove(name);
                    self.refused.push(name);
                    changed = true;
                } else if !unknown && !has && !self.refused.contains(&name) {
                    self.add(name);
                    changed = true;
                }
            }
        }
        changed || (!named_any && self.climb())
    }

    /// One step up the ladder.
    fn climb(&mut self) -> bool {
        if self.image_only {
            return false;
        }
        for step in LADDER {
            let missing: Vec<&'static str> = step
                .iter()
                .copied()
                .filter(|name| !self.fields.contains_key(*name) && !self.refused.contains(name))
                .collect();
            if !missing.is_empty() {
                for name in missing {
                    self.add(name);
                }
                return true;
            }
        }
        false
    }

    fn add(&mut self, name: &str) {
        let value = match name {
            "TransferProtocolType" => json!(self.protocol),
            "TransferMethod" => json!("Stream"),
            // AMI requires both even where the image needs none (sushy, bug 2071945).
            "UserName" | "Password" => json!("none"),
            _ => json!(true),
        };
        self.fields.insert(name.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::image::{ImageKind, MediaUrl};
    use crate::wire::message::{Message, Messages};

    fn image() -> ImageRef {
        ImageRef { url: MediaUrl::new("https://10.0.0.1/media/x/task.iso"), kind: ImageKind::Iso }
    }

    fn refusal(id: &str, text: &str, args: &[&str]) -> Refusal {
        Refusal {
            status: 400,
            messages: Messages(vec![Message {
                id: format!("Base.1.12.{id}"),
                text: text.to_owned(),
                args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            }]),
            retry_after: None,
            rules: Rules::general(),
        }
    }

    fn names(body: &InsertBody) -> Vec<String> {
        let mut names: Vec<String> = body.fields.keys().cloned().collect();
        names.sort();
        names
    }

    fn body(via: InsertVia, rules: Rules) -> InsertBody {
        InsertBody::new(via, &image(), &Parameters::default(), rules)
    }

    #[test]
    fn it_starts_with_the_image_and_adds_what_is_missed() {
        let mut body = body(InsertVia::Action, Rules::general());
        assert_eq!(names(&body), ["Image"]);
        assert!(body.learn(&refusal("ActionParameterMissing", "", &["InsertMedia", "TransferProtocolType"])));
        assert_eq!(body.json()["TransferProtocolType"], "HTTPS");
        assert!(body.learn(&refusal("PropertyMissing", "The property TransferMethod is required", &[])));
        assert_eq!(body.json()["TransferMethod"], "Stream");
        assert!(body.learn(&refusal("GeneralError", "UserName and Password are required", &[])));
        assert_eq!(body.json()["UserName"], "none");
    }

    #[test]
    fn what_is_not_known_is_taken_out_for_good() {
        let mut body = body(InsertVia::Patch, Rules::general());
        assert_eq!(names(&body), ["Image", "Inserted", "WriteProtected"]);
        let unknown = refusal("PropertyUnknown", "", &["WriteProtected"]);
        assert!(body.learn(&unknown));
        assert_eq!(names(&body), ["Image", "Inserted"]);
        assert!(!body.learn(&unknown));
        let said = refusal(
            "GeneralError",
            "The property Inserted is not in the list of valid properties for the resource.",
            &[],
        );
        assert!(body.learn(&said));
        assert_eq!(names(&body), ["Image"]);
    }

    #[test]
    fn refusals_without_a_reason_lead_up_the_ladder_to_its_end() {
        let mut body = body(InsertVia::Action, Rules::general());
        let silent = refusal("GeneralError", "", &[]);
        let steps = std::iter::from_fn(|| body.learn(&silent).then_some(())).count();
        assert_eq!(steps, LADDER.len());
        assert_eq!(names(&body).len(), 1 + OPTIONAL.len());
    }

    #[test]
    fn where_only_the_image_is_taken_the_ladder_is_not_climbed() {
        let rules = Rules::general().with(Rule::SupermicroTakesTheImageAlone);
        assert!(!body(InsertVia::Action, rules).learn(&refusal("GeneralError", "", &[])));
        assert!(!body(InsertVia::Oem, Rules::general()).learn(&refusal("GeneralError", "", &[])));
    }

    #[test]
    fn allowable_values_are_used_in_the_bmcs_own_spelling() {
        let parameters = Parameters::read(&json!({"Parameters": [
            {"Name": "Image", "Required": true},
            {"Name": "TransferProtocolType", "AllowableValues": ["Nfs", "Cifs", "https"]},
            {"Name": "TransferMethod", "Required": true}
        ]}));
        let body = InsertBody::new(InsertVia::Action, &image(), &parameters, Rules::general());
        assert_eq!(body.json()["TransferProtocolType"], "https");
        assert_eq!(body.json()["TransferMethod"], "Stream");
    }
}
