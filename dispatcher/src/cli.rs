// SPDX-License-Identifier: AGPL-3.0-or-later
//! The command line: flags, and what they mean to the library.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use shoal_dispatcher::exit::Exit;
use shoal_dispatcher::linux::{FAILURE_FILE, PROGRESS_FILE, Paths};
use shoal_dispatcher::progress::ProgressPolicy;
use shoal_dispatcher::report::Ended;
use shoal_dispatcher::settings::{SerialSource, Settings};

/// Reads the task medium, asks the controller for the permit, starts the workflow.
///
/// Runs once per boot of the maintenance OS. It waits for the medium whose volume label begins with TASK_, validates
/// the recipe on it, makes sure that this machine and its disk are the ones that are meant, and asks the controller
/// for the permit. Only with the permit does it write the files that the steps read and start the systemd target.
/// Whatever goes wrong before that is reported to the controller, and nothing is written to any disk.
#[derive(Parser)]
#[command(name = "shoal-dispatcher", version, after_long_help = exit_codes(), args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) run: RunArgs,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Tell the controller how the work behind the target ended. For the provision units.
    #[command(hide = true)]
    Webhook(WebhookArgs),
    /// Tell the controller how far the steps are, until the outcome is claimed. For a unit beside them.
    #[command(hide = true)]
    Progress(ProgressArgs),
}

#[derive(Args)]
pub(crate) struct RunArgs {
    /// Read the task from this device or image file instead of looking for its label.
    #[arg(long, value_name = "PATH")]
    task_iso_device: Option<PathBuf>,
    /// Where the medium is mounted while it is read; it does not stay mounted.
    #[arg(long, value_name = "DIR", default_value = "/mnt/task")]
    task_mount_point: PathBuf,
    /// Where the files for the steps are written.
    #[arg(long, value_name = "DIR", default_value = "/run/provision")]
    env_dir: PathBuf,
    /// The recipe's schema: its name on the medium, or its path below the mount point.
    #[arg(long, value_name = "NAME", default_value = "recipe.schema.json")]
    schema_path: PathBuf,
    /// The recipe: its name on the medium, or its path below the mount point.
    #[arg(long, value_name = "NAME", default_value = "recipe.json")]
    recipe_path: PathBuf,
    /// How long to wait for the medium. A USB device may show up seconds after this program.
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    udev_wait_seconds: u64,
    /// Pause between two looks at the devices, such as 500ms or 2s.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration)]
    poll_interval: Duration,
    /// error, warn, info, debug or trace.
    #[arg(long, value_name = "LEVEL", default_value = "info", value_parser = level)]
    pub(crate) log_level: tracing::Level,
    /// Where the serial number comes from.
    ///
    /// `env` is for machines whose firmware has none; the word of whoever sets the variable then stands for the
    /// machine's identity. Without it the variable is not even read.
    #[arg(long, value_name = "SOURCE", default_value = "dmi")]
    serial_source: Source,
    /// The variable that `--serial-source env` reads.
    #[arg(long, value_name = "NAME", default_value = "PROVISIONER_SERIAL")]
    serial_env_key: String,
    /// Do everything but start the target: for a look at the files.
    #[arg(long)]
    no_start: bool,
    /// Start this target instead of the recipe's. It must be one that this system ships.
    #[arg(long, value_name = "TARGET")]
    target_override: Option<String>,
    /// The targets that this system ships, one a line.
    #[arg(long, value_name = "FILE", default_value = "/usr/lib/shoal/targets")]
    targets_file: PathBuf,
    /// Leave the system clock alone. Otherwise it is set to the controller's time with the permit.
    #[arg(long)]
    keep_clock: bool,
    /// How long to ask for the permit before giving up.
    #[arg(long, value_name = "SECONDS", default_value_t = 110 * 60)]
    permit_wait_seconds: u64,
    #[command(flatten)]
    delivery: DeliveryArgs,
}

#[derive(Args)]
struct DeliveryArgs {
    /// Pause between two tries to tell the controller how it ended, such as 500ms or 10s.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    webhook_interval: Duration,
}

