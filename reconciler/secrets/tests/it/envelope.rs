// SPDX-License-Identifier: AGPL-3.0-or-later
//! Encryption and decryption: round trips, refusals, damage, and other people's age.

use proptest::prelude::*;
use shoal_schema::Sha256;
use shoal_schema::kinds::SecretSpec;
use shoal_schema::recipients::recipients_digest;
use shoal_secrets::{Identities, MAX_AGE_CHARS, SecretError, decrypt, encrypt};

use crate::support::{NAME, by_hand, error_of, open, person, sealed, secret, values};

#[test]
fn every_recipient_reads_it_and_the_document_lists_them() {
    let (anna, controller) = (person("anna"), person("controller"));
    let recipients = [controller.recipient.clone(), anna.recipient.clone()];
    let spec = sealed(&[("username", "root"), ("password", "pa\"ss\nwörd")], &recipients);
    assert_eq!(spec.recipients, ["anna", "controller"]);
    assert_eq!(spec.recipients_digest, recipients_digest(&recipients));
    assert!(spec.age.starts_with("-----BEGIN AGE ENCRYPTED FILE-----\n"));
    assert!(!spec.age.contains('\r') && spec.age.ends_with("-----END AGE ENCRYPTED FILE-----\n"));
    for reader in [&anna, &controller] {
        let opened = open(&spec, reader);
        assert_eq!(opened.name(), NAME);
        assert_eq!(opened.keys().collect::<Vec<_>>(), ["password", "username"]);
        assert_eq!(opened.get("password").unwrap().expose(), "pa\"ss\nwörd");
        let error = opened.require("passwd").err().unwrap();
        assert_eq!(error.to_string(), "the secret bmc/rack-a has no value passwd; it has password, username");
    }
    let again = sealed(&[("username", "root"), ("password", "pa\"ss\nwörd")], &recipients);
    assert_ne!(again.age, spec.age, "the same plaintext must not give the same ciphertext");
}

#[test]
fn who_is_no_recipient_is_told_who_is_and_what_to_do() {
    let (anna, mallory) = (person("anna"), person("mallory"));
    let spec = sealed(&[("k", "canary-value")], &[anna.recipient]);
    let error = error_of(decrypt(NAME, &spec, &mallory.identities));
    assert!(matches!(error, SecretError::NoMatchingKey { .. }), "{error:?}");
    let text = error.to_string();
    assert!(
        text.contains(NAME) && text.contains("encrypted for anna") && text.contains("shoal secret rekey"),
        "{text}"
    );
}

#[test]
fn a_ciphertext_under_another_name_is_refused() {
    let anna = person("anna");
    let spec = sealed(&[("k", "canary-value")], std::slice::from_ref(&anna.recipient));
    for other in ["bmc/rack-b", "bmc/rack-a ", "BMC/rack-a", ""] {
        let error = error_of(decrypt(other, &spec, &anna.identities));
        assert_eq!(error, SecretError::NameMismatch { secret: other.to_owned() });
    }
}

#[test]
fn plaintext_that_shoal_did_not_write_is_refused_without_a_word_of_it() {
    let anna = person("anna");
    let plaintexts: [&[u8]; 8] = [
        b"",
        b"hunter2-canary",
        b"\xff\xfe",
        b"{}",
        br#"{"name":"bmc/rack-a"}"#,
        br#"{"name":"bmc/rack-a","data":"hunter2-canary"}"#,
        br#"{"name":"bmc/rack-a","data":{"k":{"hunter2-canary":1}}}"#,
        br#"{"name":"bmc/rack-a","data":{},"hunter2-canary":1}"#,
    ];
    for plaintext in plaintexts {
        let error = error_of(decrypt(NAME, &by_hand(plaintext, &anna), &anna.identities));
        assert_eq!(error, SecretError::Envelope { secret: NAME.to_owned() });
        let mut chain = format!("{error} {error:?}");
        let mut source = std::error::Error::source(&error);
        while let Some(next) = source {
            chain.push_str(&next.to_string());
            source = next.source();
        }
        assert!(!chain.contains("hunter2"), "{chain}");
    }
}

