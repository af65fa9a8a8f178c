// SPDX-License-Identifier: AGPL-3.0-or-later
//! Where a repository is: a local path, `file://`, `https://`, `http://`, `ssh://` or `user@host:path`.
//!
//! Guarantees: the printed form never shows a password, a token or a query; other schemes are
//! refused, among them those that would run a helper program (`ext::`) or have no authentication
//! (`git://`).
//! Does not look at the file system or the network.

use std::fmt;
use std::path::{Path, PathBuf};

/// What stands where something secret was.
const MASK: &str = "***";

/// The address of a repository. Debug and Display mask what may be secret.
#[derive(Clone, PartialEq, Eq)]
pub struct RemoteUrl {
    raw: String,
    transport: Transport,
}

/// How a repository is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Transport {
    /// A directory of this machine.
    Local(PathBuf),
    /// HTTP with or without TLS.
    Http {
        /// Whether the connection is encrypted.
        tls: bool,
        /// The host is this machine.
        loopback: bool,
    },
    /// SSH, in either spelling.
    Ssh,
}

/// An address that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("repository address {url} cannot be used: {why}")]
pub struct InvalidUrl {
    /// The address, masked.
    pub url: String,
    /// Why not.
    pub why: &'static str,
}

impl RemoteUrl {
    /// Reads an address.
    pub fn parse(text: &str) -> Result<Self, InvalidUrl> {
        let invalid = |why| InvalidUrl { url: mask_urls(text), why };
        if text.is_empty() {
            return Err(invalid("it is empty"));
        }
        if text.chars().any(char::is_control) {
            return Err(invalid("it has control characters"));
        }
        if text.starts_with('-') {
            return Err(invalid("it starts with a dash"));
        }
        let transport = match text.split_once("://") {
            Some(("file", path)) => {
                let path = path.strip_prefix("localhost").unwrap_or(path);
                if !path.starts_with('/') {
                    return Err(invalid("a file address needs an absolute path"));
                }
                Transport::Local(PathBuf::from(
                    percent_decode(path).ok_or_else(|| invalid("its percent escapes are not valid UTF-8"))?,
                ))
            }
            Some((scheme @ ("http" | "https"), rest)) => {
                let host = host_of(rest);
                if host.is_empty() {
                    return Err(invalid("it has no host"));
                }
                Transport::Http { tls: scheme == "https", loopback: is_loopback(host) }
            }
            Some(("ssh", rest)) => {
                if host_of(rest).is_empty() || host_of(rest).starts_with('-') {
                    return Err(invalid("it has no host"));
                }
                Transport::Ssh
            }
            Some(("git", _)) => {
                return Err(invalid("git:// has no authentication, use https:// or ssh://"));
            }
            Some(_) => return Err(invalid("only file, https, http and ssh are supported")),
            None if text.contains("::") => {
                return Err(invalid("remote helpers are not supported"));
            }
            None => match text.split_once(':') {
                // As git itself: a colon before the first slash means host:path.
                Some((host, path)) if !host.contains('/') => {
                    // A forgotten scheme: what would be the path holds a token.
                    if let Some((_, rest)) = path.split_once('@') {
                        return Err(InvalidUrl {
                            url: format!("{MASK}@{}", mask_urls(rest)),
                            why: "user:password@host needs https:// in front",
                        });
                    }
                    if path.is_empty() || host.rsplit('@').next().is_none_or(str::is_empty) {
                        return Err(invalid("host:path needs both a host and a path"));
                    }
                    Transport::Ssh
                }
                _ => Transport::Local(PathBuf::from(text)),
            },
        };
        Ok(Self { raw: text.to_owned(), transport })
    }

    /// The address of a directory.
    pub fn local(path: &Path) -> Self {
        Self { raw: path.display().to_string(), transport: Transport::Local(path.to_owned()) }
    }

    /// The directory, when the repository is on this machine.
    pub fn local_path(&self) -> Option<&Path> {
        match &self.transport {
            Transport::Local(path) => Some(path),
            Transport::Http { .. } | Transport::Ssh => None,
        }
    }

    /// The address with everything in it, for the transport alone.
    pub(crate) fn expose(&self) -> &str {
        &self.raw
    }

    pub(crate) fn transport(&self) -> &Transport {
        &self.transport
    }

    /// Whether credentials sent there could be read on the way.
    pub(crate) fn is_readable_on_the_way(&self) -> bool {
        matches!(self.transport, Transport::Http { tls: false, loopback: false })
    }

    /// Whether the address carries credentials of its own.
    pub(crate) fn has_password(&self) -> bool {
        !matches!(self.transport, Transport::Local(_))
            && self.raw.split_once("://").is_some_and(|(_, rest)| authority(rest).contains('@'))
    }
}

impl fmt::Display for RemoteUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.transport {
            Transport::Local(_) => f.write_str(&self.raw),
            Transport::Http { .. } | Transport::Ssh => f.write_str(&mask_urls(&self.raw)),
        }
    }
}

impl fmt::Debug for RemoteUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RemoteUrl({self})")
    }
}

/// Masks user information, query and fragment of every address in a text.
///
/// The user name of an `ssh://` address stays, as it is no secret (`git@`); with HTTP it may be a
/// token and goes.
pub fn mask_urls(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        let end = after
            .find(|c: char| c.is_whitespace() || matches!(c, '\'' | '"' | '<' | '>' | '`'))
            .unwrap_or(after.len());
        let (url, tail) = after.split_at(end);
        mask_one(before, url, &mut out);
        rest = tail;
    }
    out.push_str(rest);
    out
}

