// SPDX-License-Identifier: AGPL-3.0-or-later
//! Decides, per request, which faults fire.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::glob;
use super::rule::{FaultKind, FaultPlan, FaultRule, Why};

/// One BMC's view of a plan: the shared rules and its own counters.
#[derive(Debug)]
pub struct Injector {
    plan: Arc<FaultPlan>,
    counters: Vec<Counter>,
    random: SplitMix,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counter {
    matched: u64,
    fired: u64,
}

/// What one request has to suffer. The default is nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Effects {
    /// Names of the rules that fired.
    pub names: Vec<String>,
    /// Wait before anything else.
    pub latency: Duration,
    /// Answer this instead: status, body, `Retry-After` seconds.
    pub status: Option<(u16, Option<Value>, Option<u64>)>,
    /// Close the connection before doing anything.
    pub drop_before: bool,
    /// Do the work, then close the connection.
    pub drop_after: bool,
    /// Never answer.
    pub stall: bool,
    /// End the body after so many bytes.
    pub truncate: Option<usize>,
    /// Claim success and do nothing.
    pub lie: bool,
    /// Multiplier for power transitions, where one fired.
    pub slow_power: Option<f64>,
    /// Fail the insertion.
    pub insert_fails: bool,
    /// Forget the session and answer 401.
    pub unauthorized: bool,
    /// Refuse new sessions.
    pub sessions_exhausted: bool,
    /// Refuse in the model's words: why, and `Retry-After` seconds.
    pub refuse: Option<(Why, Option<u64>)>,
    /// Parts of the answer's body to replace: JSON pointer and value.
    pub alter: Vec<(String, Value)>,
    /// Answer nothing more on this connection.
    pub forget_connection: bool,
    /// The boot that is started finds no medium.
    pub boot_fails: bool,
}

impl Injector {
    /// A BMC's injector. `seed` should differ between BMCs, else they misbehave in step.
    pub fn new(plan: Arc<FaultPlan>, seed: u64) -> Self {
        Self { counters: vec![Counter::default(); plan.rules.len()], plan, random: SplitMix(seed) }
    }

    /// Another plan from now on, with fresh counters.
    pub fn replace(&mut self, plan: Arc<FaultPlan>) {
        self.counters = vec![Counter::default(); plan.rules.len()];
        self.plan = plan;
    }

    /// The plan in force.
    pub fn plan(&self) -> &FaultPlan {
        &self.plan
    }

    /// What the request suffers. `path` is without query.
    pub fn judge(&mut self, bmc: usize, method: &str, path: &str) -> Effects {
        let mut effects = Effects::default();
        for (rule, counter) in self.plan.rules.iter().zip(&mut self.counters) {
            if !applies(rule, bmc, method, path) {
                continue;
            }
            if rule.every.is_some_and(|every| counter.matched >= every) {
                *counter = Counter::default();
            }
            counter.matched += 1;
            let due = counter.matched > rule.after && rule.count.is_none_or(|count| counter.fired < count);
            if due && (rule.probability >= 1.0 || self.random.fraction() < rule.probability) {
                counter.fired += 1;
                effects.names.push(rule.name.clone());
                effects.add(&rule.fault, &mut self.random);
            }
        }
        effects
    }
}

fn applies(rule: &FaultRule, bmc: usize, method: &str, path: &str) -> bool {
    rule.bmc.as_ref().is_none_or(|indices| indices.contains(&bmc))
        && rule.methods.as_ref().is_none_or(|methods| methods.iter().any(|m| m == method))
        && rule.path.as_ref().is_none_or(|pattern| glob::matches(pattern, path))
}

