// SPDX-License-Identifier: AGPL-3.0-or-later
//! `shoal bmc check`: would an install work on this BMC, and if not, why?
//!
//! Guarantees: without `--try-media` nothing on the BMC is changed but a session that is opened and
//! closed; the account is tried once.

mod calls;
mod certificate;
mod finding;
mod judge;
mod media_address;
mod medium;
mod report;
mod source;
mod trial;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use shoal_redfish::{
    Bmc as _, BmcState, CallObserver, Discovered, Error, ErrorKind, Op, RedfishBmc, TlsTrust,
};
use url::Url;

use self::calls::{Call, Calls};
use self::finding::{Check as On, Findings, Verdict};
use self::media_address::media_url;
use self::medium::{Medium, Read, local_address};
use self::report::{Report, Standing};
use self::source::Subject;
use super::endpoint::{EndpointArgs, failed, wiring};
use super::session::{Stoppable, Stopped};
use crate::VERSION;
use crate::cli::secret::KeyArgs;
use crate::error::{CliError, Outcome};
use crate::host::{Context, Signals, write_whole};

/// Say whether an install would work on a BMC, and write a report for its vendor
///
/// Address and certificate, account and session, identity, power, licence, virtual media, boot
/// override: each is `ok`, `warning`, `failed` or `not known`, with what was seen and what to do.
/// Changes nothing on the BMC, and tries the account once, since BMCs lock accounts.
///
/// With --try-media a tiny medium is served from here, inserted into a free slot and taken out
/// again, which shows whether the BMC reaches this machine. Power and boot override are never
/// touched.
#[derive(clap::Args)]
#[command(
    group = clap::ArgGroup::new("which").required(true).args(["server", "url"]),
    after_help = "\
Examples:
  shoal bmc check web-01 --key-file age.key
      the BMC of a server as its file describes it, before or after it is in Git
  shoal bmc check --url https://10.0.0.12 --user root --password-env BMC_PASSWORD
  shoal bmc check web-01 --report web-01.md
      for a vendor's ticket: every check and every call, without secrets
  shoal bmc check web-01 --try-media=10.0.0.5:8000
      insert a medium that this machine serves at 10.0.0.5:8000, and take it out again
  shoal bmc check web-01 --json | jq '.checks[] | select(.verdict == \"failed\")'

Exit codes: 0 an install would work as far as can be seen, warnings or not; 3 something would stop
it; 69 the BMC does not answer as it should; 7 the inventory is not valid; 1 error."
)]
pub(super) struct Check {
    /// A server of the inventory
    #[arg(value_name = "SERVER")]
    server: Option<String>,
    /// The inventory's directory
    #[arg(long, value_name = "DIR", default_value = ".")]
    repo: PathBuf,
    #[command(flatten)]
    keys: KeyArgs,
    /// Scheme and host of a BMC, instead of a server
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    #[command(flatten)]
    endpoint: EndpointArgs,
    /// Where the controller offers media to BMCs; mediaUrls of the Fleet without it
    #[arg(long, value_name = "URL")]
    media_address: Option<String>,
    /// Insert a tiny medium, served from this address of this machine, and take it out again
    #[arg(
        long,
        value_name = "IP:PORT",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "auto",
        value_parser = try_at
    )]
    try_media: Option<TryAt>,
    /// Write a report in Markdown to FILE, to be attached to a ticket
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

/// Where the medium of a trial is served.
#[derive(Clone, Copy, Debug)]
enum TryAt {
    /// The address from which this machine reaches the BMC.
    Nearest,
    At(SocketAddr),
}

fn try_at(text: &str) -> Result<TryAt, String> {
    if text == "auto" {
        return Ok(TryAt::Nearest);
    }
    match text.parse::<SocketAddr>() {
        Ok(at) if at.ip().is_unspecified() => Err("name an address that the BMC can reach".to_owned()),
        Ok(at) => Ok(TryAt::At(at)),
        Err(_) => Err("expected IP:PORT, such as 10.0.0.5:8000".to_owned()),
    }
}

/// What there is to tell when everything was looked at.
#[derive(Default)]
struct Seen {
    findings: Findings,
    found: Option<Discovered>,
    trial: Vec<Read>,
    /// The BMC does not answer as it should.
    no_answer: bool,
    /// The exit code of a signal.
    stopped: Option<u8>,
}

