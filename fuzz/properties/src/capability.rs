// SPDX-License-Identifier: AGPL-3.0-or-later
//! Capabilities and tokens: nothing opens but what was minted, and that one thing alone.

use shoal_controller::keys::Keys;
use shoal_core::job::{Job, Medium};
use shoal_schema::{JobId, LedgerId, SecretString};

const SECRET: &str = "the signing secret of the corpus, long enough";
const OLD: &str = "the signing secret before that one, long too";
/// Lines that are tried; the rest would cost more than it shows.
const MOST_LINES: usize = 8;
const MEDIA: [Medium; 2] = [Medium::Boot, Medium::Task];

/// The job of the corpus, at its third attempt, as a database keeps it.
const JOB: &str = include_str!("../../corpus/store_rows/job");

/// Each line of the input as a capability, as a token and as a registry token of one job, and of others
/// that differ from it in one thing.
///
/// # Panics
///
/// Where something opens that was not minted, where what was minted opens more than one thing, or
/// where what is changed in a bit, longer or shorter still opens.
pub fn capability(input: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(input) else { return false };
    text.split('\n').take(MOST_LINES).fold(false, |opened, text| one(text) | opened)
}

fn one(text: &str) -> bool {
    let secret = |text: &str| SecretString::new(text.to_owned());
    let rotated = Keys::new(secret(SECRET), Some(secret(OLD)));
    let (current, old) = (Keys::new(secret(SECRET), None), Keys::new(secret(OLD), None));
    let job = job();
    let mut opened = 0;
    for job in [&job].into_iter().chain(&others(&job)) {
        let rotated = opens(&rotated, &[&current, &old], job, text);
        // Once the old secret is gone, what it minted is too.
        let after = opens(&current, &[&current], job, text);
        assert_eq!(rotated, after || opens(&old, &[&old], job, text));
        opened += usize::from(rotated);
    }
    assert!(opened <= 1, "{text:?} opens {opened} things");
    if opened == 1 {
        changed(&rotated, &job, text);
    }
    opened == 1
}

/// Whether a text opens anything of a job's current attempt; `minters` are all who may have made it.
fn opens(keys: &Keys, minters: &[&Keys], job: &Job, text: &str) -> bool {
    let mut opened = 0;
    for medium in MEDIA {
        let minted = minters.iter().any(|keys| keys.capability(job, medium) == text);
        assert_eq!(keys.opens(job, medium, text), minted, "{text:?}");
        opened += usize::from(minted);
    }
    let minted = minters.iter().any(|keys| keys.token(job).expose() == text);
    assert_eq!(keys.is_token(job, text), minted, "{text:?}");
    assert_eq!(keys.attempt_of(job, text) == Some(job.attempt), minted, "{text:?}");
    opened += usize::from(minted);
    let minted = minters.iter().any(|keys| keys.registry_token(job).expose() == text);
    assert_eq!(keys.is_registry_token(job, text), minted, "{text:?}");
    opened += usize::from(minted);
    assert!(opened <= 1, "{text:?} opens {opened} things of one job");
    opened == 1
}

/// Every digit of it matters, and its length.
fn changed(keys: &Keys, job: &Job, text: &str) {
    let closed = |text: &str| {
        let opened = MEDIA.iter().any(|medium| keys.opens(job, *medium, text))
            || keys.is_registry_token(job, text)
            || keys.attempt_of(job, text).is_some();
        assert!(!opened, "{text:?} opens too");
    };
    for at in 0..text.len() {
        let mut bytes = text.as_bytes().to_vec();
        bytes[at] ^= 1 << (at % 7);
        closed(&String::from_utf8(bytes).expect("seven bits of ASCII are ASCII"));
    }
    for text in
        [&text[1..], &text[..text.len() - 1], &format!("{text}="), &format!(" {text}"), &text.repeat(2)]
    {
        closed(text);
    }
    closed(&text.to_ascii_uppercase());
}

fn job() -> Job {
    let mut job: Job = serde_json::from_str(JOB.split_once('\n').map_or(JOB, |(_, job)| job))
        .expect("the job of the corpus is one");
    job.attempt = 3;
    job
}

/// Jobs that differ in one thing of what a capability is for.
fn others(job: &Job) -> Vec<Job> {
    let other = |change: fn(&mut Job)| {
        let mut other = job.clone();
        change(&mut other);
        other
    };
    vec![
        other(|job| job.attempt = 1),
        other(|job| job.attempt = 2),
        other(|job| job.epoch -= 1),
        other(|job| job.epoch += 1),
        other(|job| job.id = JobId::parse(&"5".repeat(32)).expect("32 digits")),
        other(|job| job.ledger = LedgerId::parse(&"5".repeat(32)).expect("32 digits")),
    ]
}
