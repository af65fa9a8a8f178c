// SPDX-License-Identifier: AGPL-3.0-or-later
//! The shape of a fault plan and how it is read.
//!
//! Unknown fields and impossible values are errors: a misspelt rule that silently never fires would make a test pass
//! for the wrong reason.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Why a fault plan was refused.
#[derive(Debug, thiserror::Error)]
pub enum FaultError {
    /// Not YAML or JSON, or not of the right shape.
    #[error("parse the fault plan")]
    Parse(#[source] yaml_serde::Error),
    /// A value that no fault can have.
    #[error("fault rule {rule}: {problem}")]
    Invalid {
        /// The rule's name, or its place in the list.
        rule: String,
        /// What is wrong.
        problem: String,
    },
}

/// Rules in order; all that match a request apply together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultPlan {
    /// The rules.
    #[serde(default)]
    pub rules: Vec<FaultRule>,
}

/// When a fault fires, and which.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultRule {
    /// Shown in the request log beside the request that it spoiled.
    pub name: String,
    /// Indices of the BMCs it is for; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bmc: Option<Vec<usize>>,
    /// Methods, upper case; any when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub methods: Option<Vec<String>>,
    /// Path pattern; any path when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// How many matching requests pass first, per BMC.
    #[serde(default)]
    pub after: u64,
    /// How often it fires at most, per BMC; without end when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// After so many matching requests everything starts again: `after` and `count` are of one round.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<u64>,
    /// Chance of firing at each match, 0 to 1.
    #[serde(default = "always")]
    pub probability: f64,
    /// What goes wrong.
    pub fault: FaultKind,
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum FaultKind {
    /// The answer comes late.
    Latency {
        /// Milliseconds before the request is looked at.
        ms: u64,
        /// Up to this many milliseconds more, drawn from the seed.
        #[serde(default)]
        jitter_ms: u64,
    },
    /// Another answer, and the request has no effect.
    Status {
        /// HTTP status, 200 to 599.
        status: u16,
        /// Body; a Redfish error of the profile's form when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body: Option<Value>,
        /// `Retry-After` in seconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<u64>,
    },
    /// The connection closes without an answer. The request has no effect, unless `after_effect` is set.
    Drop {
        /// Do the work first, then close.
        #[serde(default)]
        after_effect: bool,
    },
    /// No answer ever comes; the connection stays open until the client gives up.
    Stall,
    /// The body ends early, though `Content-Length` promised more.
    Truncate {
        /// Bytes that still come.
        bytes: usize,
    },
    /// A success status, and nothing is done.
    Lie,
    /// Power transitions that this request starts take longer.
    SlowPower {
        /// Multiplier of the profile's times, 0 or more.
        factor: f64,
    },
    /// The image is not inserted, with the error that the profile gives for an unreachable server.
    InsertFails,
    /// 401, and the session that was used is gone.
    Unauthorized,
    /// No more sessions can be made.
    SessionsExhausted,
    /// The request is refused in the model's own words, and has no effect.
    Refuse {
        /// Why.
        why: Why,
        /// `Retry-After` in seconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<u64>,
    },
    /// The answer is given, with a part of its JSON body replaced.
    Alter {
        /// JSON pointer of the part.
        pointer: String,
        /// What stands there instead.
        value: Value,
    },
    /// The answer is given, and the connection is then good for nothing: the next request on it is not answered.
    ForgetConnection,
    /// The boot that this request starts finds no medium; the override is used up all the same.
    BootFails,
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// A licence is missing.
    Unlicensed,
    /// Virtual media is switched off.
    MediaDisabled,
    /// The BMC is not ready.
    NotReady,
    /// Too many requests.
    TooManyRequests,
    /// The machine is in POST.
    SystemInPost,
    /// All virtual media connections are in use.
    NoMoreConnections,
    /// Changes of configuration wait for a restart.
    ConfigurationPending,
}

fn always() -> f64 {
    1.0
}

