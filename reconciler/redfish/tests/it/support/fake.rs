// SPDX-License-Identifier: AGPL-3.0-or-later
//! A small BMC: a tree of resources that remembers what is written to it, with hooks that make
//! it misbehave. Knows sessions and Basic, and keeps a log of what it was asked.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use shoal_redfish::{Error, RedfishBmc};

use super::client::{PASSWORD, USER, endpoint, hurried, wiring};
use super::server::{Asked, Handler, Reply, Server};
use super::trees::{SESSIONS, Tree};

/// What a hook sees and may change.
pub(crate) struct State {
    pub(crate) tree: Tree,
    /// Tokens of open sessions.
    pub(crate) sessions: BTreeSet<String>,
    /// Sessions made so far.
    pub(crate) made: u32,
}

/// Answers instead of the BMC, or lets it be.
pub(crate) type Hook = Box<dyn FnMut(&Asked, &mut State) -> Option<Reply> + Send>;

/// A line of the log.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Line {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) body: Value,
    pub(crate) if_match: Option<String>,
}

pub(crate) struct Fake {
    state: Mutex<State>,
    hooks: Mutex<Vec<Hook>>,
    log: Mutex<Vec<Line>>,
}

impl Fake {
    pub(crate) fn new(tree: Tree) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State { tree, sessions: BTreeSet::new(), made: 0 }),
            hooks: Mutex::default(),
            log: Mutex::default(),
        })
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(crate) fn hook(&self, hook: impl FnMut(&Asked, &mut State) -> Option<Reply> + Send + 'static) {
        self.hooks.lock().unwrap().push(Box::new(hook));
    }

    /// Answers the first `times` requests of this method whose path ends like this.
    pub(crate) fn answer(
        &self,
        method: &'static str,
        ending: &'static str,
        mut times: u32,
        reply: impl Fn() -> Reply + Send + 'static,
    ) {
        self.hook(move |asked, _| {
            let fits = times > 0 && asked.method == method && asked.path.ends_with(ending);
            fits.then(|| {
                times -= 1;
                reply()
            })
        });
    }

    /// As [`Fake::answer`], before every hook that is there already.
    pub(crate) fn first(
        &self,
        method: &'static str,
        ending: &'static str,
        mut times: u32,
        reply: impl Fn() -> Reply + Send + 'static,
    ) {
        let hook = move |asked: &Asked, _: &mut State| {
            let fits = times > 0 && asked.method == method && asked.path.ends_with(ending);
            times -= u32::from(fits);
            fits.then(&reply)
        };
        self.hooks.lock().unwrap().insert(0, Box::new(hook));
    }

    pub(crate) fn log(&self) -> Vec<Line> {
        self.log.lock().unwrap().clone()
    }

    /// Requests of this method whose path ends like this.
    pub(crate) fn asked(&self, method: &str, ending: &str) -> Vec<Line> {
        let mut log = self.log();
        log.retain(|line| line.method == method && line.path.ends_with(ending));
        log
    }

    /// Requests that change something, sessions apart.
    pub(crate) fn writes(&self) -> Vec<String> {
        self.log()
            .into_iter()
            .filter(|line| line.method != "GET" && !line.path.starts_with(SESSIONS))
            .map(|line| {
                let what = line.path.rsplit('/').next().unwrap_or_default().to_owned();
                match line.body.get("ResetType").and_then(Value::as_str) {
                    Some(reset) => format!("{what} {reset}"),
                    None => format!("{} {}", line.method, line.path),
                }
            })
            .collect()
    }

    /// Serves it and connects to it.
    pub(crate) async fn connected(self: &Arc<Self>) -> (Server, RedfishBmc) {
        let (server, bmc) = self.tried().await;
        (server, bmc.expect("the fake is understood"))
    }

    /// As [`Fake::connected`], with a client whose budgets run out soon.
    pub(crate) async fn connected_in_a_hurry(self: &Arc<Self>) -> (Server, RedfishBmc) {
        let server = Server::https(Arc::clone(self)).await;
        let bmc = RedfishBmc::connect(&hurried(&server), wiring()).await;
        (server, bmc.expect("the fake is understood"))
    }

    /// Serves it and tries to connect to it.
    pub(crate) async fn tried(self: &Arc<Self>) -> (Server, Result<RedfishBmc, Error>) {
        let server = Server::https(Arc::clone(self)).await;
        let bmc = RedfishBmc::connect(&endpoint(&server), wiring()).await;
        (server, bmc)
    }

    fn may_enter(asked: &Asked, state: &State) -> bool {
        let basic = format!("Basic {}", STANDARD.encode(format!("{USER}:{PASSWORD}")));
        asked.header("x-auth-token").is_some_and(|token| state.sessions.contains(token))
            || asked.header("authorization") == Some(&basic)
    }

    fn log_in(asked: &Asked, state: &mut State) -> Reply {
        let body = asked.json();
        if body["UserName"] != USER || body["Password"] != PASSWORD {
            return Reply::status(401);
        }
        state.made += 1;
        let token = format!("token-{}", state.made);
        state.sessions.insert(token.clone());
        let path = format!("{SESSIONS}/{}", state.made);
        Reply::json(201, &json!({"@odata.id": path})).header("X-Auth-Token", token).header("Location", path)
    }

    fn log_out(asked: &Asked, state: &mut State) -> Reply {
        let id = asked.path.rsplit('/').next().unwrap_or_default();
        if state.sessions.remove(&format!("token-{id}")) { Reply::status(204) } else { Reply::status(404) }
    }

    fn act(asked: &Asked, state: &mut State) -> Reply {
        let body = asked.json();
        let Some((path, action)) = asked.path.split_once("/Actions/") else {
            return Reply::status(405);
        };
        let Some(resource) = state.tree.get_mut(path) else {
            return Reply::status(404);
        };
        match action {
            "VirtualMedia.InsertMedia" => insert(resource, &body),
            "VirtualMedia.EjectMedia" => eject(resource),
            "ComputerSystem.Reset" => {
                resource["PowerState"] = match body["ResetType"].as_str() {
                    Some("On") => json!("On"),
                    Some("ForceOff" | "GracefulShutdown") => json!("Off"),
                    _ => return Reply::status(400),
                };
            }
            _ => return Reply::status(404),
        }
        Reply::status(204)
    }
}

