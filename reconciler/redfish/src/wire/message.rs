// SPDX-License-Identifier: AGPL-3.0-or-later
//! Messages in answers: `@Message.ExtendedInfo` and what passes for it.
//!
//! `Rule::MessagesComeInAnyShape`: the property may be an object or a list, at the top or under `error`, and
//! `error.code` may be missing.

use serde_json::Value;

use crate::model::json;
use crate::rules::messages::{Meaning, means};
use crate::rules::{Rule, Rules};

/// Messages of one answer that are looked at.
const MOST_MESSAGES: usize = 16;

/// One message. Everything in it came from the BMC and is not yet fit for a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Message {
    /// `MessageId`, for example `Base.1.12.ActionParameterMissing`.
    pub(crate) id: String,
    /// `Message`, the words.
    pub(crate) text: String,
    /// `MessageArgs` and `RelatedProperties`.
    pub(crate) args: Vec<String>,
}

impl Message {
    /// The part of the id after the last dot: registries differ in name and version.
    pub(crate) fn key(&self) -> &str {
        self.id.rsplit('.').next().unwrap_or_default()
    }

    /// Whether it is about this property or parameter.
    pub(crate) fn names(&self, property: &str) -> bool {
        self.text.contains(property) || self.args.iter().any(|arg| arg.contains(property))
    }

    fn read(value: &Value) -> Option<Self> {
        let mut args = json::texts(value, "MessageArgs");
        args.extend(json::texts(value, "RelatedProperties"));
        let message = Self {
            id: json::text(value, "MessageId").unwrap_or_default(),
            text: json::text(value, "Message").unwrap_or_default(),
            args,
        };
        (message != Self::default()).then_some(message)
    }
}

/// The messages of one answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Messages(pub(crate) Vec<Message>);

impl Messages {
    /// Collects the messages of an answer or a task.
    pub(crate) fn read(body: &Value, rules: Rules) -> Self {
        let any_shape = rules.has(Rule::MessagesComeInAnyShape);
        let error = json::object(body, "error");
        let mut found = Vec::new();
        for holder in [error, body].into_iter().take(if any_shape { 2 } else { 1 }) {
            for key in ["@Message.ExtendedInfo", "Messages"] {
                match holder.get(key) {
                    Some(Value::Array(items)) => {
                        found.extend(items.iter().take(MOST_MESSAGES).filter_map(Message::read));
                    }
                    Some(single @ Value::Object(_)) if any_shape => found.extend(Message::read(single)),
                    _ => {}
                }
            }
            if any_shape && found.is_empty() {
                // `error.code` and `error.message` are a summary of the list.
                let summary = Message {
                    id: json::text(holder, "code").unwrap_or_default(),
                    text: json::text(holder, "message").unwrap_or_default(),
                    args: Vec::new(),
                };
                found.extend((summary != Message::default()).then_some(summary));
            }
        }
        found.truncate(MOST_MESSAGES);
        Self(found)
    }

    /// Whether some message means this by its key.
    pub(crate) fn mean(&self, meaning: Meaning, rules: Rules) -> bool {
        self.0.iter().any(|message| means(message.key(), meaning, rules))
    }

    /// Whether some message says this, in any case.
    pub(crate) fn says(&self, words: &str) -> bool {
        let words = words.to_ascii_lowercase();
        self.0.iter().any(|message| {
            message.text.to_ascii_lowercase().contains(&words)
                || message.id.to_ascii_lowercase().contains(&words)
        })
    }

    /// Whether some message is about this property or parameter.
    pub(crate) fn name(&self, property: &str) -> bool {
        self.0.iter().any(|message| message.names(property))
    }

    /// One line with everything that was said; not yet fit for a log.
    pub(crate) fn line(&self) -> String {
        if self.0.is_empty() {
            return "no reason given".to_owned();
        }
        let lines: Vec<String> = self
            .0
            .iter()
            .map(|message| match (message.text.as_str(), message.key()) {
                ("", key) => key.to_owned(),
                (text, "") => text.to_owned(),
                (text, key) => format!("{key}: {text}"),
            })
            .collect();
        lines.join("; ")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(body: &Value) -> Messages {
        Messages::read(body, Rules::general())
    }

    #[test]
    fn extended_info_may_be_a_list_an_object_or_missing() {
        let info = json!({"MessageId": "Base.1.12.ActionParameterMissing", "MessageArgs": ["InsertMedia", "TransferMethod"]});
        for body in [
            json!({"error": {"code": "x", "@Message.ExtendedInfo": [info]}}),
            json!({"error": {"@Message.ExtendedInfo": info}}),
            json!({"@Message.ExtendedInfo": info}),
        ] {
            let messages = read(&body);
            assert_eq!(messages.0[0].key(), "ActionParameterMissing", "{body}");
            assert_eq!(messages.0[0].args, ["InsertMedia", "TransferMethod"]);
        }
        let summary = read(&json!({"error": {"code": "Base.1.0.GeneralError", "message": "no"}}));
        assert_eq!(summary.line(), "GeneralError: no");
        assert_eq!(read(&json!(null)).line(), "no reason given");
        assert_eq!(read(&json!({"error": "text"})).line(), "no reason given");
    }

    #[test]
    fn messages_without_end_are_cut() {
        let many: Vec<_> = (0..1000).map(|n| json!({"Message": n.to_string()})).collect();
        assert_eq!(read(&json!({"Messages": many})).0.len(), MOST_MESSAGES);
    }
}
