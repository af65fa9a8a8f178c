// SPDX-License-Identifier: AGPL-3.0-or-later
//! Canaries, in every form in which they must be found, and the innocent, which must not be.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;
use shoal_secrets::{Form, Redactor, find_leaks};

use crate::support::{open, person, sealed, secret};

const CANARY: &str = "cänary-Pa55/word+? \"x\"";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        write!(out, "{byte:02x}").unwrap();
        out
    })
}

/// Every form, by a way of encoding that the search does not use itself.
fn forms(value: &str, before: &str, after: &str) -> Vec<(Form, String)> {
    let around = format!("{before}{value}{after}");
    let json = serde_json::to_string(value).unwrap();
    let percent = utf8_percent_encode(value, NON_ALPHANUMERIC).to_string();
    let plus: String = value
        .bytes()
        .map(|byte| match byte {
            b' ' => "+".to_owned(),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
            other => format!("%{other:02x}"),
        })
        .collect();
    let mut wrapped = String::new();
    for line in STANDARD.encode(&around).as_bytes().chunks(12) {
        write!(wrapped, "{}\r\n", String::from_utf8_lossy(line)).unwrap();
    }
    vec![
        (Form::Plain, value.to_owned()),
        (Form::Json, json[1..json.len() - 1].to_owned()),
        (Form::Percent, percent.clone()),
        (Form::Percent, percent.to_lowercase().replace("%3f", "?")),
        (Form::Percent, plus),
        (Form::Hex, hex(value.as_bytes())),
        (Form::Hex, hex(value.as_bytes()).to_uppercase()),
        (Form::Base64, STANDARD.encode(&around)),
        (Form::Base64, STANDARD_NO_PAD.encode(&around)),
        (Form::Base64, URL_SAFE.encode(&around)),
        (Form::Base64, URL_SAFE_NO_PAD.encode(&around)),
        (Form::Base64, wrapped),
    ]
}

fn redactor(value: &str) -> Redactor {
    let mut redactor = Redactor::new();
    redactor.add_value("bmc/rack-a", "password", &secret(value));
    redactor
}

#[test]
fn a_canary_is_found_and_named_in_every_form_and_alignment() {
    let redactor = redactor(CANARY);
    for (before, after) in [("", ""), ("u", "p"), ("us", "pw"), ("usr", "pass")] {
        for (form, text) in forms(CANARY, before, after) {
            // The lower-cased percent form lowers the value as well.
            if text.contains("pa55") && form == Form::Percent {
                continue;
            }
            let haystack = format!("level=info msg=\"{text}\" done");
            let leaks = redactor.leaks(haystack.as_bytes());
            assert!(
                leaks.iter().any(|leak| leak.form == form),
                "{form:?} not found in {haystack}: {leaks:?}"
            );
            assert!(
                leaks
                    .iter()
                    .all(|leak| leak.secret == "bmc/rack-a" && leak.key == "password" && leak.offset >= 16)
            );
            let redacted = redactor.redact(&haystack);
            assert!(redacted.contains("[redacted]"), "{redacted}");
            assert_eq!(redactor.leaks(redacted.as_bytes()), [], "{redacted}");
            assert!(redacted.starts_with("level=info msg=\"") && redacted.ends_with("\" done"), "{redacted}");
        }
    }
}

#[test]
fn the_mark_replaces_the_value_and_nothing_around_it() {
    let redactor = redactor("hunter2!");
    assert_eq!(redactor.redact("pass=hunter2! (hunter2!hunter2!)"), "pass=[redacted] ([redacted][redacted])");
    assert_eq!(redactor.redact("ä%68unter2%21ö"), "ä[redacted]ö");
    assert_eq!(redactor.redact("x 68756e7465723221 y"), "x [redacted] y");
    assert_eq!(redactor.redact("Basic cm9vdDpodW50ZXIyIQ== end"), "Basic cm9vdD[redacted] end");
    let clean = "nothing to see, 100% sure + certain\n";
    assert!(matches!(redactor.redact(clean), std::borrow::Cow::Borrowed(text) if text == clean));
    assert_eq!(Redactor::new().redact("hunter2!"), "hunter2!");
}