impl Check {
    pub(super) fn perform(&self, context: &Context) -> Outcome {
        let mut subject = match (&self.server, &self.url) {
            (Some(server), _) => source::of_server(context, &self.repo, server, &self.endpoint, &self.keys)?,
            (None, Some(url)) => source::described(context, url, &self.endpoint)?,
            (None, None) => return Err(CliError::user("bmc.which", "name a server, or a BMC with --url")),
        };
        if let Some(media) = &self.media_address {
            subject.media = vec![media_url(media)?];
        }
        let calls = Arc::new(Calls::new(context.clock()));
        let mut seen = Seen::default();
        let mut stoppable = Stoppable::new(context, Arc::clone(&calls) as Arc<dyn CallObserver>)?;
        if let Err(Stopped(code)) = self.look(context, &subject, &calls, &mut seen, &mut stoppable)? {
            stoppable.end();
            return Ok(code);
        }
        self.finish(context, &subject, seen, calls.list())
    }

    fn look(
        &self,
        context: &Context,
        subject: &Subject,
        calls: &Arc<Calls>,
        seen: &mut Seen,
        stoppable: &mut Stoppable<'_>,
    ) -> Result<Result<(), Stopped>, CliError> {
        let endpoint = &subject.endpoint;
        let place = certificate::place(&endpoint.url);
        let progress = context.progress(format!("reaching {place}"));
        let look =
            certificate::look(&mut seen.findings, calls, &endpoint.url, endpoint.timeouts, context.now());
        let answers = stoppable.wait(look);
        drop(progress);
        match answers {
            Ok(true) => {}
            Ok(false) => {
                seen.no_answer = true;
                return Ok(Ok(()));
            }
            Err(stopped) => return Ok(Err(stopped)),
        }
        if matches!(endpoint.tls, TlsTrust::FirstUse { .. }) {
            let advice = "compare the fingerprint on the BMC itself, then pin it in bmc.tls.sha256";
            let seen_first = "trusted because it was seen first";
            seen.findings.add(On::Certificate, Verdict::Warning, seen_first, advice);
        }
        let progress = context.progress(format!("reading {place}"));
        let observer = stoppable.observer();
        let connected = stoppable.wait(RedfishBmc::connect(endpoint, wiring(observer)));
        drop(progress);
        match connected {
            Err(stopped) => Ok(Err(stopped)),
            Ok(Ok(bmc)) => {
                let state = match stoppable.wait(bmc.read_state()) {
                    Ok(state) => state,
                    Err(stopped) => return Ok(Err(stopped)),
                };
                let result = self.read(context, subject, &bmc, state, seen);
                // The first error is the one to tell, and the calls show this one.
                let _ = context.wait(bmc.close());
                let calls = calls.list();
                judge::session(&mut seen.findings, &calls);
                judge::pace(&mut seen.findings, &calls, endpoint.timeouts.request);
                result.map(Ok)
            }
            Ok(Err(error)) if matches!(error.kind(), ErrorKind::BadEndpoint { .. }) => Err(failed(error)),
            Ok(Err(error)) => {
                refused(seen, &error, &calls.list());
                Ok(Ok(()))
            }
        }
    }

    /// Judges what was discovered, and tries media where that is asked for.
    fn read(
        &self,
        context: &Context,
        subject: &Subject,
        bmc: &RedfishBmc,
        state: Result<BmcState, Error>,
        seen: &mut Seen,
    ) -> Result<(), CliError> {
        let found = bmc.discovered();
        let findings = &mut seen.findings;
        findings.ok(On::Credentials, "accepted");
        if let Err(error) = &state {
            findings.add(On::Redfish, Verdict::Warning, error.to_string(), error.hint());
        }
        let state = state.ok();
        judge::judge(findings, found, state.as_ref());
        media_address::judge(findings, &subject.endpoint.url, &subject.media, found.facts.schemes);
        seen.found = Some(found.clone());
        let Some(at) = self.try_media else {
            findings.not_known(
                On::MediaTrial,
                "not tried",
                "--try-media shows whether the BMC reaches this machine",
            );
            return Ok(());
        };
        match trial::slot(found, state.as_ref()) {
            Ok(slot) => try_media(context, &subject.endpoint.url, bmc, &slot, at, seen),
            Err((why, advice)) => {
                findings.not_known(On::MediaTrial, format!("not tried: {why}"), advice);
                Ok(())
            }
        }
    }

