// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a plain scalar means: YAML 1.2.2 §10.3 (core schema), and what YAML 1.1 makes of it.

use serde_json::{Number, Value};

/// What the core schema says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Core {
    Null,
    Bool(bool),
    Number(Number),
    /// `.inf`, `.nan`, or too large for any number.
    NotFinite,
    Text,
}

/// What YAML 1.1 tools read, where it is something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Misread {
    /// `yes`, `no`, `on`, `off`, `y`, `n`
    Boolean,
    /// `0777`: 511 there.
    Octal,
    /// `12:30:45`: 45045 there. An all-digit MAC is one.
    Sexagesimal,
    /// `1_000`
    Grouped,
    /// `0b1010`
    Binary,
    /// `2026-01-31`
    Date,
}

impl Misread {
    /// What it is read as.
    pub(crate) fn as_what(self) -> &'static str {
        match self {
            Self::Boolean => "a boolean",
            Self::Octal => "an octal number",
            Self::Sexagesimal => "a number in base 60",
            Self::Grouped => "a number",
            Self::Binary => "a binary number",
            Self::Date => "a date",
        }
    }
}

impl Core {
    /// The value, with the text itself where it is text.
    pub(crate) fn into_value(self, text: &str) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(flag) => Value::Bool(flag),
            Self::Number(number) => Value::Number(number),
            Self::NotFinite | Self::Text => Value::String(text.to_owned()),
        }
    }
}

/// What a plain scalar is in YAML 1.2.
pub(crate) fn core(text: &str) -> Core {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Core::Null,
        "true" | "True" | "TRUE" => return Core::Bool(true),
        "false" | "False" | "FALSE" => return Core::Bool(false),
        _ => {}
    }
    // Most scalars are words: nothing that begins otherwise is a number.
    if !matches!(text.as_bytes()[0], b'0'..=b'9' | b'+' | b'-' | b'.') {
        return Core::Text;
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Core::NotFinite;
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return radix(digits, 8);
    }
    if let Some(digits) = text.strip_prefix("0x") {
        return radix(digits, 16);
    }
    if !unsigned.is_empty() && unsigned.bytes().all(|b| b.is_ascii_digit()) {
        let signed = text.strip_prefix('+').unwrap_or(text);
        if let Ok(number) = signed.parse::<i64>() {
            return Core::Number(number.into());
        }
        if let Ok(number) = signed.parse::<u64>() {
            return Core::Number(number.into());
        }
        return float(signed);
    }
    if is_float(unsigned) { float(text) } else { Core::Text }
}

fn radix(digits: &str, base: u32) -> Core {
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(base)) {
        return Core::Text;
    }
    u64::from_str_radix(digits, base).map_or(Core::NotFinite, |number| Core::Number(number.into()))
}

/// `(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_float(unsigned: &str) -> bool {
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let mantissa_fits = match mantissa.split_once('.') {
        Some(("", fraction)) => !fraction.is_empty() && digits(fraction),
        Some((whole, fraction)) => digits(whole) && digits(fraction),
        None => !mantissa.is_empty() && digits(mantissa),
    };
    mantissa_fits
        && exponent.is_none_or(|exponent| {
            let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            !exponent.is_empty() && digits(exponent)
        })
}

fn float(text: &str) -> Core {
    text.parse::<f64>().ok().and_then(Number::from_f64).map_or(Core::NotFinite, Core::Number)
}

/// What YAML 1.1 makes of a plain scalar, where it differs from `core`: the types of
/// yaml.org/type as PyYAML, Ruby and old Go libraries read them.
pub(crate) fn misread(text: &str) -> Option<Misread> {
    let bytes = text.as_bytes();
    match bytes.first()? {
        b'y' | b'Y' | b'n' | b'N' | b'o' | b'O' => {
            let word = matches!(
                text,
                "y" | "Y"
                    | "yes"
                    | "Yes"
                    | "YES"
                    | "n"
                    | "N"
                    | "no"
                    | "No"
                    | "NO"
                    | "on"
                    | "On"
                    | "ON"
                    | "off"
                    | "Off"
                    | "OFF"
            );
            word.then_some(Misread::Boolean)
        }
        b'0'..=b'9' | b'+' | b'-' => misread_number(text),
        _ => None,
    }
}

