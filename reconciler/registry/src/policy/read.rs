// SPDX-License-Identifier: AGPL-3.0-or-later
//! Reads a policy field by field, and says for everything that is wrong where it is and what is
//! allowed there. All faults are found in one pass.

use std::fmt::Write as _;
use std::ops::RangeInclusive;

use serde_json::{Map, Value};
use shoal_registry_storage::Pattern;
use shoal_schema::size::ByteSize;

use super::{ANONYMOUS, AccessRule, Gc, JOB_USER, MinFree, Policy, Quota, RetentionRule, Right, Scrub, Span};

/// A policy that cannot be taken, with every fault in it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the registry's policy cannot be used:{}", listed(.faults))]
pub struct PolicyError {
    /// What is wrong, in the order of the fields.
    pub faults: Vec<Fault>,
}

/// One place in a policy that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The field: `access[0].allow[1]`. Empty for the file as a whole.
    pub path: String,
    /// What is wrong with it and what is allowed.
    pub message: String,
}

const MINUTE: Span = Span::seconds(60);
const YEAR: Span = Span::days(365);

fn listed(faults: &[Fault]) -> String {
    faults.iter().fold(String::new(), |mut text, fault| {
        let path = if fault.path.is_empty() { "the file" } else { &fault.path };
        let _ = write!(text, "\n  {path}: {}", fault.message);
        text
    })
}

/// Reads the whole file.
pub(super) fn policy(value: &Value) -> Result<Policy, PolicyError> {
    let mut reader = Reader { faults: Vec::new() };
    let policy = if value.is_null() { Policy::default() } else { reader.policy(value) };
    if reader.faults.is_empty() { Ok(policy) } else { Err(PolicyError { faults: reader.faults }) }
}

/// Collects faults. Where one is found a value of the right type is returned in its place; it is
/// never used, because the faults win.
struct Reader {
    faults: Vec<Fault>,
}

impl Reader {
    fn policy(&mut self, value: &Value) -> Policy {
        const FIELDS: [&str; 10] = [
            "access",
            "immutableTags",
            "retention",
            "quotas",
            "sparse",
            "minFree",
            "maxManifest",
            "uploads",
            "gc",
            "scrub",
        ];
        let mut policy = Policy::default();
        let Some(map) = self.map("", value, &FIELDS) else { return policy };
        if let Some(value) = map.get("access") {
            policy.access = self.list("access", value, Self::rule);
        }
        if let Some(value) = map.get("immutableTags") {
            policy.immutable_tags = self.patterns("immutableTags", value);
        }
        if let Some(value) = map.get("retention") {
            policy.retention = self.list("retention", value, Self::retention);
        }
        if let Some(value) = map.get("quotas") {
            policy.quotas = self.list("quotas", value, Self::quota);
        }
        if let Some(value) = map.get("sparse") {
            policy.sparse = self.patterns("sparse", value);
        }
        if let Some(value) = map.get("minFree") {
            policy.min_free =
                self.text("minFree", value, MinFree::parse, MIN_FREE).unwrap_or(policy.min_free);
        }
        if let Some(value) = map.get("maxManifest") {
            let bounds = size(64 << 10)..=size(64 << 20);
            policy.max_manifest = self.size("maxManifest", value, bounds).unwrap_or(policy.max_manifest);
        }
        if let Some(value) = map.get("uploads") {
            policy.uploads = self.number("uploads", value, 1..=1024).unwrap_or(policy.uploads);
        }
        if let Some(value) = map.get("gc") {
            policy.gc = self.gc("gc", value);
        }
        if let Some(value) = map.get("scrub") {
            policy.scrub = self.scrub("scrub", value);
        }
        policy
    }

