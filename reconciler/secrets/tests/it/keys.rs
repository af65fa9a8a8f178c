// SPDX-License-Identifier: AGPL-3.0-or-later
//! Key files and recipients.

use shoal_schema::kinds::Recipient;
use shoal_secrets::{Identities, KeyPair, SecretError, encrypt};

use crate::support::{NAME, person, secret, values};

#[test]
fn a_generated_key_file_reads_back_and_has_the_public_key_of_the_pair() {
    let (one, two) = (KeyPair::generate(), KeyPair::generate());
    assert_ne!(one.public, two.public);
    assert!(one.public.starts_with("age1") && one.public.len() == 62, "{}", one.public);
    let file = one.key_file("2026-01-02T03:04:05Z");
    assert!(file.expose().starts_with("# created: 2026-01-02T03:04:05Z\n# public key: age1"));
    let first = Identities::parse(&file).ok().unwrap();
    assert_eq!(first.public_keys().join(" "), one.public);
    let both = first.merge(Identities::parse(&two.private).ok().unwrap());
    assert_eq!(both.public_keys(), [one.public, two.public]);
}

#[test]
fn what_is_no_private_key_is_named_by_its_line_and_not_shown() {
    let pair = KeyPair::generate();
    let good = pair.private.expose();
    let mut damaged = good.to_owned();
    damaged.replace_range(20..21, if &good[20..21] == "Q" { "P" } else { "Q" });
    let cases = [
        (format!("# comment\n\n{}\n", pair.public), "is a public key"),
        (format!("{good}\n\n{damaged}\n"), "is not an age private key"),
        (format!("{good} {good}"), "is not an age private key"),
        ("\n\nAGE-PLUGIN-YUBIKEY-1XYZ".to_owned(), "plugin"),
        ("# x\n# y\n-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaA\n".to_owned(), "SSH key"),
        ("# x\n\nhunter2-canary".to_owned(), "is not an age private key"),
    ];
    for (text, reason) in cases {
        let error = Identities::parse(&secret(&text)).err().unwrap();
        assert!(
            matches!(error, SecretError::Identity { line, .. } if line == 3 || text.starts_with("AGE-SECRET"))
        );
        let shown = format!("{error} {error:?}");
        assert!(shown.contains(reason), "{shown}");
        assert!(!shown.contains(&good[18..]) && !shown.contains("hunter2"), "{shown}");
    }
    for nothing in ["", "\n \n", "# only a comment"] {
        assert_eq!(Identities::parse(&secret(nothing)).err(), Some(SecretError::NoIdentity));
    }
}

#[test]
fn recipients_that_are_none_or_twice_or_missing_are_named() {
    let anna = person("anna").recipient;
    let data = values(&[("k", "v")]);
    let refuse = |recipients: &[Recipient]| encrypt(NAME, &data, recipients).unwrap_err();
    assert_eq!(refuse(&[]), SecretError::NoRecipients { secret: NAME.to_owned() });
    for key in
        ["", "age1", "ssh-ed25519 AAAA", &anna.key.to_uppercase().replace("AGE1", "age1"), &anna.key[..61]]
    {
        let bad = Recipient { name: "bob".to_owned(), key: key.to_owned() };
        let error = refuse(&[anna.clone(), bad]);
        assert_eq!(error, SecretError::Recipient { recipient: "bob".to_owned() }, "{key}");
    }
    let other_name = Recipient { name: "anna-2".to_owned(), key: anna.key.clone() };
    let other_key = Recipient { name: "anna".to_owned(), key: person("x").recipient.key };
    for twin in [other_name, other_key] {
        let name = twin.name.clone();
        assert_eq!(refuse(&[anna.clone(), twin]), SecretError::DuplicateRecipient { recipient: name });
    }
}