fn misread_number(text: &str) -> Option<Misread> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let bytes = unsigned.as_bytes();
    if !bytes.first()?.is_ascii_digit() {
        return None;
    }
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    if let Some(rest) = unsigned.strip_prefix("0b") {
        return (digits(rest) && rest.bytes().all(|b| matches!(b, b'0' | b'1' | b'_')))
            .then_some(Misread::Binary);
    }
    if bytes.len() >= 8 && is_date(unsigned) && unsigned.len() == text.len() {
        return Some(Misread::Date);
    }
    if unsigned.contains(':') {
        let (whole, last) = unsigned.rsplit_once(':')?;
        let mut parts = whole.split(':');
        let first = parts.next()?;
        let small = |part: &str| matches!(part.as_bytes(), [b'0'..=b'9'] | [b'0'..=b'5', b'0'..=b'9']);
        let last = last.split_once('.').map_or(last, |(seconds, _)| seconds);
        return (digits(first) && parts.all(small) && small(last)).then_some(Misread::Sexagesimal);
    }
    if digits(unsigned) {
        if bytes[0] == b'0' && bytes.len() > 1 {
            return Some(Misread::Octal);
        }
        return unsigned.contains('_').then_some(Misread::Grouped);
    }
    None
}

/// `2026-01-31`, alone or with a time behind it.
fn is_date(text: &str) -> bool {
    let date = text.split(['T', 't', ' ']).next().unwrap_or_default();
    let mut parts = date.split('-');
    let number = |part: Option<&str>, least: usize, most: usize| {
        part.is_some_and(|p| (least..=most).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_digit()))
    };
    number(parts.next(), 4, 4)
        && number(parts.next(), 1, 2)
        && number(parts.next(), 1, 2)
        && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn plain_scalars_mean_what_yaml_1_2_says() {
        for (text, value) in [
            ("", json!(null)),
            ("~", json!(null)),
            ("Null", json!(null)),
            ("true", json!(true)),
            ("FALSE", json!(false)),
            ("0", json!(0)),
            ("-12", json!(-12)),
            ("+7", json!(7)),
            ("0777", json!(777)),
            ("0o14", json!(12)),
            ("0xFF", json!(255)),
            ("18446744073709551615", json!(u64::MAX)),
            ("24.10", json!(24.10)),
            ("1e3", json!(1000.0)),
            (".5", json!(0.5)),
            ("12.", json!(12.0)),
        ] {
            assert_eq!(core(text).into_value(text), value, "{text}");
        }
        for text in [
            "yes", "no", "on", "12:30:45", "1_000", "0b1", "-", "+", ".", "1.2.3", "0x", "0o9", "-0x1", "1e",
            "e3", "nul", "é",
        ] {
            assert_eq!(core(text), Core::Text, "{text}");
        }
        for text in [".inf", "-.Inf", ".nan", "1e999", "0xFFFFFFFFFFFFFFFFFF"] {
            assert_eq!(core(text), Core::NotFinite, "{text}");
        }
    }

    #[test]
    fn what_yaml_1_1_reads_otherwise_is_found() {
        for (text, misread_as) in [
            ("no", Misread::Boolean),
            ("On", Misread::Boolean),
            ("y", Misread::Boolean),
            ("0777", Misread::Octal),
            ("-010", Misread::Octal),
            ("12:30:45", Misread::Sexagesimal),
            ("10:20:30:40:50:59", Misread::Sexagesimal),
            ("190:20:30.15", Misread::Sexagesimal),
            ("1_000", Misread::Grouped),
            ("0b1010_0111", Misread::Binary),
            ("2026-01-31", Misread::Date),
            ("2026-01-31T12:00:00Z", Misread::Date),
        ] {
            assert_eq!(misread(text), Some(misread_as), "{text}");
        }
        for text in [
            "",
            "web",
            "none",
            "node",
            "only",
            "7",
            "24.10",
            "1.2.3.4",
            "10:20:30:40:50:60",
            "aa:bb:00:11:22:33",
            "a:1",
            "-",
            "0",
            "13.1",
            "2026-1-1-1",
            "-2026-01-31",
        ] {
            assert_eq!(misread(text), None, "{text}");
        }
    }
}
