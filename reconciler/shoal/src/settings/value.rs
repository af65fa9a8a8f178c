// SPDX-License-Identifier: AGPL-3.0-or-later
//! Reads one value. What cannot be read is a fault with the name, the origin and what is allowed.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use shoal_schema::SecretString;
use url::Url;

use super::layers::{Faults, Given, Layers};
use super::table::SECRETS;
use crate::host::read_private;
use crate::output::parse_duration;

/// Reads values, and remembers what was wrong.
pub(super) struct Values<'a> {
    pub(super) layers: &'a Layers,
    pub(super) faults: &'a mut Faults,
}

impl Values<'_> {
    /// A text.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.layers.get(name).map(|given| given.text.trim().to_owned())
    }

    /// A path, made absolute by nobody: it counts from where the controller was started.
    pub(super) fn path(&self, name: &str) -> Option<PathBuf> {
        self.text(name).map(PathBuf::from)
    }

    /// Whether somebody set it.
    pub(super) fn is_set(&self, name: &str) -> bool {
        self.layers.get(name).is_some()
    }

    /// A secret: the value itself, or what the file that `NAME_FILE` names holds.
    pub(super) fn secret(&mut self, name: &'static str) -> Option<SecretString> {
        debug_assert!(SECRETS.contains(&name), "only secrets may stand in a file of their own");
        let file_name = format!("{name}_FILE");
        let own = self.layers.get(name).map(|given| SecretString::new(given.text.trim().to_owned()));
        let Some(file) = self.layers.get(&file_name) else { return own };
        if own.is_some() {
            self.faults.add(format!("{name} and {file_name} are both set; one of them is enough"));
            return None;
        }
        match read_private(&PathBuf::from(file.text.trim()), name) {
            Ok(text) if text.expose().trim().is_empty() => {
                self.faults.add(format!("{file_name} ({}): the file is empty", file.origin));
                None
            }
            Ok(text) => Some(SecretString::new(text.expose().trim().to_owned())),
            Err(error) => {
                self.faults.add(format!("{file_name} ({}): {}", file.origin, error.one_line()));
                None
            }
        }
    }

    /// A whole number within bounds.
    pub(super) fn number<T>(&mut self, name: &str, default: T, bounds: RangeInclusive<T>) -> T
    where
        T: FromStr + PartialOrd + std::fmt::Display,
    {
        let Some(given) = self.layers.get(name) else { return default };
        match given.text.trim().parse() {
            Ok(number) if bounds.contains(&number) => number,
            _ => {
                let expected = format!("expected a whole number from {} to {}", bounds.start(), bounds.end());
                self.wrong(name, given.clone(), &expected);
                default
            }
        }
    }

    /// A span of time within bounds.
    pub(super) fn duration(
        &mut self,
        name: &str,
        default: Duration,
        bounds: RangeInclusive<Duration>,
    ) -> Duration {
        let Some(given) = self.layers.get(name) else { return default };
        match parse_duration(given.text.trim()) {
            Ok(duration) if bounds.contains(&duration) => duration,
            Ok(_) => {
                let expected = format!("expected {} to {}", spoken(*bounds.start()), spoken(*bounds.end()));
                self.wrong(name, given.clone(), &expected);
                default
            }
            Err(_) => {
                self.wrong(name, given.clone(), "expected a duration such as 500ms, 30s, 10m or 4h");
                default
            }
        }
    }

    /// Yes or no.
    pub(super) fn boolean(&mut self, name: &str) -> bool {
        let Some(given) = self.layers.get(name) else { return false };
        match given.text.trim().to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" => true,
            "false" | "0" | "no" => false,
            _ => {
                self.wrong(name, given.clone(), "expected true or false");
                false
            }
        }
    }

    /// One of a few words.
    pub(super) fn word(&mut self, name: &str, words: &[&'static str]) -> Option<&'static str> {
        let given = self.layers.get(name)?;
        let found = words.iter().find(|word| given.text.trim().eq_ignore_ascii_case(word)).copied();
        if found.is_none() {
            self.wrong(name, given.clone(), &format!("expected {}", words.join(" or ")));
        }
        found
    }

    /// Where to listen: `127.0.0.1:8080`, `[::1]:8080`, `localhost:8080`, or `:8080` for every
    /// address of the machine.
    pub(super) fn address(&mut self, name: &str, default: SocketAddr) -> SocketAddr {
        let Some(given) = self.layers.get(name) else { return default };
        parse_address(given.text.trim()).unwrap_or_else(|| {
            self.wrong(name, given.clone(), "expected ADDRESS:PORT, such as 127.0.0.1:8080 or [::1]:8080");
            default
        })
    }

    /// Where to listen, or `off`.
    pub(super) fn maybe_address(&mut self, name: &str) -> Option<SocketAddr> {
        let given = self.layers.get(name)?;
        if given.text.trim() == "off" {
            return None;
        }
        let address = parse_address(given.text.trim());
        if address.is_none() {
            self.wrong(name, given.clone(), "expected ADDRESS:PORT, such as 10.0.0.1:8081, or off");
        }
        address
    }

    /// Addresses as others reach us: scheme, host and port, separated by commas.
    pub(super) fn urls(&mut self, name: &str) -> Vec<String> {
        let Some(given) = self.layers.get(name) else { return Vec::new() };
        let mut urls = Vec::new();
        for text in given.text.split(',').map(str::trim).filter(|text| !text.is_empty()) {
            let url: Option<Url> = text.parse().ok().filter(is_bare);
            match url {
                Some(_) => urls.push(text.trim_end_matches('/').to_owned()),
                None => {
                    let given = Given { text: String::new(), ..given.clone() };
                    self.wrong(
                        name,
                        given,
                        "expected http:// or https://, a host and a port, without path or account",
                    );
                }
            }
        }
        urls
    }

    /// Notes that a value is wrong. It is repeated where that helps and harms nobody.
    pub(super) fn wrong(&mut self, name: &str, given: Given, expected: &str) {
        let harmless = !SECRETS.contains(&name) && given.text.len() <= 80 && !given.text.contains('@');
        let shown = if harmless && !given.text.is_empty() {
            format!("{name}={}", given.text.escape_debug())
        } else {
            name.to_owned()
        };
        self.faults.add(format!("{shown} ({}): {expected}", given.origin));
    }

    /// Notes that a setting is missing.
    pub(super) fn missing(&mut self, name: &str, hint: &str) {
        self.faults.add(format!("{name} is not set: {hint}"));
    }
}

fn parse_address(text: &str) -> Option<SocketAddr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    let (host, port) = text.rsplit_once(':')?;
    let port: u16 = port.parse().ok()?;
    match host {
        "" => Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port)),
        "localhost" => Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)),
        _ => None,
    }
}