#[test]
fn keys_of_values_are_plain_names_and_what_is_too_large_is_refused() {
    let anna = person("anna").recipient;
    for key in ["", "a b", "ä", "../x", "-x", ".x", &"k".repeat(64)] {
        let error = encrypt(NAME, &values(&[(key, "v")]), std::slice::from_ref(&anna)).unwrap_err();
        assert_eq!(error, SecretError::DataKey { secret: NAME.to_owned() }, "{key:?}");
    }
    encrypt(NAME, &values(&[(&"k".repeat(63), "v"), ("a.b_c-9", "")]), std::slice::from_ref(&anna)).unwrap();
    for size in [800_000, 2_000_000] {
        let error =
            encrypt(NAME, &values(&[("k", &"v".repeat(size))]), std::slice::from_ref(&anna)).unwrap_err();
        assert!(matches!(error, SecretError::TooLarge { .. }), "{error:?}");
    }
    let large = sealed(&[("k", &"v".repeat(700_000))], &[anna]);
    assert!(large.age.len() <= MAX_AGE_CHARS);
    let too_large = SecretSpec { age: format!("{}{}", large.age, "x".repeat(MAX_AGE_CHARS)), ..large };
    let error = error_of(decrypt(NAME, &too_large, &person("x").identities));
    assert!(matches!(error, SecretError::TooLarge { .. }), "{error:?}");
}

#[test]
fn damage_is_said_in_words_that_help() {
    let anna = person("anna");
    let spec = sealed(&[("k", &"canary-value ".repeat(20))], std::slice::from_ref(&anna.recipient));
    let lines: Vec<&str> = spec.age.lines().collect();
    let cut = lines[..lines.len() - 2].join("\n");
    let cases = [
        (String::new(), "does not begin with"),
        ("canary".to_owned(), "does not begin with"),
        (spec.age.replace('\n', "\r\n"), "Windows line ends"),
        (spec.age.replacen("\nY", "\n*", 1), "base64"),
        (cut, "cut off"),
        (lines[0].to_owned() + "\nAAAA\n-----END AGE ENCRYPTED FILE-----\n", "header"),
        (format!("{}canary", spec.age), "base64"),
    ];
    for (age, reason) in cases {
        let error = error_of(decrypt(NAME, &SecretSpec { age, ..spec.clone() }, &anna.identities));
        let text = error.to_string();
        assert!(matches!(error, SecretError::Damaged { .. }), "{error:?}");
        assert!(text.contains(reason) && text.contains(NAME) && !text.contains("canary"), "{reason}: {text}");
    }
    let indented = format!("\n{}\n\n", spec.age);
    open(&SecretSpec { age: indented, ..spec.clone() }, &anna);
}

/// Made with the reference implementation, `age` 1.1.1: `age -a -r age1k9fd…`.
const BY_REFERENCE_AGE: &str = "-----BEGIN AGE ENCRYPTED FILE-----
YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IFgyNTUxOSA1SUxBM21scWVVazFlR2xl
SHo4cS9DL3dNa1pEa2ljWkwxelIxQmRZYm04CjdnS0NOSksya3ZVRVNKY0YrUnRj
M2s0NFF3ZkZGYTZyK0dJaFJ0QlZGRFUKLS0tIDB6NE1GV3ZDUzROc25Ra3JxelFo
ZFRTS2RPZ2duTXFXT1c1b0lVcXZGMGcKkzKmJZvVr9qPvXZZkVacKDrQuTWCXhzx
0B+Kd0QXCEZZilPsIODNm4Vsn5tsG7v9ihhTU0O5STLxq7pghcopEh8nVzN+yNA7
THNDJ1V6k3fJuSa9LrXkczslZbxX4dfIJl/I0GzVPq4HXHydOKRoRQ==
-----END AGE ENCRYPTED FILE-----
";
const REFERENCE_KEY: &str = "AGE-SECRET-KEY-10K0DUFQ0XMP7MSA6UHVYX6ZRQEDE36X5T2GT5WLCNRK88A05NCDQXMV85Z";