#[derive(Args)]
pub(crate) struct WebhookArgs {
    /// The disk is ready.
    #[arg(long, required_unless_present = "failed", conflicts_with = "failed")]
    success: bool,
    /// The unit that failed, such as bootloader-linux.service.
    #[arg(long, value_name = "UNIT")]
    failed: Option<String>,
    /// Why it failed, in a stable word.
    #[arg(long, value_name = "WORD", requires = "failed")]
    code: Option<String>,
    /// Why it failed, in a sentence.
    #[arg(long, value_name = "TEXT", requires = "failed")]
    message: Option<String>,
    /// Where the dispatcher wrote its files.
    #[arg(long, value_name = "DIR", default_value = "/run/provision")]
    env_dir: PathBuf,
    /// Where the failed step wrote down why; of use only if it is this unit's step that did.
    #[arg(long, value_name = "FILE", default_value = FAILURE_FILE)]
    failure_file: PathBuf,
    #[command(flatten)]
    delivery: DeliveryArgs,
}

#[derive(Args)]
pub(crate) struct ProgressArgs {
    /// Where the dispatcher wrote its files.
    #[arg(long, value_name = "DIR", default_value = "/run/provision")]
    env_dir: PathBuf,
    /// Where steps append how far they are.
    #[arg(long, value_name = "FILE", default_value = PROGRESS_FILE)]
    progress_file: PathBuf,
    /// The least time between two calls, such as 500ms or 2s.
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = duration)]
    interval: Duration,
}

impl ProgressArgs {
    pub(crate) fn paths(&self) -> Paths {
        Paths { provision: self.env_dir.clone(), progress: self.progress_file.clone(), ..Paths::default() }
    }

    pub(crate) fn policy(&self) -> ProgressPolicy {
        let policy = ProgressPolicy::default();
        ProgressPolicy { interval: self.interval, look: policy.look.min(self.interval), ..policy }
    }
}

#[derive(Clone, Copy, ValueEnum)]
enum Source {
    /// The firmware's tables.
    Dmi,
    /// An environment variable.
    Env,
}

impl RunArgs {
    /// Where things are.
    pub(crate) fn paths(&self) -> Paths {
        Paths {
            provision: self.env_dir.clone(),
            mount_point: self.task_mount_point.clone(),
            task_device: self.task_iso_device.clone(),
            targets: self.targets_file.clone(),
            ..Paths::default()
        }
    }

    /// What to do. `environment` reads a variable.
    pub(crate) fn settings(&self, environment: impl Fn(&str) -> Option<String>) -> Result<Settings, String> {
        let serial = match self.serial_source {
            Source::Dmi => SerialSource::Dmi,
            Source::Env => SerialSource::Given(environment(&self.serial_env_key)),
        };
        let mut settings = Settings {
            recipe_name: on_medium(&self.recipe_path, &self.task_mount_point)?,
            schema_name: on_medium(&self.schema_path, &self.task_mount_point)?,
            medium_wait: Duration::from_secs(self.udev_wait_seconds),
            poll_interval: self.poll_interval,
            serial,
            start: !self.no_start,
            target_override: self.target_override.clone(),
            set_clock: !self.keep_clock,
            ..Settings::default()
        };
        settings.permit.budget = Duration::from_secs(self.permit_wait_seconds);
        settings.webhook.interval = self.delivery.webhook_interval;
        Ok(settings)
    }
}

impl WebhookArgs {
    pub(crate) fn paths(&self) -> Paths {
        Paths { provision: self.env_dir.clone(), failure: self.failure_file.clone(), ..Paths::default() }
    }

    pub(crate) fn settings(&self) -> Settings {
        let mut settings = Settings::default();
        settings.webhook.interval = self.delivery.webhook_interval;
        settings
    }

    pub(crate) fn ended(&self) -> Ended {
        match &self.failed {
            None => Ended::Success,
            Some(unit) => {
                Ended::Failed { unit: unit.clone(), code: self.code.clone(), message: self.message.clone() }
            }
        }
    }
}

