// SPDX-License-Identifier: AGPL-3.0-or-later
//! Clients: warnings of a registry are told, once each, and change nothing.

use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex};

use http::Method;
use shoal_registry_client::{BlobSource, silent};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use super::{Pair, repository};
use crate::between::{Between, set};
use crate::content::noise;

/// What is told to people: events of the level WARN and above, each with all of its fields.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = write!(self.0, "{field}={value:?} ");
    }
}

impl Subscriber for Told {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN
    }

    fn event(&self, event: &Event<'_>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        self.0.lock().unwrap().push(text.0);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

// covers: warning-04, warning-05
#[tokio::test]
async fn each_warning_of_a_registry_is_told_once() {
    let told = Told::default();
    let _guard = tracing::subscriber::set_default(told.clone());
    let between = Between::after(|seen, response| {
        let text = if seen.method == Method::HEAD { "the token expires soon" } else { "the registry moves" };
        set(response, "warning", &format!("299 - \"{text}\""));
    });
    let pair = Pair::new(between).await;
    let (a, blob) = (repository("a"), noise(2500));
    let source = BlobSource::bytes(blob.bytes.clone());
    for _ in 0..2 {
        pair.client.push_blob(&a, &blob.digest, &source, None, &silent()).await.unwrap();
        pair.client.ping().await.unwrap();
    }
    let told = told.0.lock().unwrap();
    for text in ["the token expires soon", "the registry moves"] {
        assert_eq!(told.iter().filter(|line| line.contains(text)).count(), 1, "{text}: {told:?}");
    }
}

// covers: warning-06
#[tokio::test]
async fn warnings_change_nothing_of_what_is_done() {
    let between = Between::after(|_, response| {
        set(response, "warning", "299 - \"this registry will be switched off\"");
    });
    let (warned, plain) = (Pair::new(between).await, Pair::new(Between::watching()).await);
    let blob = noise(2500);
    for pair in [&warned, &plain] {
        let source = BlobSource::bytes(blob.bytes.clone());
        let a = repository("a");
        pair.client.push_blob(&a, &blob.digest, &source, None, &silent()).await.unwrap();
        pair.client.push_blob(&a, &blob.digest, &source, None, &silent()).await.unwrap();
    }
    let asked = |pair: &Pair| -> Vec<(Method, usize)> {
        pair.between.seen().into_iter().map(|seen| (seen.method, seen.body.len())).collect()
    };
    assert_eq!(asked(&warned), asked(&plain));
}