#[test]
fn a_file_of_the_reference_implementation_opens() {
    let identities = Identities::parse(&secret(REFERENCE_KEY)).ok().unwrap();
    assert_eq!(identities.public_keys(), ["age1k9fdjrkalgh0y9efkq7pmg5cz3thvhk045c5fm6ev9v3ppakwe6stw8e3y"]);
    let spec = SecretSpec {
        recipients: vec!["test".to_owned()],
        recipients_digest: Sha256::of(b""),
        age: BY_REFERENCE_AGE.to_owned(),
    };
    let opened = decrypt(NAME, &spec, &identities).ok().unwrap();
    assert_eq!(opened.get("password").unwrap().expose(), "canary-Pa55/word+?");
    assert_eq!(opened.get("username").unwrap().expose(), "root");
}

#[test]
fn what_is_encrypted_is_a_plain_age_file_with_the_documented_json_in_it() {
    let identity = age::x25519::Identity::generate();
    let recipient =
        shoal_schema::kinds::Recipient { name: "anna".to_owned(), key: identity.to_public().to_string() };
    let spec = sealed(&[("user", "root"), ("pass", "a\"b")], &[recipient]);
    let plaintext = age::decrypt(&identity, spec.age.as_bytes()).unwrap();
    assert_eq!(
        String::from_utf8(plaintext).unwrap(),
        r#"{"name":"bmc/rack-a","data":{"pass":"a\"b","user":"root"}}"#
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn any_values_come_back(
        data in proptest::collection::btree_map("[A-Za-z0-9][A-Za-z0-9._-]{0,20}", any::<String>(), 0..5),
        name in "[a-z0-9][a-z0-9/.-]{0,30}",
    ) {
        let anna = person("anna");
        let wanted = data.clone();
        let data = data.into_iter().map(|(key, value)| (key, shoal_schema::SecretString::new(value))).collect();
        let spec = encrypt(&name, &data, std::slice::from_ref(&anna.recipient)).unwrap();
        let opened = decrypt(&name, &spec, &anna.identities).ok().unwrap();
        let found: std::collections::BTreeMap<String, String> =
            opened.data().iter().map(|(key, value)| (key.clone(), value.expose().to_owned())).collect();
        prop_assert_eq!(found, wanted);
    }

    #[test]
    fn a_changed_character_or_a_cut_is_an_error_or_changes_nothing(
        at in any::<proptest::sample::Index>(), with in "[ -~\n]", cut: bool, drop_line: bool,
    ) {
        let anna = person("anna");
        let spec = sealed(&[("k", "canary-value")], std::slice::from_ref(&anna.recipient));
        let mut age = spec.age.clone();
        let at = at.index(age.len());
        if drop_line {
            let mut lines: Vec<&str> = spec.age.lines().collect();
            lines.remove(at % lines.len());
            age = lines.join("\n") + "\n";
        } else if cut {
            age.truncate(at);
        } else {
            age.replace_range(at..=at, &with);
        }
        match decrypt(NAME, &SecretSpec { age, ..spec }, &anna.identities) {
            Ok(opened) => prop_assert_eq!(opened.get("k").unwrap().expose(), "canary-value"),
            Err(error) => {
                let shown = format!("{error} {error:?}");
                prop_assert!(!shown.contains("canary"));
            }
        }
    }

    #[test]
    fn random_text_is_refused_and_never_panics(body in "[ -~\n]{0,300}", armored: bool) {
        let anna = person("anna");
        let spec = sealed(&[], std::slice::from_ref(&anna.recipient));
        let age = if armored {
            format!("-----BEGIN AGE ENCRYPTED FILE-----\n{body}\n-----END AGE ENCRYPTED FILE-----\n")
        } else {
            body
        };
        let refused = decrypt(NAME, &SecretSpec { age, ..spec }, &anna.identities).is_err();
        prop_assert!(refused);
    }
}
