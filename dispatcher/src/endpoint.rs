// SPDX-License-Identifier: AGPL-3.0-or-later
//! Where the controller is, checked: what the task medium says about it, in a form that can be used.

use shoal_schema::wire::task::Callback;
pub use shoal_tls::Pin;
use url::Url;

/// A controller's address and the keys it may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    base: Url,
    pins: Vec<Pin>,
}

/// Why an address was refused.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// Not a URL.
    #[error("read the controller's address {url:?}")]
    Url {
        /// The address.
        url: String,
        /// What is wrong with it.
        #[source]
        source: url::ParseError,
    },
    /// A URL that is more, or less, than scheme, host and port.
    #[error(
        "use the controller's address {url}: it must be http or https with a host, and nothing behind the port"
    )]
    Shape {
        /// The address, without what stood behind the host.
        url: String,
    },
    /// TLS without a key to trust.
    #[error("use the controller's address {url}: https needs at least one pin")]
    Unpinned {
        /// The address.
        url: String,
    },
    /// No TLS, and not on this machine.
    #[error("use the controller's address {url}: plain http is for loopback only, and has no pins")]
    Plain {
        /// The address.
        url: String,
    },
    /// A pin that is no SHA-256.
    #[error("read pin {number} of the controller: expected 64 hex digits")]
    Pin {
        /// Which one, from 1.
        number: usize,
    },
}

impl Endpoint {
    /// Scheme, host and port.
    pub fn base(&self) -> &Url {
        &self.base
    }

    /// The keys that the controller may have; none for plain HTTP.
    pub fn pins(&self) -> &[Pin] {
        &self.pins
    }
}

impl TryFrom<&Callback> for Endpoint {
    type Error = EndpointError;

    fn try_from(callback: &Callback) -> Result<Self, EndpointError> {
        let base: Url = callback
            .url
            .parse()
            .map_err(|source| EndpointError::Url { url: callback.url.clone(), source })?;
        let shown = || base.origin().ascii_serialization();
        let bare = base.has_host()
            && base.path() == "/"
            && base.query().is_none()
            && base.fragment().is_none()
            && base.username().is_empty()
            && base.password().is_none();
        if !bare || !matches!(base.scheme(), "http" | "https") {
            return Err(EndpointError::Shape { url: shown() });
        }
        let pins: Vec<Pin> = callback
            .pins
            .iter()
            .enumerate()
            .map(|(index, text)| Pin::parse(text).map_err(|_| EndpointError::Pin { number: index + 1 }))
            .collect::<Result<_, _>>()?;
        match (base.scheme(), pins.is_empty()) {
            ("https", true) => Err(EndpointError::Unpinned { url: shown() }),
            ("http", false) => Err(EndpointError::Plain { url: shown() }),
            ("http", true) if !is_loopback(&base) => Err(EndpointError::Plain { url: shown() }),
            _ => Ok(Self { base, pins }),
        }
    }
}

/// Simulated machines share a host with their controller. A real one never does.
fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(url: &str, pins: &[&str]) -> Result<Endpoint, EndpointError> {
        let pins = pins.iter().map(|pin| (*pin).to_owned()).collect();
        Endpoint::try_from(&Callback { url: url.to_owned(), pins })
    }

    const PIN: &str = "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF";

    #[test]
    fn https_needs_a_pin_and_takes_several() {
        assert_eq!(endpoint("https://10.0.0.1:8443", &[PIN, PIN]).expect("pinned").pins().len(), 2);
        assert!(matches!(endpoint("https://10.0.0.1", &[]), Err(EndpointError::Unpinned { .. })));
    }

    #[test]
    fn plain_http_is_for_loopback_without_pins() {
        for url in ["http://127.0.0.1:8080", "http://localhost:1/", "http://[::1]:80"] {
            assert!(endpoint(url, &[]).is_ok(), "{url}");
            assert!(matches!(endpoint(url, &[PIN]), Err(EndpointError::Plain { .. })), "{url}");
        }
        for url in ["http://10.0.0.1", "http://localhost.example.org", "http://127.0.0.1.example.org"] {
            assert!(matches!(endpoint(url, &[]), Err(EndpointError::Plain { .. })), "{url}");
        }
    }

    #[test]
    fn an_address_is_scheme_host_and_port() {
        for url in [
            "https://10.0.0.1/shoal",
            "https://user@10.0.0.1",
            "https://10.0.0.1/?a=b",
            "https://10.0.0.1/#f",
            "ftp://10.0.0.1",
            "file:///etc/passwd",
        ] {
            assert!(matches!(endpoint(url, &[PIN]), Err(EndpointError::Shape { .. })), "{url}");
        }
        assert!(matches!(endpoint("controller", &[PIN]), Err(EndpointError::Url { .. })));
    }

    #[test]
    fn a_pin_is_64_hex_digits_and_nothing_else() {
        let long = format!("{PIN}0");
        let signed = format!("+0{}", &PIN[2..]);
        let wide = format!("{}\u{e9}", &PIN[2..]);
        for bad in ["", "00", &long, &signed, &wide, &PIN.replace('0', "g")] {
            assert!(
                matches!(endpoint("https://h", &[PIN, bad]), Err(EndpointError::Pin { number: 2 })),
                "{bad}"
            );
        }
    }
}
