// SPDX-License-Identifier: AGPL-3.0-or-later
//! Pages in browsers. A browser sends requests for any page that is open in it, with the accounts
//! that it knows, and from a place that the page's author may not be able to reach. No page of ours
//! uses the registry; so a request that says it comes from a page is let through for the registry's own
//! host only, and only under a name that no foreign name server can point here: the host of a page is
//! whatever its author's name server says. So is maintenance without accounts.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use http::header::{HOST, ORIGIN};

/// Whether the request says that it comes from a page, and that is another site's or may be.
pub(super) fn is_foreign_page(headers: &HeaderMap) -> bool {
    let from_page = headers.keys().any(|name| *name == ORIGIN || name.as_str().starts_with("sec-fetch-"));
    if !from_page {
        return false;
    }
    // What was typed into the address bar is `none`.
    let site = headers.get("sec-fetch-site").is_none_or(|site| site == "same-origin" || site == "none");
    !has_local_name(headers) || !site || headers.contains_key(ORIGIN) && !is_own_origin(headers)
}

fn is_own_origin(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let origin = text(ORIGIN).and_then(|origin| origin.split_once("://"));
    origin.zip(text(HOST)).is_some_and(|((_, origin), host)| origin.eq_ignore_ascii_case(host))
}

/// Whether the request comes from this very machine, asks for it by a name that is always this
/// machine's, and was not passed on by a proxy.
pub(super) fn is_local(headers: &HeaderMap, peer: Option<SocketAddr>) -> bool {
    let passed_on = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];
    let near = peer.is_some_and(|peer| peer.ip().to_canonical().is_loopback());
    near && !passed_on.iter().any(|name| headers.contains_key(*name)) && has_local_name(headers)
}

fn has_local_name(headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next(),
        None => host.split(':').next(),
    };
    let name = name.unwrap_or_default();
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn a_page_of_another_site_is_told_from_our_own() {
        let foreign = |origin| is_foreign_page(&headers(&[("host", "LocalHost:5000"), ("origin", origin)]));
        assert!(!foreign("http://localhost:5000"));
        assert!(!foreign("http://Localhost:5000"));
        for origin in
            ["http://evil.example", "null", "http://localhost", "http://localhost:5000.evil.example", ""]
        {
            assert!(foreign(origin), "{origin}");
        }
        assert!(is_foreign_page(&headers(&[("origin", "http://localhost")])), "without a host");
        assert!(!is_foreign_page(&headers(&[("host", "registry.lan")])), "no page at all");
        let fetched =
            |site| is_foreign_page(&headers(&[("host", "192.0.2.1:5000"), ("sec-fetch-site", site)]));
        assert_eq!(
            ["same-origin", "none", "same-site", "cross-site"].map(fetched),
            [false, false, true, true]
        );
    }

    #[test]
    fn a_page_whose_own_name_points_here_is_foreign_too() {
        for name in ["evil.example:5000", "registry.lan", "127.0.0.1.evil.example", "localhost.evil.example"]
        {
            let origin: &str = &format!("http://{name}");
            let host = ("host", HeaderValue::from_str(name).unwrap());
            for page in [
                ("origin", HeaderValue::from_str(origin).unwrap()),
                ("sec-fetch-site", HeaderValue::from_static("same-origin")),
                ("sec-fetch-mode", HeaderValue::from_static("navigate")),
            ] {
                let request = [host.clone(), page].map(|(name, value)| (name.parse().unwrap(), value));
                assert!(is_foreign_page(&request.into_iter().collect()), "{name}");
            }
        }
        let own =
            [("host", "[::1]:5000"), ("origin", "http://[::1]:5000"), ("sec-fetch-site", "same-origin")];
        assert!(!is_foreign_page(&headers(&own)));
    }

    #[test]
    fn only_this_machine_under_a_name_of_its_own_is_local() {
        let near = Some("127.0.0.1:4000".parse().unwrap());
        for host in ["localhost", "LOCALHOST:5000", "127.0.0.1:5000", "[::1]:5000", "[::1]"] {
            assert!(is_local(&headers(&[("host", host)]), near), "{host}");
        }
        assert!(is_local(&headers(&[("host", "localhost")]), Some("[::ffff:127.0.0.1]:1".parse().unwrap())));
        for host in
            ["evil.example", "evil.example:5000", "", "127.0.0.1.evil.example", "localhost.evil.example"]
        {
            assert!(!is_local(&headers(&[("host", host)]), near), "{host}");
        }
        assert!(!is_local(&headers(&[("host", "127.0.0.1")]), Some("192.0.2.1:4000".parse().unwrap())));
        assert!(!is_local(&headers(&[("host", "127.0.0.1")]), None));
        let proxied = headers(&[("host", "127.0.0.1"), ("x-forwarded-for", "192.0.2.1")]);
        assert!(!is_local(&proxied, near));
    }
}
