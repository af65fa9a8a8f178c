// SPDX-License-Identifier: AGPL-3.0-or-later
//! When a request is sent again, and after how long.

use std::time::Duration;

use crate::contract::endpoint::RetryPolicy;
use crate::rules::{Rule, Rules};

/// What may be sent again by the wire itself. Whatever is not, goes back to the operation,
/// which reads the world before it writes once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Replay {
    /// Reads: after any failure that may pass.
    Anything,
    /// Writes: only what the BMC certainly did not carry out, because no connection came about
    /// or because it said "not now" (429, 503).
    Unexecuted,
    /// Logins: after any answer that may pass, but not without an answer, since a session may
    /// have come about that nobody would close.
    Answered,
    /// Writes where also "not now" goes back to the operation.
    Unsent,
}

impl Replay {
    /// Whether an answer with this status is worth another try.
    pub(crate) fn after_status(self, status: u16, rules: Rules) -> bool {
        if matches!(status, 429 | 503) && !rules.has(Rule::BusyAnswersAreRepeated) {
            return false;
        }
        match self {
            // 501 and 505 say "never".
            Self::Anything | Self::Answered => {
                status == 429 || (status >= 500 && !matches!(status, 501 | 505))
            }
            Self::Unexecuted => matches!(status, 429 | 503),
            Self::Unsent => status == 429,
        }
    }
}

/// The pause before try number `attempt + 1`: exponential, of which the upper half is jitter
/// (`jitter` in `0.0..1.0`), or what the BMC asked for, whichever is longer.
pub(crate) fn pause(
    policy: &RetryPolicy,
    attempt: u32,
    retry_after: Option<Duration>,
    jitter: f64,
) -> Duration {
    let full = policy
        .first_pause
        .saturating_mul(1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX))
        .min(policy.longest_pause);
    let jittered = full.mul_f64(0.5 + 0.5 * jitter.clamp(0.0, 1.0));
    retry_after.map_or(jittered, |asked| asked.min(policy.longest_retry_after).max(jittered))
}

/// `Retry-After`: seconds, or a date. A date is measured from the answer's own `Date`, since
/// BMC clocks are wrong and this crate has none.
pub(crate) fn retry_after(value: Option<&str>, date: Option<&str>) -> Option<Duration> {
    let value = value?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = httpdate::parse_http_date(value).ok()?;
    let now = httpdate::parse_http_date(date?).ok()?;
    until.duration_since(now).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_stay_within_half_to_full() {
        let policy = RetryPolicy::default();
        for (attempt, full) in [(1, 500), (2, 1000), (3, 2000), (4, 4000), (5, 8000), (40, 8000)] {
            let full = Duration::from_millis(full);
            assert_eq!(pause(&policy, attempt, None, 0.0), full / 2);
            assert_eq!(pause(&policy, attempt, None, 1.0), full);
        }
    }

    #[test]
    fn retry_after_is_honoured_within_bounds() {
        let policy = RetryPolicy::default();
        let asked = retry_after(Some(" 7 "), None);
        assert_eq!(pause(&policy, 1, asked, 0.0), Duration::from_secs(7));
        let asked = retry_after(Some("86400"), None);
        assert_eq!(pause(&policy, 1, asked, 0.0), policy.longest_retry_after);
        let (until, now) = ("Wed, 21 Oct 2015 07:28:09 GMT", "Wed, 21 Oct 2015 07:28:00 GMT");
        assert_eq!(retry_after(Some(until), Some(now)), Some(Duration::from_secs(9)));
        assert_eq!(retry_after(Some(now), Some(until)), None);
        assert_eq!(retry_after(Some(until), None), None);
        assert_eq!(retry_after(Some("soon"), Some(now)), None);
        assert_eq!(pause(&policy, 1, Some(Duration::ZERO), 0.0), policy.first_pause / 2);
    }

    #[test]
    fn a_write_is_replayed_only_when_it_was_certainly_not_carried_out() {
        for (replay, status, again) in [
            (Replay::Unexecuted, 503, true),
            (Replay::Unexecuted, 500, false),
            (Replay::Unsent, 503, false),
            (Replay::Anything, 500, true),
            (Replay::Anything, 501, false),
            (Replay::Anything, 404, false),
        ] {
            assert_eq!(replay.after_status(status, Rules::general()), again, "{replay:?} {status}");
        }
    }
}
