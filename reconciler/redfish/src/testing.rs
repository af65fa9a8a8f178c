// SPDX-License-Identifier: AGPL-3.0-or-later
//! The readers of what BMCs send, for tests that put anything into them. No part of the product
//! calls these.

use serde_json::Value;
use url::Url;

use crate::contract::credentials::Credentials;
use crate::contract::discovered::InsertVia;
use crate::contract::endpoint::{BmcEndpoint, TlsTrust};
use crate::discovery::Discovery;
use crate::discovery::slots::{self, RawSlot, View};
use crate::model::action::{self, Parameters};
use crate::model::boot::Boot;
use crate::model::media::{Media, natural_order};
use crate::model::oem::{self, OemRoute};
use crate::model::system::System;
use crate::rules::Rules;
use crate::wire::exchange::{Answer, Exchange};
use crate::wire::message::Messages;
use crate::wire::redact::Scrubber;
use crate::wire::refusal::Refusal;
use crate::wire::task;

/// What is made of a resource, whatever it is.
#[derive(Debug)]
pub struct Understood {
    /// Every link that a client would follow.
    pub links: Vec<String>,
    /// Ids of slots that would be used, and whether they have a route.
    pub slots: Vec<(String, bool)>,
    /// Whether it says anything at all.
    pub says_something: bool,
}

/// Reads a resource as everything that a resource can be.
pub fn resource(value: &Value) -> Understood {
    let rules = Rules::general();
    let system = System::read("/s", value);
    let boot = Boot::read(value);
    let parameters = Parameters::read(value);
    let media = Media::read("/m", value, rules);
    let mut links: Vec<String> = system.managed_by.clone();
    links.extend(system.media.clone());
    links.extend(system.settings.clone());
    links.extend(oem::iso_config(value));
    links.extend(oem::boot_config(value));
    links.extend(oem::dell_attributes(value, "iDRAC.Embedded.1"));
    let import = action::find_oem(value, "OemManager.ImportSystemConfiguration");
    let own = match &media.oem {
        Some(OemRoute::Pair { insert, eject }) => vec![Some(insert), eject.as_ref()],
        Some(OemRoute::VmmControl(control)) => vec![Some(control)],
        Some(OemRoute::IsoConfig { mount, unmount } | OemRoute::MountList { mount, unmount, .. }) => {
            vec![Some(mount), unmount.as_ref()]
        }
        None => Vec::new(),
    };
    let standard = [system.reset.as_ref(), media.insert.as_ref(), media.eject.as_ref(), import.as_ref()];
    for action in standard.into_iter().chain(own).flatten() {
        links.push(action.target.clone());
        links.extend(action.info.clone());
    }
    let says_something = boot.has_override
        || !links.is_empty()
        || !parameters.0.is_empty()
        || system.id.is_some()
        || media.oem.is_some();
    let other = Media { id: format!("{}0", media.id), ..media.clone() };
    assert_eq!(natural_order(&media.id, &other.id), natural_order(&other.id, &media.id).reverse());
    let raw = [media, other].map(|media| RawSlot {
        view: View::Manager,
        media,
        takes_patch: None,
        parameters: Parameters::default(),
        listing: None,
    });
    let settled = slots::settle(raw.into(), rules);
    let slots = settled.iter().map(|slot| (slot.media.id.clone(), slot.via != InsertVia::None)).collect();
    Understood { links, slots, says_something }
}

/// What an operator is told of a refusal: the label of its kind, and the words. `secret` is what
/// the BMC was given.
pub fn refusal(status: u16, body: &Value, secret: &str) -> (&'static str, String) {
    let rules = Rules::general();
    let refusal = Refusal { status, messages: Messages::read(body, rules), retry_after: None, rules };
    let mut scrubber = Scrubber::default();
    scrubber.add(secret);
    let kind = refusal.kind(&scrubber);
    (kind.label(), kind.to_string())
}

/// Where the task behind an answer would be asked about.
///
/// # Panics
/// Never: the address is a fixed one.
pub fn task_places(body: Value, location: Option<&str>) -> Vec<String> {
    let mut headers = http::HeaderMap::new();
    if let Some(location) = location.and_then(|location| http::HeaderValue::from_str(location).ok()) {
        headers.insert(http::header::LOCATION, location);
    }
    let url = Url::parse("http://127.0.0.1").expect("a fixed address");
    let credentials = Credentials::new(String::new(), String::new());
    let endpoint = BmcEndpoint::new(url, TlsTrust::Insecure, credentials);
    let exchange = Exchange::new(&endpoint, Rules::general()).expect("a fixed address");
    let answer = Answer { status: 202, headers, body: Some(body) };
    task::places(&answer, Rules::general(), |location| exchange.path_of(location))
}

/// Bytes that one BMC alone costs its caller as long as it is known, and whether all the rest of what is kept of it is
/// kept once for both.
pub fn weighed_beside(one: &Discovery, other: &Discovery) -> (usize, bool) {
    one.weighed_beside(other)
}
