// SPDX-License-Identifier: AGPL-3.0-or-later
//! The digest of a set of recipients: tells, without any key, that a Secret must be encrypted anew.

use crate::Sha256;
use crate::kinds::Recipient;

/// The digest over the sorted lines `NAME KEY`, each ended by a line feed. The order of the
/// recipients does not matter; every name and every key does.
pub fn recipients_digest<'a>(recipients: impl IntoIterator<Item = &'a Recipient>) -> Sha256 {
    let mut lines: Vec<String> =
        recipients.into_iter().map(|recipient| format!("{} {}\n", recipient.name, recipient.key)).collect();
    lines.sort_unstable();
    Sha256::of(lines.concat().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipient(name: &str, key: &str) -> Recipient {
        Recipient { name: name.to_owned(), key: key.to_owned() }
    }

    #[test]
    fn the_digest_is_that_of_the_sorted_lines() {
        let recipients = [recipient("b", "age1x"), recipient("a", "age1y")];
        assert_eq!(recipients_digest(&recipients), Sha256::of(b"a age1y\nb age1x\n"));
        assert_eq!(recipients_digest(recipients.iter().rev()), recipients_digest(&recipients));
        assert_eq!(recipients_digest(&[]), Sha256::of(b""));
    }

    #[test]
    fn another_name_or_key_is_another_digest() {
        let digest = recipients_digest(&[recipient("a", "age1y")]);
        for other in [recipient("a", "age1z"), recipient("b", "age1y"), recipient("a ", "age1y")] {
            assert_ne!(recipients_digest(&[other]), digest);
        }
    }
}
