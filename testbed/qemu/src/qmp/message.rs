// SPDX-License-Identifier: AGPL-3.0-or-later
//! What goes over the wire: one JSON object a line.

use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Something that happened in QEMU.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Event {
    /// `RESET`, `SHUTDOWN`, `STOP`, …
    #[serde(rename = "event")]
    pub name: String,
    /// What is said about it.
    #[serde(default)]
    pub data: Map<String, Value>,
}

impl Event {
    /// A text of its data.
    pub fn text(&self, name: &str) -> &str {
        self.data.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// Whether the guest itself did it.
    pub fn by_guest(&self) -> bool {
        self.data.get("guest").and_then(Value::as_bool).unwrap_or_default()
    }
}

/// A line from QEMU.
#[derive(Debug, PartialEq)]
pub(super) enum Message {
    Greeting,
    Event(Event),
    /// An answer: the command's id, and what came of it (class and description of an error).
    Answer(u64, Result<Value, (String, String)>),
    /// Nothing that this client knows.
    Other,
}

/// A command as a line.
pub(super) fn command(id: u64, name: &str, arguments: Value) -> Vec<u8> {
    let mut command = json!({"execute": name, "id": id});
    if !arguments.is_null() {
        command["arguments"] = arguments;
    }
    let mut line = command.to_string().into_bytes();
    line.push(b'\n');
    line
}

/// Reads a line.
pub(super) fn read(line: &str) -> Result<Message, serde_json::Error> {
    let value: Value = serde_json::from_str(line)?;
    if value.get("event").is_some() {
        return Ok(Message::Event(serde_json::from_value(value)?));
    }
    if value.get("QMP").is_some() {
        return Ok(Message::Greeting);
    }
    let Some(id) = value.get("id").and_then(Value::as_u64) else { return Ok(Message::Other) };
    if let Some(answer) = value.get("return") {
        return Ok(Message::Answer(id, Ok(answer.clone())));
    }
    let error = |name| value["error"][name].as_str().unwrap_or_default().to_owned();
    Ok(Message::Answer(id, Err((error("class"), error("desc")))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_one_line_with_its_id() {
        let line = command(7, "eject", json!({"id": "cd0", "force": true}));
        assert_eq!(line.iter().position(|byte| *byte == b'\n'), Some(line.len() - 1));
        let value: Value = serde_json::from_slice(&line).expect("JSON");
        assert_eq!(value, json!({"execute": "eject", "id": 7, "arguments": {"id": "cd0", "force": true}}));
        let value: Value = serde_json::from_slice(&command(1, "stop", Value::Null)).expect("JSON");
        assert_eq!(value.get("arguments"), None);
    }

    #[test]
    fn what_qemu_says_is_told_apart() {
        let greeting = r#"{"QMP": {"version": {"qemu": {"major": 7}}, "capabilities": []}}"#;
        assert_eq!(read(greeting).expect("JSON"), Message::Greeting);
        let answer = r#"{"return": {"status": "paused"}, "id": 3}"#;
        assert_eq!(read(answer).expect("JSON"), Message::Answer(3, Ok(json!({"status": "paused"}))));
        let error = r#"{"id": 4, "error": {"class": "GenericError", "desc": "no medium"}}"#;
        let said = ("GenericError".to_owned(), "no medium".to_owned());
        assert_eq!(read(error).expect("JSON"), Message::Answer(4, Err(said)));
        let event = r#"{"timestamp": {"seconds": 1, "microseconds": 2}, "event": "SHUTDOWN",
                        "data": {"guest": true, "reason": "guest-reset"}}"#;
        let Ok(Message::Event(event)) = read(event) else { panic!("an event") };
        assert_eq!(
            (event.name.as_str(), event.by_guest(), event.text("reason")),
            ("SHUTDOWN", true, "guest-reset")
        );
        let Ok(Message::Event(event)) = read(r#"{"event": "STOP"}"#) else { panic!("an event") };
        assert!(!event.by_guest() && event.text("reason").is_empty());
        assert!(read("{").is_err());
    }
}
