// SPDX-License-Identifier: AGPL-3.0-or-later
//! A secret on its way through an editor.

use proptest::prelude::*;
use shoal_schema::kinds::Recipient;
use shoal_secrets::{Edited, Editing, SecretError, parse_values};

use crate::support::{NAME, Person, open, person, sealed, secret};

fn begin(pairs: &[(&str, &str)], anna: &Person) -> Editing {
    let spec = sealed(pairs, std::slice::from_ref(&anna.recipient));
    Editing::begin(NAME, &spec, &anna.identities).ok().unwrap()
}

fn finish(
    editing: &Editing,
    text: &str,
    fleet: &[Recipient],
) -> Result<Option<shoal_schema::kinds::SecretSpec>, SecretError> {
    match editing.finish(&secret(text), fleet)? {
        Edited::Unchanged => Ok(None),
        Edited::Changed(spec) => Ok(Some(spec)),
    }
}

#[test]
fn the_buffer_is_readable_and_saving_it_as_it_is_changes_nothing() {
    let anna = person("anna");
    let editing =
        begin(&[("password", "no"), ("pin", "0123"), ("key", "line 1\nline 2\n"), ("user", "root")], &anna);
    let text = editing.text();
    let shown = text.expose();
    assert!(shown.starts_with("# bmc/rack-a: "), "{shown}");
    assert!(shown.contains("\nuser: root\n") && shown.contains("\nkey: |\n  line 1\n  line 2\n"), "{shown}");
    let fleet = [anna.recipient];
    assert!(finish(&editing, shown, &fleet).unwrap().is_none());
    let reordered = "user: root\n# a comment\npin: '0123'\npassword: \"no\"\nkey: \"line 1\\nline 2\\n\"\n";
    assert!(finish(&editing, reordered, &fleet).unwrap().is_none());
}

#[test]
fn a_change_is_encrypted_for_the_recipients_that_the_secret_names() {
    let (anna, bob, carol) = (person("anna"), person("bob"), person("carol"));
    let fleet = [anna.recipient.clone(), bob.recipient.clone(), carol.recipient.clone()];
    let spec = sealed(&[("k", "old"), ("gone", "x")], &fleet[..2]);
    let editing = Editing::begin(NAME, &spec, &bob.identities).ok().unwrap();
    let changed = finish(&editing, "k: new\nmore: things\n", &fleet).unwrap().unwrap();
    assert_eq!(changed.recipients, spec.recipients);
    assert_eq!(changed.recipients_digest, spec.recipients_digest);
    let opened = open(&changed, &anna);
    assert_eq!(opened.keys().collect::<Vec<_>>(), ["k", "more"]);
    assert_eq!(opened.get("k").unwrap().expose(), "new");
    assert!(shoal_secrets::decrypt(NAME, &changed, &carol.identities).is_err());

    let error = finish(&editing, "k: newer\n", &fleet[..1]).unwrap_err();
    assert!(matches!(error, SecretError::UnknownRecipient { recipient, .. } if recipient == "bob"));
}

#[test]
fn what_cannot_be_read_is_said_with_its_line_and_without_its_text() {
    let cases = [
        ("a: x\nhunter2-canary\n", "not YAML"),
        ("a: x\na: hunter2-canary\n", "twice"),
        ("a: x\nhunter2 canary: y\n", "not made of letters"),
        ("<<: {a: hunter2-canary}\n", "not made of letters"),
        ("a: x\nb: 123\n", "quote it"),
        ("a: 24.10\n", "quote it"),
        ("a: x\nb: true\n", "quote it"),
        ("a: ~\n", "quote it"),
        ("a:\n", "quote it"),
        ("a: [hunter2-canary]\n", "quote it"),
        ("a: {hunter2-canary: x}\n", "quote it"),
        ("- hunter2-canary\n", "not YAML"),
        ("a: *hunter2-canary\n", "not YAML"),
        ("a: \"hunter2-canary\n", "not YAML"),
        ("a: hunter2: canary\n", "not YAML"),
        ("a: @hunter2-canary\n", "not YAML"),
        ("a: x\n---\nb: hunter2-canary\n", "not YAML"),
        ("a: \u{0}hunter2-canary\n", "not YAML"),
    ];
    for (text, reason) in cases {
        let error = match parse_values(NAME, &secret(text)) {
            Ok(values) => panic!("{text:?} was read: {:?}", values.keys().collect::<Vec<_>>()),
            Err(error) => error,
        };
        let shown = format!("{error} {error:?}");
        assert!(shown.contains(reason), "{text:?}: {shown}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }
    let error = parse_values(NAME, &secret("a: x\nb: 123\n")).err().unwrap();
    assert!(error.to_string().ends_with("(line 2)"), "{error}");
}

#[test]
fn nothing_in_the_buffer_is_a_secret_without_values() {
    for empty in ["", "# only a comment\n", "{}\n"] {
        assert!(parse_values(NAME, &secret(empty)).ok().unwrap().is_empty(), "{empty:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn any_values_survive_the_buffer(
        data in proptest::collection::btree_map("[a-z0-9][a-z0-9._-]{0,8}", "(?s)[ -~\\n\\t\\x00-\\x1fäß\u{2028}\u{feff}\u{85}😀]{0,30}", 0..5),
    ) {
        let anna = person("anna");
        let pairs: Vec<(&str, &str)> = data.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let editing = begin(&pairs, &anna);
        let text = editing.text();
        let back = parse_values(NAME, &text);
        let found: std::collections::BTreeMap<String, String> =
            back.ok().unwrap().into_iter().map(|(key, value)| (key, value.expose().to_owned())).collect();
        prop_assert_eq!(&found, &data);
        prop_assert!(finish(&editing, text.expose(), &[anna.recipient]).unwrap().is_none());
    }
}
