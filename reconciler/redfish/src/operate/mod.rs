// SPDX-License-Identifier: AGPL-3.0-or-later
//! The real BMC: [`RedfishBmc`], one operation a file.

mod boot;
mod boot_by_config;
mod boot_by_import;
mod eject;
mod insert;
mod insert_body;
pub(crate) mod memory;
mod oem;
mod patience;
mod power;
mod state;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::Method;
use serde_json::Value;

use self::memory::Parts;
use crate::contract::bmc::{Bmc, Effect, PowerOff};
use crate::contract::discovered::Discovered;
use crate::contract::endpoint::{BmcEndpoint, Budgets};
use crate::contract::error::{Error, ErrorKind};
use crate::contract::image::{ImageRef, MediaUrl};
use crate::contract::observe::Op;
use crate::contract::state::BmcState;
use crate::discovery::layout::Layout;
use crate::discovery::slots::Slot;
use crate::discovery::{Discovery, discover};
use crate::model::media::Media;
use crate::model::oem::OemRoute;
use crate::rules::vendor::Vendor;
use crate::rules::{Rule, Rules};
use crate::wire::client::{Failure, Wire};
use crate::wire::etag;
use crate::wire::exchange::{Answer, Condition, Request};
use crate::wire::retry::Replay;
use crate::wire::tls::Fingerprint;
use crate::wire::wiring::Wiring;

/// Times that a write is sent which is accepted and shows no effect.
const MOST_WRITES: u32 = 3;

/// One BMC over HTTP. Close it on every exit path; dropped unclosed inside a runtime, it tries
/// to end its session all the same.
pub struct RedfishBmc {
    wire: Wire,
    discovery: Arc<Discovery>,
    discovered: Discovered,
    budgets: Budgets,
}

impl RedfishBmc {
    /// Logs in and discovers. When that fails, the session is closed before the error returns.
    pub async fn connect(endpoint: &BmcEndpoint, wiring: Wiring) -> Result<Self, Error> {
        Self::connect_without(endpoint, wiring, &[]).await
    }

    /// As [`RedfishBmc::connect`], with some rules switched off. For tests, which show that a
    /// rule is needed by what happens without it.
    #[doc(hidden)]
    pub async fn connect_without(
        endpoint: &BmcEndpoint,
        wiring: Wiring,
        off: &[Rule],
    ) -> Result<Self, Error> {
        let wire = Wire::new(endpoint, wiring, Rules::general().without(off))?;
        match discover(&wire, endpoint, off).await {
            Ok(discovery) => Ok(Self::new(wire, discovery, endpoint.budgets)),
            Err(error) => {
                // The first error is the one to tell; the log has this one.
                let _ = wire.close().await;
                Err(error)
            }
        }
    }

    /// Takes up what an earlier connection discovered, and asks nothing yet: the login happens
    /// with the first operation. Identity is not checked again; connect anew from time to time.
    pub fn resume(endpoint: &BmcEndpoint, wiring: Wiring, discovery: Arc<Discovery>) -> Result<Self, Error> {
        let bmc = Self::new(Wire::new(endpoint, wiring, discovery.rules())?, discovery, endpoint.budgets);
        bmc.wire.set_vendor(Vendor::of([bmc.discovered.vendor.as_str()]).label());
        if let Some(sessions) = &bmc.layout().sessions {
            bmc.wire.set_sessions(sessions.clone());
        }
        Ok(bmc)
    }

    fn new(wire: Wire, discovery: Arc<Discovery>, budgets: Budgets) -> Self {
        Self { discovered: discovery.discovered(), wire, discovery, budgets }
    }

    fn layout(&self) -> &Layout {
        self.discovery.layout()
    }

    fn rules(&self) -> Rules {
        self.discovery.rules()
    }

    /// What was discovered, to be kept for [`RedfishBmc::resume`].
    pub fn discovery(&self) -> Arc<Discovery> {
        Arc::clone(&self.discovery)
    }

    /// The certificate that the BMC presented last; none over plain HTTP or before a request.
    pub fn certificate(&self) -> Option<Fingerprint> {
        self.wire.certificate()
    }

    /// Reads a resource.
    async fn read(&self, op: Op, path: &str) -> Result<Resource, Error> {
        self.try_read(op, path).await.map_err(|failure| self.wire.failed(op, path, failure))
    }

    async fn try_read(&self, op: Op, path: &str) -> Result<Resource, Failure> {
        let request = Request { method: Method::GET, path: path.to_owned(), body: None, condition: None };
        let answer = self.wire.send(op, request, Replay::Anything).await?;
        Ok(self.taken(path, answer))
    }

    /// Remembers what a whole read saw.
    fn taken(&self, path: &str, answer: Answer) -> Resource {
        let etag = answer.etag(self.wire.rules());
        let value = answer.body.unwrap_or(Value::Null);
        if let Some(place) = self.layout().place_of(path) {
            self.discovery.memory.learn(place, etag.as_deref(), || Parts::read(path, &value, self.rules()));
        }
        Resource { path: path.to_owned(), etag, value }
    }