fn mask_one(scheme: &str, url: &str, out: &mut String) {
    let authority = authority(url);
    let path = &url[authority.len()..];
    match authority.rsplit_once('@') {
        None => out.push_str(authority),
        Some((user, host)) => {
            match user.split_once(':') {
                None if scheme.ends_with("ssh://") => out.push_str(user),
                Some((name, _)) if scheme.ends_with("ssh://") => {
                    out.push_str(name);
                    out.push(':');
                    out.push_str(MASK);
                }
                _ => out.push_str(MASK),
            }
            out.push('@');
            out.push_str(host);
        }
    }
    match path.find(['?', '#']) {
        None => out.push_str(path),
        Some(at) => {
            out.push_str(&path[..=at]);
            out.push_str(MASK);
        }
    }
}

fn authority(rest: &str) -> &str {
    &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())]
}

fn host_of(rest: &str) -> &str {
    let authority = authority(rest);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or(""),
        None => host.split(':').next().unwrap_or(""),
    }
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = &rest[2..];
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn credentials_and_queries_are_never_printed() {
        for (text, shown) in [
            ("https://user:s3cret@git.example/a.git", "https://***@git.example/a.git"),
            ("https://ghp_s3cret@git.example:8443/a", "https://***@git.example:8443/a"),
            ("https://git.example/a?private_token=s3cret", "https://git.example/a?***"),
            ("https://u:p@ss:s3cret@host/x", "https://***@host/x"),
            ("ssh://git:s3cret@host:22/x", "ssh://git:***@host:22/x"),
            ("ssh://git@host/x", "ssh://git@host/x"),
            ("git@host:x.git", "git@host:x.git"),
        ] {
            let url = RemoteUrl::parse(text).expect(text);
            assert_eq!(url.to_string(), shown);
            assert!(!format!("{url:?}").contains("s3cret"));
        }
    }

    #[test]
    fn a_forgotten_scheme_does_not_show_the_token() {
        let error = RemoteUrl::parse("user:s3cret@git.example/a.git").expect_err("no scheme");
        assert!(!error.to_string().contains("s3cret"), "{error}");
        assert!(error.to_string().contains("***@git.example/a.git"), "{error}");
    }

    proptest! {
        #[test]
        fn no_spelling_of_a_token_is_ever_printed(
            scheme in prop::sample::select(vec!["https", "http", "ssh", "HTTPS", "ftp", "git", "x"]),
            user in "[a-z:@%/?#]{0,6}",
            place in 0..3_usize,
            port in prop::option::of(1..65_535_u16),
        ) {
            let port = port.map(|port| format!(":{port}")).unwrap_or_default();
            // A user name with a slash or a question mark ends the authority, for git as for us: what
            // follows is a path, and a path is shown.
            let user: String = user.chars().filter(|c| !"/?#".contains(*c)).collect();
            let text = match place {
                0 => format!("{scheme}://{user}:S3CRET@host{port}/p"),
                1 => format!("{scheme}://host{port}/p?token=S3CRET"),
                _ => format!("{scheme}://host{port}/p#S3CRET"),
            };
            let shown = match RemoteUrl::parse(&text) {
                Ok(url) => format!("{url} {url:?}"),
                Err(error) => format!("{error} {error:?}"),
            };
            prop_assert!(!shown.contains("S3CRET"), "{}", shown);
            let sentence = format!("cannot open '{text}' now");
            prop_assert!(!mask_urls(&sentence).contains("S3CRET"));
        }
    }

    #[test]
    fn addresses_inside_a_sentence_are_masked() {
        assert_eq!(
            mask_urls("cannot redirect from 'https://a:b@c/d' to 'https://e/f?t=1' at all"),
            "cannot redirect from 'https://***@c/d' to 'https://e/f?***' at all"
        );
    }

    #[test]
    fn other_schemes_are_refused_without_showing_what_they_carry() {
        for text in [
            "",
            "ext::sh -c touch% /tmp/x",
            "git://host/x",
            "ftp://user:s3cret@host/x",
            "https:///x",
            "ssh://-oProxyCommand=x/y",
            "-oProxyCommand=x",
            "host:",
            ":path",
            "file://relative/x",
            "/a\nb",
        ] {
            let error = RemoteUrl::parse(text).expect_err(text);
            assert!(!error.to_string().contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn paths_and_file_addresses_are_local() {
        for (text, path) in [
            ("/srv/git/a.git", "/srv/git/a.git"),
            ("./a:b", "./a:b"),
            ("file:///srv/a%20b", "/srv/a b"),
            ("file://localhost/srv/a", "/srv/a"),
        ] {
            let url = RemoteUrl::parse(text).expect(text);
            assert_eq!(url.local_path(), Some(Path::new(path)));
        }
    }

    #[test]
    fn plain_http_counts_as_readable_except_on_this_machine() {
        for (text, readable) in [
            ("http://git.example/a", true),
            ("http://127.0.0.1:3000/a", false),
            ("http://localhost/a", false),
            ("http://[::1]:3000/a", false),
            ("https://git.example/a", false),
        ] {
            let url = RemoteUrl::parse(text).expect(text);
            assert_eq!(url.is_readable_on_the_way(), readable, "{text}");
        }
    }
}