    fn rule(&mut self, path: &str, value: &Value) -> Option<AccessRule> {
        let map = self.map(path, value, &["users", "repositories", "allow"])?;
        let users = self.required(path, map, "users", |reader, path, value| {
            reader.some(path, value, Self::user, "name at least one account; * is everyone who is let in")
        });
        let repositories = self.required(path, map, "repositories", |reader, path, value| {
            reader.some(path, value, Self::pattern, "name at least one repository; * is all of them")
        });
        let allow = self.required(path, map, "allow", |reader, path, value| {
            reader.some(path, value, Self::right, "allow at least one of pull, push, delete, admin")
        });
        let rule = AccessRule { users: users?, repositories: repositories?, allow: allow? };
        if rule.users.iter().any(|user| user == ANONYMOUS) && rule.allow.iter().any(|&r| r != Right::Pull) {
            self.fault(
                &format!("{path}.allow"),
                "callers without an account (anonymous) can be allowed pull alone; give the rest to accounts",
            );
        }
        if rule.allow.contains(&Right::Admin) && !rule.repositories.iter().any(|p| p.as_str() == "*") {
            self.fault(
                &format!("{path}.allow"),
                "admin is about the whole registry: put it into a rule with repositories: [\"*\"]",
            );
        }
        Some(rule)
    }

    fn retention(&mut self, path: &str, value: &Value) -> Option<RetentionRule> {
        let map = self.map(path, value, &["repositories", "keepLast"])?;
        let repositories = self.required(path, map, "repositories", Self::pattern);
        let keep_last = match map.get("keepLast") {
            Some(value) => Some(self.number(&format!("{path}.keepLast"), value, 1..=100_000)?),
            None => None,
        };
        Some(RetentionRule { repositories: repositories?, keep_last })
    }

    fn quota(&mut self, path: &str, value: &Value) -> Option<Quota> {
        let map = self.map(path, value, &["repositories", "max"])?;
        let repositories = self.required(path, map, "repositories", Self::pattern);
        let max = self.required(path, map, "max", |reader, path, value| {
            reader.size(path, value, size(1)..=size(u64::MAX))
        });
        Some(Quota { repositories: repositories?, max: max? })
    }

    fn gc(&mut self, path: &str, value: &Value) -> Gc {
        let mut gc = Gc::default();
        let Some(map) = self.map(path, value, &["every", "grace", "quarantine"]) else { return gc };
        self.span(path, map, "every", MINUTE..=Span::days(30), &mut gc.every);
        self.span(path, map, "grace", Span::seconds(1)..=YEAR, &mut gc.grace);
        self.span(path, map, "quarantine", Span::seconds(0)..=YEAR, &mut gc.quarantine);
        gc
    }

    fn scrub(&mut self, path: &str, value: &Value) -> Scrub {
        let mut scrub = Scrub::default();
        let Some(map) = self.map(path, value, &["every", "rate"]) else { return scrub };
        self.span(path, map, "every", Span::hours(1)..=YEAR, &mut scrub.every);
        if let Some(value) = map.get("rate") {
            let bounds = size(1 << 20)..=size(1 << 40);
            scrub.rate = self.size(&format!("{path}.rate"), value, bounds).unwrap_or(scrub.rate);
        }
        scrub
    }

    // === values ===

    fn user(&mut self, path: &str, value: &Value) -> Option<String> {
        let user = self.text(path, value, |text| Some(text.to_owned()), "an account's name")?;
        if user.is_empty() || user.contains(':') || user.chars().any(char::is_control) {
            self.fault(path, "an account's name is not empty and has no colon and no control character");
            return None;
        }
        if user == JOB_USER {
            self.fault(
                path,
                "`job` is how job tokens come in; no rule is about them, and no account has that name",
            );
            return None;
        }
        Some(user)
    }

    fn right(&mut self, path: &str, value: &Value) -> Option<Right> {
        let find = |text: &str| Right::ALL.into_iter().find(|right| right.as_str() == text);
        self.text(path, value, find, "pull, push, delete or admin")
    }

    fn pattern(&mut self, path: &str, value: &Value) -> Option<Pattern> {
        let expected = "*, PREFIX/* such as os-images/*, or one repository's name in lower case";
        self.text(path, value, |text| Pattern::parse(text).ok(), expected)
    }

    fn patterns(&mut self, path: &str, value: &Value) -> Vec<Pattern> {
        self.list(path, value, Self::pattern)
    }