    /// Reads what a steady look reports of a resource, conditionally where that is safe.
    async fn try_parts(&self, op: Op, path: &str) -> Result<Parts, Failure> {
        let memory = &self.discovery.memory;
        let place = self.layout().place_of(path);
        let etag = place.and_then(|place| memory.condition(place, self.rules()));
        let condition = etag.map(Condition::NoneMatch);
        let is_conditional = condition.is_some();
        let request = Request { method: Method::GET, path: path.to_owned(), body: None, condition };
        match self.wire.send(op, request, Replay::Anything).await {
            Ok(answer) => Ok(Parts::read(path, &self.taken(path, answer).value, self.rules())),
            Err(Failure::Refused(refusal)) if refusal.status == 304 && is_conditional => {
                match place.and_then(|place| memory.unchanged(place)) {
                    Some(parts) => Ok(parts),
                    None => Ok(Parts::read(path, &self.try_read(op, path).await?.value, self.rules())),
                }
            }
            Err(failure) => Err(failure),
        }
    }

    async fn parts(&self, op: Op, path: &str) -> Result<Parts, Error> {
        self.try_parts(op, path).await.map_err(|failure| self.wire.failed(op, path, failure))
    }

    /// Reads a slot, and its collection where that tells what is in it.
    async fn try_look(&self, op: Op, uri: &str) -> Result<(Resource, Media), Failure> {
        let resource = self.try_read(op, uri).await?;
        let media = Media::read(uri, &resource.value, self.rules());
        let listing = self.layout().slot(uri).and_then(|slot| slot.listing.as_deref());
        let media = match (listing, &media.oem) {
            (Some(_), Some(OemRoute::MountList { images, .. })) => {
                let images = oem::listed(self, op, images).await?;
                media.holding(images.into_iter().map(|(_, image, is_mounted)| (image, is_mounted)))
            }
            (Some(listing), _) => media.listed_in(&self.try_read(op, listing).await?.value),
            (None, _) => media,
        };
        Ok((resource, media))
    }

    async fn look(&self, op: Op, uri: &str) -> Result<(Resource, Media), Error> {
        self.try_look(op, uri).await.map_err(|failure| self.wire.failed(op, uri, failure))
    }

    async fn post(&self, op: Op, path: &str, body: Option<Value>, replay: Replay) -> Result<Answer, Failure> {
        let request = Request { method: Method::POST, path: path.to_owned(), body, condition: None };
        self.wire.send(op, request, replay).await
    }

    async fn delete(&self, op: Op, path: &str) -> Result<Answer, Failure> {
        let request = Request { method: Method::DELETE, path: path.to_owned(), body: None, condition: None };
        self.wire.send(op, request, Replay::Unsent).await
    }

    /// Patches a resource that was just read, along the ladder of `If-Match` values.
    async fn patch(&self, op: Op, resource: &Resource, body: &Value) -> Result<Answer, Failure> {
        let mut steps = etag::ladder(resource.etag.as_deref(), self.wire.rules()).into_iter().peekable();
        loop {
            let request = Request {
                method: Method::PATCH,
                path: resource.path.clone(),
                body: Some(body.clone()),
                condition: steps.next().flatten().map(Condition::Match),
            };
            match self.wire.send(op, request, Replay::Unexecuted).await {
                Err(Failure::Refused(refusal))
                    if matches!(refusal.status, 412 | 428) && steps.peek().is_some() => {}
                other => return other,
            }
        }
    }

    fn has(&self, rule: Rule) -> bool {
        self.rules().has(rule)
    }

    /// Whether a write that was accepted is to be seen before it counts.
    fn reads_back(&self) -> bool {
        self.has(Rule::WritesAreReadBack)
    }

    /// Times that a write is sent which is accepted and shows no effect; each is waited for during
    /// its share of the budget.
    fn most_writes(&self) -> u32 {
        if self.has(Rule::AcceptedWritesAreSentAgain) { MOST_WRITES } else { 1 }
    }

    fn slot(&self, op: Op, uri: &str) -> Result<&Slot, Error> {
        self.layout().slot(uri).ok_or_else(|| self.wire.error(op, Some(uri), ErrorKind::UnknownSlot))
    }
}

/// A resource as it was just read.
struct Resource {
    path: String,
    value: Value,
    etag: Option<String>,
}

#[async_trait]
impl Bmc for RedfishBmc {
    fn discovered(&self) -> &Discovered {
        &self.discovered
    }

    fn certificate(&self) -> Option<Fingerprint> {
        RedfishBmc::certificate(self)
    }

    async fn read_state(&self) -> Result<BmcState, Error> {
        state::read(self).await
    }

    async fn ensure_power_off(&self, graceful: Duration) -> Result<PowerOff, Error> {
        power::off(self, graceful).await
    }

    async fn ensure_power_on(&self) -> Result<Effect, Error> {
        power::on(self).await
    }

    async fn eject(&self, slot: &str) -> Result<Effect, Error> {
        eject::eject(self, slot).await
    }

    async fn insert(&self, slot: &str, image: &ImageRef) -> Result<Effect, Error> {
        insert::insert(self, slot, image).await
    }

    async fn set_boot_once_cd_by(&self, way: usize) -> Result<Effect, Error> {
        boot::set_once(self, way).await
    }

    async fn set_boot_once_http(&self, image: &MediaUrl) -> Result<Effect, Error> {
        boot::set_once_http(self, image).await
    }

    async fn clear_boot_override(&self) -> Result<Effect, Error> {
        boot::clear(self).await
    }

    async fn boot_progress(&self) -> Result<Option<String>, Error> {
        state::boot_progress(self).await
    }

    async fn close(&self) -> Result<(), Error> {
        self.wire.close().await
    }
}
