// SPDX-License-Identifier: AGPL-3.0-or-later
//! What holds for any input.

use proptest::prelude::*;
use shoal_inventory::{Format, render};
use shoal_schema::kinds::Server;

use crate::support::{Tree, cases, server};

/// Bytes that mean something in YAML.
const SIGNS: &[u8] = b" \n\t:-{}[]\"'#&*!|>%@`";

/// Documents to tear.
fn seeds() -> Vec<Vec<u8>> {
    ["documents/valid", "documents/invalid"]
        .iter()
        .flat_map(|directory| cases(directory))
        .map(|(_, c)| c)
        .collect()
}

/// Cuts, repeats, overwrites.
fn torn() -> impl Strategy<Value = Vec<u8>> {
    let change = (any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..4_u8, any::<u8>());
    (prop::sample::select(seeds()), proptest::collection::vec(change, 0..6)).prop_map(
        |(mut bytes, changes)| {
            for (from, to, what, byte) in changes {
                if bytes.is_empty() {
                    break;
                }
                let (from, to) = (from.index(bytes.len()), to.index(bytes.len()));
                let (from, to) = (from.min(to), from.max(to));
                match what {
                    0 => drop(bytes.drain(from..to)),
                    1 => {
                        let piece = bytes[from..to].to_vec();
                        bytes.splice(from..from, piece);
                    }
                    2 => bytes[from] = byte,
                    _ => bytes.insert(from, SIGNS[usize::from(byte) % SIGNS.len()]),
                }
            }
            bytes
        },
    )
}

fn survives(path: &str, bytes: Vec<u8>) {
    let loaded = Tree::base().with(path, bytes).load();
    assert!(loaded.inventory.servers.contains_key("base-01") || !loaded.diagnostics.is_empty());
    for (_, format) in Format::ALL {
        let _ = render(format, &loaded.diagnostics, false);
    }
    for diagnostic in &loaded.diagnostics {
        let texts = [Some(&diagnostic.message), diagnostic.hint.as_ref(), diagnostic.source_line.as_ref()];
        for text in texts.into_iter().flatten() {
            assert!(!text.chars().any(|c| c.is_control() && c != '\t'), "{text:?}");
        }
    }
}

/// Text that reads as itself when it is written plain, or quoted where it does not.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z][a-z0-9-]{0,12}",
        "[0-9]{1,6}",
        "[0-9]{1,2}\\.[0-9]{1,2}",
        Just("no".to_owned()),
        Just("0777".to_owned()),
        Just("~".to_owned()),
        "[ -~]{0,20}",
        "[a-z\u{e9}\u{20ac}\u{1F600} ]{0,8}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        survives("servers/case.yaml", bytes);
    }

    #[test]
    fn any_torn_document_is_read_or_refused(bytes in torn(), place in 0..5_usize) {
        let path = ["servers/x.yaml", "recipes/x.yaml", "images/x.yaml", "secrets/x.yaml", "shoal.yaml"][place];
        survives(path, bytes);
    }

    #[test]
    fn values_in_quotes_arrive_as_they_are(
        labels in proptest::collection::btree_map("[a-z]{1,8}", value(), 0..5),
        description in value(),
        motd in value(),
        crlf in any::<bool>(),
    ) {
        // JSON strings are double-quoted YAML scalars.
        let quote = |text: &str| serde_json::to_string(text).unwrap();
        let pairs: Vec<String> = labels.iter().map(|(k, v)| format!("{}: {}", quote(k), quote(v))).collect();
        let text = server("case", 1)
            .replace("{rack: a}", &format!("{{{}}}", pairs.join(", ")))
            .replace("{hostname: case}", &format!("{{hostname: case, motd: {}}}", quote(&motd)))
            .replace("  labels:", &format!("  description: {}\n  labels:", quote(&description)));
        let text = if crlf { text.replace('\n', "\r\n") } else { text };
        let loaded = Tree::base().with("servers/case.yaml", text).load();
        prop_assert_eq!(&loaded.diagnostics, &[]);
        let server: &Server = &loaded.inventory.servers["case"].value;
        prop_assert_eq!(&*server.metadata.labels, &labels);
        prop_assert_eq!(server.metadata.description.as_deref(), Some(description.as_str()));
        prop_assert_eq!(&server.spec.vars["motd"], &motd);
    }

    #[test]
    fn a_secret_is_in_no_diagnostic(bytes in torn(), place in 0..2_usize) {
        // Every word that is a value is the secret: whatever is shown would show it.
        let mut text = String::from("apiVersion: shoal.dev/v1\nkind: Secret\nmetadata: {name: case}\nspec:\n");
        let torn = String::from_utf8_lossy(&bytes);
        for line in torn.lines() {
            let (key, rest) = line.split_once(':').unwrap_or((line, ""));
            let indent = key.len() - key.trim_start().len();
            // Names of fields are shown, so there are none but those in front.
            let structure: String = rest
                .chars()
                .map(|c| match c {
                    '{' => '[',
                    '}' => ']',
                    ':' | '?' => ',',
                    c if c.is_alphanumeric() => 'Q',
                    c => c,
                })
                .collect();
            text.push_str(&format!("{}k{}: {}\n", " ".repeat(indent.min(8)), key.len() % 5, structure));
        }
        let text = if place == 0 { text } else { text.replace("kind: Secret", "kind: Q") };
        let loaded = Tree::base().with("secrets/case.yaml", text).load();
        for (_, format) in Format::ALL {
            let shown = render(format, &loaded.diagnostics, false);
            prop_assert!(!shown.contains('Q'), "{shown}");
        }
    }
}
