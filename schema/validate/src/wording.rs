// SPDX-License-Identifier: AGPL-3.0-or-later
//! Words for what a schema expects.

/// What a pattern of our schemas asks for. A pattern that is not in here is shown as it is.
pub(crate) fn pattern(pattern: &str) -> Option<&'static str> {
    Some(match pattern {
        r"^[a-z0-9]([a-z0-9._/-]*[a-z0-9])?$" => {
            "lower-case letters, digits, `-`, `.`, `_` and `/`, with a letter or digit at both ends"
        }
        r"^https?://[^\s/?#@]+/?$" => {
            "`https://` or `http://` and a host, with a port where needed; no path, no user"
        }
        r"^https?://\S+$" => "an `https://` or `http://` address",
        r"^[a-z0-9][a-z0-9._-]{0,62}$" => "1 to 63 lower-case letters, digits, `.`, `_` and `-`",
        r"^age1[02-9ac-hj-np-z]{58}$" => "an age public key, `age1` and 58 characters",
        r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,120}$" => "a branch name of letters, digits, `.`, `_`, `/` and `-`",
        r"^[A-Za-z0-9][A-Za-z0-9 ._/+-]*$" => {
            "a serial number of letters, digits, blanks and `._/+-`, with a letter or digit first"
        }
        r"^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$" => {
            "a UUID, 32 hex digits in five groups with dashes"
        }
        r"^([0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2}$" => {
            "a SHA-256 fingerprint, 64 hex digits with or without colons"
        }
        r"^([0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}$" => "a hardware address, six hex pairs with colons",
        r"^/dev/((sd|vd|hd)[a-z]{1,3}|nvme[0-9]{1,3}n[0-9]{1,3}|md[0-9]{1,3}|mapper/[A-Za-z0-9_+-][A-Za-z0-9._+-]{0,63})$" => {
            "a whole disk: `/dev/sdX`, `/dev/vdX`, `/dev/hdX`, `/dev/nvmeNnN`, `/dev/mdN` or `/dev/mapper/NAME`"
        }
        r"^[1-9][0-9]{0,8}[KMGT]$" => "a size, digits and `K`, `M`, `G` or `T`, such as `512M`",
        r"^([1-9][0-9]{0,8}[KMGT]|([1-9][0-9]?|100)%)$" => {
            "a size such as `512M` or `8G`, or a share such as `100%`"
        }
        r"^(ef00|8300|8200|0700|0c01|fc00|fd00|EF00|0C01|FC00|FD00|[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12})$" => {
            "a partition type: `ef00`, `8300`, `8200`, `0700`, `0c01`, `fc00`, `fd00`, or a full GUID"
        }
        r"^[A-Za-z0-9._-]+$" => "letters, digits, `.`, `_` and `-`",
        r"^[a-z][a-z0-9._-]{0,14}$" => {
            "an interface name of at most 15 lower-case letters, digits, `.`, `_` and `-`"
        }
        r"^[0-9A-Fa-f.:]+/[0-9]{1,3}$" => "an address with a prefix length, such as `10.0.0.5/24`",
        r"^[0-9A-Fa-f.:]+$" => "an IP address",
        r"^[a-z0-9.-]+\.target$" => "a systemd target, such as `install-linux.target`",
        r"^[a-z][a-z0-9+.-]*://\S+$" => "an address with a scheme, such as `https://host/file`",
        r"^-----BEGIN AGE ENCRYPTED FILE-----\n" => {
            "an armored age file that begins with `-----BEGIN AGE ENCRYPTED FILE-----`"
        }
        r"^sha256:[0-9a-f]{64}$" => "`sha256:` and 64 lower-case hex digits",
        r"^[a-z0-9.-]+(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)+(:[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?@sha256:[0-9a-f]{64}$" => {
            "an OCI reference pinned by digest, `HOST/REPOSITORY@sha256:` and 64 hex digits"
        }
        _ => return None,
    })
}

/// A JSON type, for people.
pub(crate) fn type_name(name: &str) -> &str {
    match name {
        "string" => "text",
        "boolean" => "`true` or `false`",
        "integer" => "a whole number",
        "number" => "a number",
        "array" => "a list",
        "object" => "a mapping",
        "null" => "nothing",
        other => other,
    }
}

/// `a`, `b` or `c`, each in backticks.
pub(crate) fn one_of(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    alternatives(&quoted)
}

/// `a, b or c`
pub(crate) fn alternatives(words: &[String]) -> String {
    match words {
        [] => "nothing".to_owned(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// `1 entry`, `3 entries`
pub(crate) fn count(number: u64, one: &str, several: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { several })
}