#[test]
fn lines_of_a_long_value_are_hidden_and_prove_no_leak() {
    let key = "-----BEGIN KEY-----\nAAAAB3NzaC1yc2EAAAADAQABAAABgQ\nshort\n-----END KEY-----\n";
    let redactor = redactor(key);
    let log = "read line AAAAB3NzaC1yc2EAAAADAQABAAABgQ of short file";
    assert_eq!(redactor.redact(log), "read line [redacted] of short file");
    assert_eq!(redactor.leaks(log.as_bytes()), []);
    let whole = format!("<{}>", key.trim_end());
    assert_eq!(redactor.leaks(whole.as_bytes()).len(), 1, "without its last line feed");
    assert_eq!(redactor.redact(&whole), "<[redacted]>");
}

#[test]
fn values_of_a_few_bytes_and_chance_finds_are_left_alone() {
    let redactor = redactor("abc");
    assert_eq!(redactor.leaks(b"abcabc 616263 YWJj"), []);
    let redactor = {
        let mut redactor = Redactor::new();
        redactor.add_value("s", "k", &secret("root"));
        redactor.add_value("s", "empty", &secret(""));
        redactor
    };
    assert_eq!(redactor.redact("user root"), "user [redacted]");
    assert_eq!(redactor.leaks("cm9v".as_bytes()), [], "four characters of base64 are chance");
    let binary: Vec<u8> = (0..=255u8).cycle().take(10_000).collect();
    assert_eq!(redactor.leaks(&binary), []);
}

#[test]
fn canaries_of_several_secrets_are_told_apart_in_bytes_that_are_no_text() {
    let anna = person("anna");
    let spec = sealed(
        &[("one", "canary-number-one"), ("two", "canary-number-two")],
        std::slice::from_ref(&anna.recipient),
    );
    let opened = open(&spec, &anna);
    assert_eq!(find_leaks(spec.age.as_bytes(), &[&opened]), []);
    let mut file = vec![0xff; 1000];
    file.extend(b"canary-number-two\0");
    file.extend(STANDARD.encode("{\"password\":\"canary-number-one\"}").as_bytes());
    let leaks = find_leaks(&file, &[&opened]);
    let found: Vec<_> = leaks.iter().map(|leak| (leak.key.as_str(), leak.form)).collect();
    assert_eq!(found, [("two", Form::Plain), ("one", Form::Base64)]);
    assert_eq!(leaks[0].offset, 1000);
    assert!(!format!("{leaks:?}").contains("canary"));
}

proptest! {
    #[test]
    fn what_was_redacted_is_no_longer_there(
        value in "[a-zA-Z0-9 äß/+\"'\\\\=&?%:.-]{6,40}",
        before in "(?s)[ -~ä\n]{0,40}", after in "(?s)[ -~ä\n]{0,40}", pick in any::<proptest::sample::Index>(),
    ) {
        prop_assume!(!"[redacted]".contains(value.trim()) && value.trim().len() >= 6);
        let redactor = redactor(&value);
        let forms = forms(&value, &before, &after);
        let (_, text) = &forms[pick.index(forms.len())];
        let haystack = format!("{before}{text}{after}");
        let redacted = redactor.redact(&haystack);
        prop_assert_eq!(redactor.leaks(redacted.as_bytes()), [], "{} in {}", redacted, haystack);
        prop_assert!(!redacted.contains(&value));
    }

    #[test]
    fn any_bytes_are_searched_without_a_panic(haystack in proptest::collection::vec(any::<u8>(), 0..300), value: String) {
        let redactor = redactor(&value);
        for leak in redactor.leaks(&haystack) {
            prop_assert!(leak.offset < haystack.len());
        }
        let text = String::from_utf8_lossy(&haystack);
        let _ = redactor.redact(&text);
    }
}