    fn span(
        &mut self,
        path: &str,
        map: &Map<String, Value>,
        name: &str,
        bounds: RangeInclusive<Span>,
        into: &mut Span,
    ) {
        let Some(value) = map.get(name) else { return };
        let path = format!("{path}.{name}");
        let expected =
            format!("a span of time from {} to {}, such as 90m, 24h or 7d", bounds.start(), bounds.end());
        let within = |text: &str| Span::parse(text).filter(|span| bounds.contains(span));
        if let Some(span) = self.text(&path, value, within, &expected) {
            *into = span;
        }
    }

    fn size(&mut self, path: &str, value: &Value, bounds: RangeInclusive<ByteSize>) -> Option<ByteSize> {
        let size =
            self.text(path, value, |text| ByteSize::parse(text).ok(), "a size such as 512M, 20G or 2T")?;
        if !bounds.contains(&size) {
            self.fault(path, &format!("{size} is not within {} and {}", bounds.start(), bounds.end()));
            return None;
        }
        Some(size)
    }

    fn number(&mut self, path: &str, value: &Value, bounds: RangeInclusive<u32>) -> Option<u32> {
        let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
        let number = number.filter(|number| bounds.contains(number));
        if number.is_none() {
            let expected = format!("expected a whole number from {} to {}", bounds.start(), bounds.end());
            self.fault(path, &format!("{expected}, found {}", shown(value)));
        }
        number
    }

    fn text<T>(
        &mut self,
        path: &str,
        value: &Value,
        read: impl Fn(&str) -> Option<T>,
        expected: &str,
    ) -> Option<T> {
        let found = value.as_str().and_then(read);
        if found.is_none() {
            self.fault(path, &format!("expected {expected}, found {}", shown(value)));
        }
        found
    }

    // === structure ===

    fn map<'v>(&mut self, path: &str, value: &'v Value, known: &[&str]) -> Option<&'v Map<String, Value>> {
        let Some(map) = value.as_object() else {
            self.fault(path, &format!("expected fields ({}), found {}", known.join(", "), shown(value)));
            return None;
        };
        for name in map.keys().filter(|name| !known.contains(&name.as_str())) {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            self.fault(&path, &format!("there is no such field; allowed are {}", known.join(", ")));
        }
        Some(map)
    }

    fn required<T>(
        &mut self,
        path: &str,
        map: &Map<String, Value>,
        name: &str,
        read: impl Fn(&mut Self, &str, &Value) -> Option<T>,
    ) -> Option<T> {
        let path = format!("{path}.{name}");
        let Some(value) = map.get(name) else {
            self.fault(&path, "the field is missing");
            return None;
        };
        read(self, &path, value)
    }

    fn list<T>(
        &mut self,
        path: &str,
        value: &Value,
        read: impl Fn(&mut Self, &str, &Value) -> Option<T>,
    ) -> Vec<T> {
        let Some(items) = value.as_array() else {
            self.fault(path, &format!("expected a list, found {}", shown(value)));
            return Vec::new();
        };
        let each = items.iter().enumerate();
        each.filter_map(|(at, item)| read(self, &format!("{path}[{at}]"), item)).collect()
    }

    fn some<T>(
        &mut self,
        path: &str,
        value: &Value,
        read: impl Fn(&mut Self, &str, &Value) -> Option<T>,
        empty: &str,
    ) -> Option<Vec<T>> {
        if value.as_array().is_some_and(Vec::is_empty) {
            self.fault(path, empty);
            return None;
        }
        Some(self.list(path, value, read))
    }

    fn fault(&mut self, path: &str, message: &str) {
        self.faults.push(Fault { path: path.to_owned(), message: message.to_owned() });
    }
}

const MIN_FREE: &str = "a size such as 20G, or 0% to 90% of the disk";

fn size(bytes: u64) -> ByteSize {
    ByteSize::from_bytes(bytes)
}

/// What was found, short: the text itself helps, a whole subtree does not.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => format!("`{}`", text.chars().take(64).collect::<String>()),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "fields".to_owned(),
    }
}