/// The name of a file on the medium, out of a name or of a path below the mount point.
fn on_medium(path: &Path, mount_point: &Path) -> Result<String, String> {
    let name = path.strip_prefix(mount_point).unwrap_or(path);
    match name.to_str() {
        Some(name) if !name.is_empty() && !name.starts_with('/') => Ok(name.to_owned()),
        _ => Err(format!(
            "{} is not on the medium: give a name, or a path below {}",
            path.display(),
            mount_point.display()
        )),
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let number: u64 = digits.parse().map_err(|_| "write digits and ms, s or m, such as 500ms".to_owned())?;
    match unit {
        "ms" => Ok(Duration::from_millis(number)),
        "s" | "" => Ok(Duration::from_secs(number)),
        "m" => number.checked_mul(60).map(Duration::from_secs).ok_or_else(|| "too long".to_owned()),
        _ => Err("write digits and ms, s or m, such as 500ms".to_owned()),
    }
    .and_then(|time| if time.is_zero() { Err("it must be longer than nothing".to_owned()) } else { Ok(time) })
}

fn level(text: &str) -> Result<tracing::Level, String> {
    text.parse().map_err(|_| "one of error, warn, info, debug, trace".to_owned())
}

fn exit_codes() -> String {
    let lines = Exit::ALL.iter().map(|exit| format!("  {:>2}  {}", exit.code(), exit.meaning()));
    format!("Exit codes:\n{}\n   2  a flag that is not known", lines.collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn parse(args: &[&str]) -> Cli {
        Cli::try_parse_from(std::iter::once("shoal-dispatcher").chain(args.iter().copied()))
            .expect("valid flags")
    }

    #[test]
    fn the_command_line_is_sound_and_its_help_names_every_exit_code() {
        Cli::command().debug_assert();
        let help = Cli::command().render_long_help().to_string();
        for exit in Exit::ALL {
            assert!(help.contains(exit.meaning()), "{exit:?}");
        }
    }

    #[test]
    fn the_flags_of_the_contract_are_there() {
        let cli = parse(&[
            "--task-iso-device=/dev/sr1",
            "--task-mount-point=/mnt/t",
            "--env-dir=/run/p",
            "--schema-path=/mnt/t/recipe.schema.json",
            "--recipe-path=recipe.json",
            "--udev-wait-seconds=5",
            "--poll-interval=500ms",
            "--log-level=debug",
            "--serial-source=env",
            "--serial-env-key=X",
            "--no-start",
            "--target-override=install-linux.target",
        ]);
        let settings = cli.run.settings(|key| (key == "X").then(|| "S1".to_owned())).expect("settings");
        assert_eq!(settings.schema_name, "recipe.schema.json");
        assert_eq!(settings.serial, SerialSource::Given(Some("S1".to_owned())));
        assert_eq!(settings.poll_interval, Duration::from_millis(500));
        assert!(!settings.start);
    }

    #[test]
    fn the_variable_is_not_read_unless_it_was_asked_for() {
        let settings = parse(&[]).run.settings(|key| panic!("{key} was read")).expect("settings");
        assert_eq!(settings.serial, SerialSource::Dmi);
    }

    #[test]
    fn a_recipe_that_is_not_on_the_medium_is_refused() {
        assert!(parse(&["--recipe-path=/etc/recipe.json"]).run.settings(|_| None).is_err());
    }

    #[test]
    fn an_outcome_is_success_or_a_unit() {
        assert!(Cli::try_parse_from(["shoal-dispatcher", "webhook"]).is_err());
        assert!(
            Cli::try_parse_from(["shoal-dispatcher", "webhook", "--success", "--failed", "a.service"])
                .is_err()
        );
        let Some(Command::Webhook(args)) = parse(&["webhook", "--failed", "partition.service"]).command
        else {
            panic!("no webhook");
        };
        assert!(matches!(args.ended(), Ended::Failed { unit, .. } if unit == "partition.service"));
    }

    #[test]
    fn times_have_a_unit_and_are_not_zero() {
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(duration("3"), Ok(Duration::from_secs(3)));
        for bad in ["", "s", "0s", "1h", "1.5s", "-1s", "99999999999999999999s"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