impl FaultPlan {
    /// Reads a plan from YAML, of which JSON is a part, and checks every rule.
    ///
    /// An empty text is an empty plan.
    pub fn parse(text: &str) -> Result<Self, FaultError> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let plan: Self = yaml_serde::from_str(text).map_err(FaultError::Parse)?;
        plan.validate()?;
        Ok(plan)
    }

    /// Checks what the types cannot say.
    pub fn validate(&self) -> Result<(), FaultError> {
        for rule in &self.rules {
            rule.problem()
                .map_or(Ok(()), |problem| Err(FaultError::Invalid { rule: rule.name.clone(), problem }))?;
        }
        Ok(())
    }
}

impl FaultRule {
    fn problem(&self) -> Option<String> {
        if !(0.0..=1.0).contains(&self.probability) {
            return Some(format!("probability {} is not between 0 and 1", self.probability));
        }
        if let Some(method) =
            self.methods.iter().flatten().find(|m| http::Method::from_bytes(m.as_bytes()).is_err())
        {
            return Some(format!("{method:?} is not an HTTP method"));
        }
        if self.every == Some(0) {
            return Some("a round of 0 requests never begins".to_owned());
        }
        match &self.fault {
            FaultKind::Status { status, .. } if !(200..600).contains(status) => {
                Some(format!("{status} is not a final HTTP status"))
            }
            FaultKind::Alter { pointer, .. } if !pointer.starts_with('/') => {
                Some(format!("{pointer:?} is not a JSON pointer to a part"))
            }
            FaultKind::SlowPower { factor } if !factor.is_finite() || *factor < 0.0 => {
                Some(format!("factor {factor} is not a length of time"))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yaml_and_json_read_alike() {
        let yaml = "rules:\n  - name: late\n    path: /redfish/**\n    fault: {kind: latency, ms: 5}\n";
        let json = r#"{"rules":[{"name":"late","path":"/redfish/**","fault":{"kind":"latency","ms":5}}]}"#;
        let plan = FaultPlan::parse(yaml).expect("valid YAML");
        assert_eq!(plan, FaultPlan::parse(json).expect("valid JSON"));
        assert_eq!(plan.rules[0].fault, FaultKind::Latency { ms: 5, jitter_ms: 0 });
    }

    #[test]
    fn misspelt_fields_and_kinds_are_refused() {
        for text in [
            "rules: [{name: a, pth: /x, fault: {kind: stall}}]",
            "rules: [{name: a, fault: {kind: explode}}]",
            "rules: [{name: a, fault: {kind: latency}}]",
            "rulez: []",
        ] {
            assert!(matches!(FaultPlan::parse(text), Err(FaultError::Parse(_))), "{text}");
        }
    }

    #[test]
    fn impossible_values_are_refused_with_the_rule_named() {
        for text in [
            "rules: [{name: odd, probability: 1.5, fault: {kind: stall}}]",
            "rules: [{name: odd, fault: {kind: status, status: 99}}]",
            "rules: [{name: odd, fault: {kind: slow_power, factor: -1}}]",
            "rules: [{name: odd, methods: ['G T'], fault: {kind: stall}}]",
            "rules: [{name: odd, every: 0, fault: {kind: stall}}]",
            "rules: [{name: odd, fault: {kind: alter, pointer: Members, value: null}}]",
        ] {
            let error = FaultPlan::parse(text).expect_err("an impossible value");
            assert!(error.to_string().contains("odd"), "{error}");
        }
    }

    #[test]
    fn a_plan_survives_a_round_trip() {
        let text =
            "rules: [{name: a, bmc: [1], count: 2, fault: {kind: status, status: 503, retry_after: 1}}]";
        let plan = FaultPlan::parse(text).expect("valid");
        let json = serde_json::to_string(&plan).expect("serialisable");
        assert_eq!(FaultPlan::parse(&json).expect("own output"), plan);
    }
}