    fn finish(&self, context: &Context, subject: &Subject, seen: Seen, calls: Vec<Call>) -> Outcome {
        let Seen { findings, found, trial, no_answer, stopped } = seen;
        let checks = findings.all("not reached");
        let result = if no_answer {
            Standing::NoAnswer
        } else if checks.iter().any(|finding| finding.verdict == Verdict::Failed) {
            Standing::Stops
        } else {
            Standing::Ready
        };
        let mut report = Report {
            shoal: VERSION,
            at: context.now(),
            bmc: certificate::place(&subject.endpoint.url),
            vendor: found.as_ref().map(|found| found.vendor.clone()),
            model: found.as_ref().and_then(|found| found.model.clone()),
            firmware: found.as_ref().and_then(|found| found.firmware.clone()),
            result,
            checks,
            slots: found.as_ref().map(report::slots).unwrap_or_default(),
            trial,
            calls,
        };
        report.scrub(&subject.password);
        if self.json {
            context.json(&report)?;
        } else {
            context.data(&report.text(context.data_colour()))?;
        }
        if let Some(path) = &self.report {
            write_whole(path, report.markdown().as_bytes())?;
            context.say(&format!("the report is in {}", path.display()));
        }
        Ok(stopped.unwrap_or(result.exit_code()))
    }
}

fn try_media(
    context: &Context,
    url: &Url,
    bmc: &RedfishBmc,
    slot: &str,
    at: TryAt,
    seen: &mut Seen,
) -> Result<(), CliError> {
    let at = match at {
        TryAt::Nearest => local_address(url)?,
        TryAt::At(at) => at,
    };
    let mut signals = Signals::listen(context)?;
    let tls = !bmc.discovered().facts.schemes.http;
    let tried = context.wait(async {
        let medium = Medium::serve(context, at, tls).await?;
        context.say(&format!(
            "a medium of {} bytes, served at {}, goes into {slot} and is taken out again;\n\
             nothing on it starts, power and boot override are not touched, Ctrl-C takes it out as well",
            medium.size(),
            medium.address,
        ));
        let progress = context.progress("waiting for the BMC to read the medium");
        let tried = trial::perform(bmc, slot, &medium, &mut signals, &|text| context.say(text)).await;
        drop(progress);
        Ok::<_, CliError>(tried)
    })?;
    tried.judge(&mut seen.findings, slot);
    seen.stopped = tried.stopped;
    seen.trial = tried.reads;
    Ok(())
}

/// Says what stood in the way, and what was well up to there.
fn refused(seen: &mut Seen, error: &Error, calls: &[Call]) {
    use ErrorKind as K;
    let check = match error.kind() {
        K::CertificateChanged { .. } | K::CertificateUntrusted { .. } => On::Certificate,
        K::CredentialsRejected => On::Credentials,
        K::Forbidden { .. } if error.op() == Op::Login => On::Credentials,
        K::SessionsExhausted { .. } => On::Session,
        K::NoSuchSystem { .. } | K::AmbiguousSystem { .. } => On::System,
        K::WrongMachine { .. } => On::Identity,
        K::Unreachable { .. } | K::Timeout { .. } | K::CircuitOpen { .. } if error.op() == Op::Login => {
            On::Address
        }
        _ => On::Redfish,
    };
    seen.no_answer =
        matches!(check, On::Address | On::Redfish) && !matches!(error.kind(), K::Forbidden { .. });
    let opened = calls.iter().any(|call| call.op == Op::Login && call.method == "POST" && call.is_success());
    if opened && check != On::Credentials {
        seen.findings.ok(On::Credentials, "accepted");
    }
    if opened {
        judge::session(&mut seen.findings, calls);
    }
    let call = error.call().map(|call| format!(" (call {call})")).unwrap_or_default();
    seen.findings.add(check, Verdict::Failed, format!("{error}{call}"), error.hint());
}
