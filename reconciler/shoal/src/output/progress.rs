// SPDX-License-Identifier: AGPL-3.0-or-later
//! How far a job's machine is, in a few words.

use jiff::{SignedDuration, Timestamp};
use shoal_schema::api::JobProgress;

use super::ago;

/// A machine that moves is heard every two seconds. One that was not heard for longer than this may stand still.
const QUIET: SignedDuration = SignedDuration::from_secs(20);

/// Such as `image-linux 52.4 of 121.6 MB, 31.5 MB/s`; in place of a rate that is none any more, when it was heard.
pub(crate) fn progress(progress: &JobProgress, now: Timestamp) -> String {
    let moves = now.duration_since(progress.at) <= QUIET;
    let so_far = so_far(progress, moves);
    if moves { so_far } else { format!("{so_far}, heard {}", ago(progress.at, now)) }
}

fn so_far(progress: &JobProgress, moves: bool) -> String {
    let JobProgress { step, bytes, total, rate, .. } = progress;
    if progress.done {
        return format!("{step} done");
    }
    if (*bytes, *total) == (0, 0) {
        return step.clone();
    }
    let (unit, tenth) = scale((*bytes).max(*total));
    let of = if *total == 0 { String::new() } else { format!(" of {}", tenths(*total, tenth)) };
    let pace = if *rate == 0 || !moves {
        String::new()
    } else {
        let (unit, tenth) = scale(*rate);
        format!(", {} {unit}/s", tenths(*rate, tenth))
    };
    format!("{step} {}{of} {unit}{pace}", tenths(*bytes, tenth))
}

/// Whether a watcher wants to hear of it: another step, its end, or another tenth of the whole.
pub(crate) fn is_news(before: Option<&JobProgress>, now: &JobProgress) -> bool {
    let tenth = |progress: &JobProgress| u128::from(progress.bytes) * 10 / u128::from(progress.total.max(1));
    before.is_none_or(|before| {
        before.step != now.step
            || before.done != now.done
            || (now.total > 0 && tenth(before) != tenth(now))
            || (before.total == 0 && now.total > 0)
    })
}

/// The unit that a size is told in, and a tenth of it.
fn scale(bytes: u64) -> (&'static str, u64) {
    if bytes < 10_000_000_000 { ("MB", 100_000) } else { ("GB", 100_000_000) }
}

fn tenths(bytes: u64, tenth: u64) -> String {
    // Rounded to the nearest one.
    let tenths = (u128::from(bytes) + u128::from(tenth / 2)) / u128::from(tenth);
    format!("{}.{}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(bytes: u64, total: u64, rate: u64) -> JobProgress {
        JobProgress {
            step: "image-linux".to_owned(),
            bytes,
            total,
            written: 0,
            rate,
            done: false,
            at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_step_is_told_with_what_is_known_of_it() {
        let text = |bytes, total, rate| progress(&at(bytes, total, rate), Timestamp::UNIX_EPOCH);
        assert_eq!(text(52_428_800, 121_634_816, 31_457_280), "image-linux 52.4 of 121.6 MB, 31.5 MB/s");
        assert_eq!(text(52_428_800, 0, 0), "image-linux 52.4 MB");
        assert_eq!(text(0, 0, 0), "image-linux");
        assert_eq!(
            text(4_049_000_000, 50_000_000_000, 999_960_000),
            "image-linux 4.0 of 50.0 GB, 1000.0 MB/s"
        );
        let done = JobProgress { done: true, ..at(1, 1, 1) };
        assert_eq!(progress(&done, Timestamp::UNIX_EPOCH), "image-linux done");
        assert!(text(u64::MAX, u64::MAX, u64::MAX).ends_with("GB/s"));
    }

    #[test]
    fn a_machine_that_was_not_heard_lately_has_no_rate_but_the_time_when_it_was() {
        let text = |seconds| {
            let now = Timestamp::from_second(seconds).unwrap();
            progress(&at(52_428_800, 121_634_816, 31_457_280), now)
        };
        assert_eq!(text(20), "image-linux 52.4 of 121.6 MB, 31.5 MB/s");
        assert_eq!(text(21), "image-linux 52.4 of 121.6 MB, heard 21s ago");
        assert_eq!(text(720), "image-linux 52.4 of 121.6 MB, heard 12m ago");
        assert_eq!(text(-9), "image-linux 52.4 of 121.6 MB, 31.5 MB/s", "the two clocks differ");
    }

    #[test]
    fn a_watcher_hears_of_every_tenth_of_every_step_and_of_every_end() {
        assert!(is_news(None, &at(0, 0, 0)));
        assert!(!is_news(Some(&at(10, 1000, 5)), &at(99, 1000, 9)));
        assert!(is_news(Some(&at(99, 1000, 5)), &at(100, 1000, 5)));
        assert!(is_news(Some(&at(0, 0, 0)), &at(0, 1000, 5)));
        assert!(is_news(Some(&at(1, 0, 0)), &JobProgress { done: true, ..at(1, 0, 0) }));
        assert!(!is_news(Some(&at(1, 0, 0)), &at(500, 0, 0)), "of a whole that nobody knows");
    }
}
