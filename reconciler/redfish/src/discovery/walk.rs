// SPDX-License-Identifier: AGPL-3.0-or-later
//! Following links, within bounds.
//!
//! # Guarantees
//! At most [`MOST_RESOURCES`] resources are asked for (`Rule::ResourcesWithoutEndAreNotWalked`), and none twice but a
//! collection without a list (`Rule::CirclesOfLinksEnd`). What a BMC refuses to show is a warning; that it cannot be
//! reached ends the walk.

use std::collections::HashSet;

use http::Method;
use http::header::ALLOW;
use serde_json::Value;

use crate::contract::error::{Error, ErrorKind};
use crate::contract::observe::Op;
use crate::contract::warning::{About, Warning};
use crate::model::json;
use crate::rules::{Rule, Rules};
use crate::wire::client::{Failure, Wire};
use crate::wire::exchange::Request;
use crate::wire::redact::redact_resource;
use crate::wire::retry::Replay;

/// The largest BMC recorded needs about forty.
pub(crate) const MOST_RESOURCES: usize = 200;

/// A resource as it was found.
pub(crate) struct Found {
    /// The link that led to it.
    pub(crate) uri: String,
    pub(crate) value: Value,
    /// Whether `Allow` lists PATCH; none where there is no such header.
    pub(crate) takes_patch: Option<bool>,
}

pub(crate) struct Walk<'a> {
    wire: &'a Wire,
    visited: HashSet<String>,
    asked: usize,
    warnings: Vec<Warning>,
    unlicensed: Option<String>,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(wire: &'a Wire) -> Self {
        Self { wire, visited: HashSet::new(), asked: 0, warnings: Vec::new(), unlicensed: None }
    }

    pub(crate) fn rules(&self) -> Rules {
        self.wire.rules()
    }

    pub(crate) fn into_warnings(self) -> Vec<Warning> {
        self.warnings
    }

    /// What was said of the first resource since the last question that is not shown for want of a
    /// licence.
    pub(crate) fn take_unlicensed(&mut self) -> Option<String> {
        self.unlicensed.take()
    }

    /// Reads a resource that must be there.
    pub(crate) async fn must(&mut self, path: &str) -> Result<Value, Error> {
        match self.get(path).await? {
            Some(Ok(found)) => Ok(found.value),
            Some(Err(kind)) => Err(self.wire.error(Op::Discover, Some(path), kind)),
            None => Err(self.wire.error(
                Op::Discover,
                Some(path),
                ErrorKind::NotRedfish { why: "its links lead in a circle".to_owned() },
            )),
        }
    }

    /// Reads a resource; none when it was read before or is not shown. The latter is a warning.
    pub(crate) async fn read(&mut self, path: &str) -> Result<Option<Value>, Error> {
        Ok(self.find(path).await?.map(|found| found.value))
    }

    async fn find(&mut self, path: &str) -> Result<Option<Found>, Error> {
        match self.get(path).await? {
            Some(Ok(found)) => Ok(Some(found)),
            Some(Err(kind)) => {
                if let ErrorKind::LicenceMissing { message } = &kind {
                    self.unlicensed.get_or_insert_with(|| message.clone());
                }
                let text = format!("{} cannot be read: {kind}", redact_resource(path));
                self.warnings.push(Warning::new(About::Unreadable, text));
                Ok(None)
            }
            None => Ok(None),
        }
    }

    /// As [`Walk::read`], for what many BMCs do not show.
    pub(crate) async fn read_quietly(&mut self, path: &str) -> Result<Option<Value>, Error> {
        Ok(self.get(path).await?.and_then(Result::ok).map(|found| found.value))
    }

    /// Reads the members of a collection, over all its pages.
    pub(crate) async fn collection(&mut self, path: &str) -> Result<Vec<Found>, Error> {
        Ok(self.pages(path).await?.0)
    }

    /// The members of a collection, and its first page.
    pub(crate) async fn pages(&mut self, path: &str) -> Result<(Vec<Found>, Option<Value>), Error> {
        let mut found = Vec::new();
        let mut first = None;
        // What members say of themselves in an expanded collection is not looked at: it may lack parts.
        let expand = if self.rules().has(Rule::ExpandIsNeverAskedFor) { "" } else { "?$expand=." };
        let mut page = Some(format!("{path}{expand}"));
        while let Some(path) = page {
            let Some(mut value) = self.read(&path).await? else {
                break;
            };
            let has_list = value.get("Members").is_some_and(Value::is_array);
            if !has_list && self.rules().has(Rule::MissingListsAreAskedForAgain) {
                self.visited.remove(path.trim_end_matches('/'));
                value = self.read_quietly(&path).await?.unwrap_or(value);
            }
            for member in json::links(&value, "Members") {
                found.extend(self.find(&member).await?);
            }
            page = json::link(&value, "Members@odata.nextLink")
                .or_else(|| json::link(&value, "@odata.nextLink"));
            first.get_or_insert(value);
        }
        Ok((found, first))
    }

    /// None: read before. An inner error: refused, or no resource.
    async fn get(&mut self, path: &str) -> Result<Option<Result<Found, ErrorKind>>, Error> {
        let rules = self.rules();
        let is_new = self.visited.insert(path.trim_end_matches('/').to_owned());
        if !is_new && rules.has(Rule::CirclesOfLinksEnd) {
            return Ok(None);
        }
        self.asked += 1;
        if self.asked > MOST_RESOURCES && rules.has(Rule::ResourcesWithoutEndAreNotWalked) {
            let kind = ErrorKind::TooManyResources { limit: MOST_RESOURCES };
            return Err(self.wire.error(Op::Discover, None, kind));
        }
        let request = Request { method: Method::GET, path: path.to_owned(), body: None, condition: None };
        let may_be_odd = rules.has(Rule::OddJsonIsEndured);
        match self.wire.send(Op::Discover, request, Replay::Anything).await {
            Ok(answer) => match answer.body {
                Some(value @ Value::Object(_)) if may_be_odd || json::is_as_specified(&value) => {
                    Ok(Some(Ok(Found {
                        uri: path.to_owned(),
                        takes_patch: answer.headers.get(ALLOW).map(|allow| {
                            allow.to_str().is_ok_and(|allow| allow.to_ascii_uppercase().contains("PATCH"))
                        }),
                        value,
                    })))
                }
                _ => {
                    Ok(Some(Err(ErrorKind::NotRedfish { why: "a resource is not a json object".to_owned() })))
                }
            },
            Err(Failure::Refused(refusal)) if refusal.status != 401 => {
                Ok(Some(Err(self.wire.kind_of(&refusal))))
            }
            Err(failure) => Err(self.wire.failed(Op::Discover, path, failure)),
        }
    }
}
