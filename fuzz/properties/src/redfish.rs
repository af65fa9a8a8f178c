// SPDX-License-Identifier: AGPL-3.0-or-later
//! What BMCs send: resources, refusals, tasks, addresses.

use serde_json::Value;
use shoal_redfish::{MediaUrl, testing};

/// Characters of a BMC's own words that reach anybody, with what is said around them.
const LONGEST: usize = 400;
/// Given to a BMC, and never to be told to anybody else.
const SECRET: &str = "c4pab1l1ty-of-a-medium";

/// The input as a resource.
///
/// # Panics
///
/// Where a link would leave the BMC, or where a slot without a name would be used.
pub fn redfish_resources(input: &[u8]) -> bool {
    let Ok(value) = serde_json::from_slice::<Value>(input) else { return false };
    let understood = testing::resource(&value);
    for link in &understood.links {
        assert!(link.starts_with('/') && !link.starts_with("//"), "{link:?} leaves the BMC");
        assert!(!link.contains(char::is_control) && link.len() <= 2048, "{link:?} is no link");
    }
    for (id, has_route) in &understood.slots {
        assert!(!has_route || !id.is_empty(), "a slot without a name");
    }
    understood.says_something
}

/// The input as the body of a refusal; its length decides the status.
///
/// # Panics
///
/// Where the words would break a line or a terminal, have no bound, or tell a secret.
pub fn redfish_errors(input: &[u8]) -> bool {
    let Ok(value) = serde_json::from_slice::<Value>(input) else { return false };
    const STATUS: [u16; 12] = [400, 401, 403, 404, 405, 409, 412, 415, 429, 500, 501, 503];
    let status = STATUS[input.len() % STATUS.len()];
    let (label, words) = testing::refusal(status, &value, SECRET);
    assert!(!label.is_empty());
    assert!(!words.contains(char::is_control), "{words:?}");
    assert!(words.chars().count() <= LONGEST, "{} characters", words.chars().count());
    assert!(!words.contains(SECRET), "{words:?}");
    !words.contains("no reason given")
}

/// The first line of the input as `Location`, the rest as the body of a 202.
///
/// # Panics
///
/// Where the task would be looked for on another host, or in more than a few places.
pub fn redfish_tasks(input: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(input) else { return false };
    let (location, body) = text.split_once('\n').unwrap_or((text, "null"));
    let body = serde_json::from_str(body).unwrap_or(Value::Null);
    let places = testing::task_places(body, Some(location));
    assert!(places.len() <= 8, "{places:?}");
    for place in &places {
        assert!(place.starts_with('/'), "{place:?} is no path");
        assert!(!place.contains(char::is_control), "{place:?}");
    }
    !places.is_empty()
}

/// The input as the address of an image.
///
/// # Panics
///
/// Where an address is not the same as itself, or shows a long part of its path.
pub fn redfish_links(input: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(input) else { return false };
    let url = MediaUrl::new(text);
    assert!(url.same_image(&url), "{text:?} is not itself");
    let shown = url.to_string();
    assert!(!shown.contains(char::is_control), "{shown:?}");
    let secret = MediaUrl::new(format!("http://10.0.0.1/media/{SECRET}/{text}"));
    assert!(!secret.to_string().contains(SECRET), "{secret}");
    assert!(!format!("{secret:?}").contains(SECRET), "{secret:?}");
    url.scheme().is_some()
}
