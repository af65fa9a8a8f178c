// SPDX-License-Identifier: AGPL-3.0-or-later
//! What the units behind the target use to tell the controller how it ended: `provision-success.service` and
//! `provision-failed@UNIT.service`.
//!
//! systemd starts the failure unit for a step that failed and again for every step that depended on it. The outcome
//! that was claimed first is the one that counts, so the first unit's own name reaches the controller.

use shoal_schema::SecretString;

use crate::exit::Exit;
use crate::host::Host;
use crate::output::SECRETS;
use crate::redact::Redactor;
use crate::run::{self, RunError};
use crate::run_log::RunLog;
use crate::settings::Settings;
use crate::webhook::{self, Claim, Delivery, Outcome};
use crate::why;

/// How the work behind the target ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All of it is done.
    Success,
    /// A unit failed.
    Failed {
        /// The unit's own name.
        unit: String,
        /// A stable word, where the caller knows one. It goes before the step's own.
        code: Option<String>,
        /// One sentence, where the caller knows one. It goes before the step's own.
        message: Option<String>,
    },
}

/// What came of telling the controller.
#[derive(Debug)]
pub struct Told {
    /// The exit code.
    pub exit: Exit,
    /// The delivery; nothing when another outcome was claimed before.
    pub delivery: Option<Delivery>,
}

/// Claims the outcome of this boot and delivers it.
pub async fn report<H: Host + ?Sized>(
    host: &H,
    settings: &Settings,
    ended: &Ended,
    log: &mut RunLog,
) -> Result<Told, RunError> {
    let session = run::session(host).await?.ok_or(RunError::NoSession)?;
    let mut redactor = Redactor::default();
    redactor.add(&session.token);
    for path in SECRETS {
        if let Some(content) = host.read(path).await.map_err(RunError::output(path))? {
            redactor.add(&SecretString::new(String::from_utf8_lossy(&content).into_owned()));
        }
    }
    let outcome = match ended {
        Ended::Success => Outcome::Success,
        Ended::Failed { unit, code, message } => {
            let log_of_unit =
                host.log_of(unit).await.unwrap_or_else(|error| format!("no log of {unit}: {error}"));
            let why = why::of(host, unit, log).await;
            Outcome::Failed {
                unit: unit.clone(),
                // The hint belongs to the step's own word.
                hint: why.hint.filter(|_| code.is_none()),
                code: code.clone().unwrap_or(why.code),
                message: message.clone().unwrap_or(why.message),
                log: log_of_unit,
            }
        }
    };
    let body = webhook::body(&session, &outcome, &redactor, host.now());
    let claim = Claim { body, exit: Exit::HandedOff };
    let counts = webhook::claim(host, claim.clone()).await?;
    if counts.body.delivery_id != claim.body.delivery_id {
        let first = counts.body.failed_step.as_deref().unwrap_or("success");
        log.note("another outcome was reported first", first);
        return Ok(Told { exit: Exit::HandedOff, delivery: None });
    }
    let delivery = run::deliver(host, settings, &session, &counts, log).await?;
    Ok(Told { exit: counts.exit_after(Some(&delivery)), delivery: Some(delivery) })
}
