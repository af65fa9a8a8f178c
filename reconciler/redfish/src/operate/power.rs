// SPDX-License-Identifier: AGPL-3.0-or-later
//! Power, as decided: graceful, then forced, then `On`.
//!
//! Reset types that start a running machine again are never sent: after a crash nobody could
//! tell whether they were carried out.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::RedfishBmc;
use super::patience::Patience;
use crate::contract::bmc::{Effect, PowerOff};
use crate::contract::error::{Error, ErrorKind};
use crate::contract::observe::Op;
use crate::contract::state::PowerState;
use crate::discovery::layout::Reset;
use crate::model::system;
use crate::rules::Rule;
use crate::wire::client::Failure;
use crate::wire::exchange::Broken;
use crate::wire::retry::Replay;

/// What became of a reset.
enum Sent {
    /// Accepted, or nobody knows: the state will tell.
    Perhaps,
    /// Not now; may be sent again after this pause. iDRAC10 answers an early `On` so.
    NotNow(Error, Duration),
    /// Refused.
    Never(Error),
}

pub(super) async fn off(bmc: &RedfishBmc, graceful: Duration) -> Result<PowerOff, Error> {
    let op = Op::PowerOff;
    let seen = power(bmc, op).await?;
    if seen == PowerState::Off {
        return Ok(PowerOff::AlreadyOff);
    }
    let reset = reset_of(bmc, op)?;
    let going_down = seen == PowerState::PoweringOff && bmc.has(Rule::PoweringOffIsWaitedFor);
    if !graceful.is_zero() && (going_down || reset.may("GracefulShutdown")) {
        let asked = going_down
            || match send(bmc, op, reset, "GracefulShutdown").await? {
                Sent::Perhaps => true,
                Sent::Never(error) if !bmc.has(Rule::RefusedShutdownsAreForced) => return Err(error),
                Sent::Never(_) | Sent::NotNow(..) => false,
            };
        // Refused means: no operating system to ask. Then it is cut off at once.
        if asked && await_power(bmc, op, graceful, |seen| seen == PowerState::Off).await? == PowerState::Off {
            return Ok(PowerOff::Graceful);
        }
    }
    reach(bmc, op, reset, "ForceOff", bmc.budgets.force_off, |seen| seen == PowerState::Off).await.map(
        |effect| match effect {
            Effect::AlreadySo => PowerOff::Graceful,
            Effect::Changed => PowerOff::Forced,
        },
    )
}

pub(super) async fn on(bmc: &RedfishBmc) -> Result<Effect, Error> {
    let reset = reset_of(bmc, Op::PowerOn)?;
    let reset_type = if bmc.has(Rule::RestartsAreNeverSent) { "On" } else { "ForceRestart" };
    reach(bmc, Op::PowerOn, reset, reset_type, bmc.budgets.power_on, |seen| {
        matches!(seen, PowerState::On | PowerState::PoweringOn)
    })
    .await
}

/// Sends a reset until the power is as wanted: a few times when it is accepted without effect,
/// until the budget is over when it is refused for now.
async fn reach(
    bmc: &RedfishBmc,
    op: Op,
    reset: &Reset,
    reset_type: &str,
    budget: Duration,
    wanted: fn(PowerState) -> bool,
) -> Result<Effect, Error> {
    let deadline = Instant::now() + budget;
    let mut seen = power(bmc, op).await?;
    if wanted(seen) {
        return Ok(Effect::AlreadySo);
    }
    let mut accepted = 0;
    let most = bmc.most_writes();
    while accepted < most {
        let wait = match send(bmc, op, reset, reset_type).await? {
            Sent::Perhaps => {
                accepted += 1;
                budget / most
            }
            Sent::NotNow(error, pause) => {
                if Instant::now() + pause >= deadline {
                    return Err(error);
                }
                pause
            }
            Sent::Never(error) => {
                // Refused because it is so already, or for good.
                return if wanted(power(bmc, op).await?) { Ok(Effect::Changed) } else { Err(error) };
            }
        };
        seen = await_power(bmc, op, wait, wanted).await?;
        if wanted(seen) || !bmc.reads_back() {
            return Ok(Effect::Changed);
        }
    }
    let kind = ErrorKind::NoEffect {
        wanted: format!("power after {reset_type}"),
        seen: format!("PowerState {seen}"),
    };
    Err(bmc.wire.error(op, Some(&bmc.layout().system), kind))
}

fn reset_of(bmc: &RedfishBmc, op: Op) -> Result<&Reset, Error> {
    let layout = &bmc.layout();
    layout.reset.as_ref().ok_or_else(|| bmc.wire.error(op, Some(&layout.system), ErrorKind::NoResetAction))
}

async fn power(bmc: &RedfishBmc, op: Op) -> Result<PowerState, Error> {
    let system = bmc.read(op, &bmc.layout().system).await?;
    Ok(system::power(&system.value))
}

/// Reads the power until it is as wanted or `budget` is over; the last one seen.
async fn await_power(
    bmc: &RedfishBmc,
    op: Op,
    budget: Duration,
    wanted: fn(PowerState) -> bool,
) -> Result<PowerState, Error> {
    let mut patience = Patience::new(budget, bmc.budgets.poll);
    loop {
        let seen = power(bmc, op).await?;
        if wanted(seen) || !patience.wait().await {
            return Ok(seen);
        }
    }
}

async fn send(bmc: &RedfishBmc, op: Op, reset: &Reset, reset_type: &str) -> Result<Sent, Error> {
    let body = json!({"ResetType": reset_type});
    match bmc.post(op, &reset.target, Some(body), Replay::Unexecuted).await {
        Ok(_) => Ok(Sent::Perhaps),
        Err(Failure::Broken(Broken { unsent: false, passing: true, .. })) => Ok(Sent::Perhaps),
        Err(failure @ Failure::Broken(_)) => Err(bmc.wire.failed(op, &reset.target, failure)),
        Err(Failure::Refused(refusal)) => {
            let pause = refusal.pause(bmc.budgets.rewrite);
            let not_now = refusal.is_not_now()
                || refusal.status >= 500
                || (refusal.status == 409 && bmc.has(Rule::EarlyOnConflicts));
            let error = bmc.wire.failed(op, &reset.target, Failure::Refused(refusal));
            match error.kind() {
                ErrorKind::CredentialsRejected => Err(error),
                _ if not_now => Ok(Sent::NotNow(error, pause)),
                _ => Ok(Sent::Never(error)),
            }
        }
    }
}
