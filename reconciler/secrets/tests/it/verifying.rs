// SPDX-License-Identifier: AGPL-3.0-or-later
//! What `verify` finds, with keys and without.

use shoal_schema::kinds::{Recipient, SecretSpec};
use shoal_secrets::{Problem, SecretError, verify};

use crate::support::{NAME, by_hand, person, sealed};

#[test]
fn a_good_secret_has_no_problems_with_or_without_keys() {
    let (anna, bob) = (person("anna"), person("bob"));
    let fleet = [bob.recipient.clone(), anna.recipient.clone(), person("carol").recipient];
    for recipients in [&fleet[..1], &fleet[..2]] {
        let spec = sealed(&[("k", "v")], recipients);
        assert_eq!(verify(NAME, &spec, &fleet, None), []);
        assert_eq!(verify(NAME, &spec, &fleet, Some(&bob.identities)), []);
    }
}

#[test]
fn a_recipient_whose_key_changed_or_who_left_the_fleet_is_noticed_without_any_key() {
    let (anna, bob) = (person("anna").recipient, person("bob").recipient);
    let spec = sealed(&[("k", "v")], &[anna.clone(), bob.clone()]);
    let rotated = Recipient { key: person("bob").recipient.key, ..bob };
    let problems = verify(NAME, &spec, &[anna.clone(), rotated], None);
    assert_eq!(problems, [Problem::StaleKeys { secret: NAME.to_owned() }]);
    assert!(problems[0].to_string().contains("shoal secret rekey"));
    let problems = verify(NAME, &spec, &[anna], None);
    assert!(
        matches!(&problems[..], [Problem::Secret(SecretError::UnknownRecipient { recipient, .. })] if recipient == "bob"),
        "{problems:?}"
    );
}

#[test]
fn names_that_do_not_fit_the_age_block_are_noticed_without_any_key() {
    let (anna, bob) = (person("anna").recipient, person("bob").recipient);
    let fleet = [anna.clone(), bob.clone()];
    let both = sealed(&[("k", "v")], &fleet);
    // Somebody added a name, and its digest, and did not encrypt again.
    let forged = SecretSpec { age: sealed(&[("k", "v")], &[anna]).age, ..both };
    let problems = verify(NAME, &forged, &fleet, None);
    assert_eq!(problems, [Problem::Count { secret: NAME.to_owned(), listed: 2, found: 1 }]);
}

#[test]
fn with_a_key_the_content_is_checked_too() {
    let anna = person("anna");
    let fleet = std::slice::from_ref(&anna.recipient);
    let spec = sealed(&[("k", "v")], fleet);
    let copied = verify("bmc/rack-b", &spec, fleet, Some(&anna.identities));
    assert!(matches!(&copied[..], [Problem::Secret(SecretError::NameMismatch { .. })]), "{copied:?}");
    let stranger = verify(NAME, &spec, fleet, Some(&person("x").identities));
    assert!(matches!(&stranger[..], [Problem::Secret(SecretError::NoMatchingKey { .. })]), "{stranger:?}");
    let foreign = verify(NAME, &by_hand(b"hello", &anna), fleet, Some(&anna.identities));
    assert!(matches!(&foreign[..], [Problem::Secret(SecretError::Envelope { .. })]), "{foreign:?}");
}

#[test]
fn several_problems_are_all_reported() {
    let anna = person("anna").recipient;
    let spec = SecretSpec {
        recipients: vec!["gone".to_owned(), "anna".to_owned(), "lost".to_owned()],
        age: "nothing".to_owned(),
        ..sealed(&[], std::slice::from_ref(&anna))
    };
    let problems = verify(NAME, &spec, &[anna], None);
    let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(texts.len(), 3, "{texts:?}");
    assert!(texts[0].contains("gone") && texts[1].contains("lost") && texts[2].contains("does not begin"));
    let twice = SecretSpec { recipients: vec!["anna".to_owned(); 2], ..spec };
    let problems = verify(NAME, &twice, &[person("anna").recipient], None);
    assert!(matches!(&problems[0], Problem::Secret(SecretError::DuplicateRecipient { .. })), "{problems:?}");
}