/// Scheme, host and port, and nothing else.
fn is_bare(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
        && url.host_str().is_some_and(|host| !host.is_empty())
        && url.username().is_empty()
        && url.password().is_none()
        && matches!(url.path(), "" | "/")
        && url.query().is_none()
        && url.fragment().is_none()
}

fn spoken(duration: Duration) -> String {
    let millis = duration.as_millis();
    for (unit, size) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)] {
        if millis > 0 && millis.is_multiple_of(size) {
            return format!("{}{unit}", millis / size);
        }
    }
    format!("{millis}ms")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_the_original_wrote_them() {
        for (text, address) in [
            (":8080", "0.0.0.0:8080"),
            ("localhost:0", "127.0.0.1:0"),
            ("10.0.0.1:443", "10.0.0.1:443"),
            ("[::1]:8080", "[::1]:8080"),
        ] {
            assert_eq!(parse_address(text), address.parse().ok(), "{text}");
        }
        for text in ["8080", "host:8080", "127.0.0.1", "127.0.0.1:99999", "::1:80:x", ""] {
            assert!(parse_address(text).is_none(), "{text}");
        }
    }

    #[test]
    fn bounds_are_spoken_in_the_largest_unit() {
        assert_eq!(spoken(Duration::from_secs(3600)), "1h");
        assert_eq!(spoken(Duration::from_millis(1500)), "1500ms");
    }
}