/// Puts the image of an insert into a slot.
pub(crate) fn insert(slot: &mut Value, body: &Value) {
    slot["Inserted"] = json!(true);
    slot["Image"] = body["Image"].clone();
    slot["ConnectedVia"] = json!("URI");
}

/// Empties a slot.
pub(crate) fn eject(slot: &mut Value) {
    slot["Inserted"] = json!(false);
    slot["Image"] = Value::Null;
    slot["ConnectedVia"] = json!("NotConnected");
}

fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}

impl Handler for Fake {
    async fn answer(&self, asked: Asked) -> Reply {
        self.log.lock().unwrap().push(Line {
            method: asked.method.clone(),
            path: asked.path.trim_end_matches('/').to_owned(),
            body: asked.json(),
            if_match: asked.header("if-match").map(str::to_owned),
        });
        let mut state = self.state();
        for hook in self.hooks.lock().unwrap().iter_mut() {
            if let Some(reply) = hook(&asked, &mut state) {
                return reply;
            }
        }
        let path = asked.path.trim_end_matches('/').to_owned();
        if asked.method == "POST" && path == SESSIONS {
            return Self::log_in(&asked, &mut state);
        }
        if path != super::trees::ROOT && !Self::may_enter(&asked, &state) {
            return Reply::status(401);
        }
        match asked.method.as_str() {
            "GET" => match state.tree.get(&path) {
                Some(value) => Reply::json(200, value),
                None => Reply::status(404),
            },
            "PATCH" => match state.tree.get_mut(&path) {
                Some(value) => {
                    merge(value, &asked.json());
                    Reply::status(200)
                }
                None => Reply::status(404),
            },
            "DELETE" => Self::log_out(&asked, &mut state),
            "POST" => Self::act(&asked, &mut state),
            _ => Reply::status(405),
        }
    }
}

/// An error as BMCs send it.
pub(crate) fn refused(status: u16, message_id: &str, message: &str, args: &[&str]) -> Reply {
    Reply::json(
        status,
        &json!({"error": {"code": "Base.1.12.GeneralError", "message": "See the info", "@Message.ExtendedInfo": [
            {"MessageId": message_id, "Message": message, "MessageArgs": args}
        ]}}),
    )
}