impl Effects {
    fn add(&mut self, fault: &FaultKind, random: &mut SplitMix) {
        match fault {
            FaultKind::Latency { ms, jitter_ms } => {
                let jitter = if *jitter_ms == 0 { 0 } else { random.next() % (jitter_ms + 1) };
                self.latency += Duration::from_millis(ms + jitter);
            }
            FaultKind::Status { status, body, retry_after } => {
                self.status = Some((*status, body.clone(), *retry_after));
            }
            FaultKind::Drop { after_effect: false } => self.drop_before = true,
            FaultKind::Drop { after_effect: true } => self.drop_after = true,
            FaultKind::Stall => self.stall = true,
            FaultKind::Truncate { bytes } => self.truncate = Some(*bytes),
            FaultKind::Lie => self.lie = true,
            FaultKind::SlowPower { factor } => self.slow_power = Some(*factor),
            FaultKind::InsertFails => self.insert_fails = true,
            FaultKind::Unauthorized => self.unauthorized = true,
            FaultKind::SessionsExhausted => self.sessions_exhausted = true,
            FaultKind::Refuse { why, retry_after } => self.refuse = Some((*why, *retry_after)),
            FaultKind::Alter { pointer, value } => self.alter.push((pointer.clone(), value.clone())),
            FaultKind::ForgetConnection => self.forget_connection = true,
            FaultKind::BootFails => self.boot_fails = true,
        }
    }
}

/// SplitMix64: small, good enough to decide who fails, and the same everywhere.
#[derive(Clone, Debug)]
pub(crate) struct SplitMix(pub(crate) u64);

impl SplitMix {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// In [0, 1).
    pub(crate) fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn injector(text: &str, seed: u64) -> Injector {
        Injector::new(Arc::new(FaultPlan::parse(text).expect("valid plan")), seed)
    }

    #[test]
    fn a_rule_waits_fires_and_stops() {
        let mut injector = injector("rules: [{name: r, after: 1, count: 2, fault: {kind: lie}}]", 1);
        let fired: Vec<bool> = (0..5).map(|_| injector.judge(0, "POST", "/x").lie).collect();
        assert_eq!(fired, [false, true, true, false, false]);
    }

    #[test]
    fn a_rule_with_rounds_comes_back() {
        let text = "rules: [{name: r, after: 1, count: 1, every: 3, fault: {kind: lie}}]";
        let mut injector = injector(text, 1);
        let fired: Vec<bool> = (0..7).map(|_| injector.judge(0, "POST", "/x").lie).collect();
        assert_eq!(fired, [false, true, false, false, true, false, false]);
    }

    #[test]
    fn only_the_named_bmc_method_and_path_suffer() {
        let text = "rules: [{name: r, bmc: [2], methods: [PATCH], path: '/a/*', fault: {kind: stall}}]";
        let mut injector = injector(text, 1);
        assert!(injector.judge(2, "PATCH", "/a/b").stall);
        assert!(!injector.judge(1, "PATCH", "/a/b").stall);
        assert!(!injector.judge(2, "GET", "/a/b").stall);
        assert!(!injector.judge(2, "PATCH", "/a/b/c").stall);
    }

    #[test]
    fn requests_that_do_not_match_do_not_count() {
        let mut injector = injector("rules: [{name: r, path: /a, after: 1, fault: {kind: lie}}]", 1);
        assert!(!injector.judge(0, "GET", "/b").lie);
        assert!(!injector.judge(0, "GET", "/a").lie);
        assert!(injector.judge(0, "GET", "/a").lie);
    }

    #[test]
    fn the_same_seed_gives_the_same_misfortune() {
        let text = "rules: [{name: r, probability: 0.3, fault: {kind: latency, ms: 1, jitter_ms: 9}}]";
        let run = |seed| {
            let mut injector = injector(text, seed);
            (0..64).map(|_| injector.judge(0, "GET", "/").latency).collect::<Vec<_>>()
        };
        assert_eq!(run(7), run(7));
        assert_ne!(run(7), run(8));
        let fired = run(7).iter().filter(|latency| !latency.is_zero()).count();
        assert!((8..32).contains(&fired), "{fired} of 64 fired at probability 0.3");
    }

    #[test]
    fn several_rules_apply_together() {
        let text =
            "rules: [{name: a, fault: {kind: latency, ms: 2}}, {name: b, fault: {kind: truncate, bytes: 4}}]";
        let effects = injector(text, 1).judge(0, "GET", "/");
        assert_eq!(effects.names, ["a", "b"]);
        assert_eq!((effects.latency, effects.truncate), (Duration::from_millis(2), Some(4)));
    }
}
