// SPDX-License-Identifier: AGPL-3.0-or-later
//! The flags of `shoal run`, made from the table of settings.

use std::collections::BTreeMap;

use clap::{Arg, ArgMatches, Command};

use crate::settings::table::{SECRETS, SETTINGS, Setting};

/// Values of flags, by the setting's name.
#[derive(Default)]
pub(super) struct SettingFlags(pub(super) BTreeMap<&'static str, String>);

impl clap::FromArgMatches for SettingFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = Self::default();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for setting in SETTINGS.iter().filter(|setting| setting.flag.is_some()) {
            if let Some(value) = matches.get_one::<String>(setting.name) {
                self.0.insert(setting.name, value.clone());
            }
        }
        Ok(())
    }
}

impl clap::Args for SettingFlags {
    fn augment_args(command: Command) -> Command {
        SETTINGS
            .iter()
            .filter_map(|setting| setting.flag.map(|flag| (setting, flag)))
            .fold(command, |command, (setting, flag)| command.arg(argument(setting, flag)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

fn argument(setting: &'static Setting, flag: &'static str) -> Arg {
    let mut help = format!("{} [env: {}]", setting.about, setting.name);
    if !setting.default.is_empty() {
        help.push_str(&format!(" [default: {}]", setting.default));
    }
    if let Some(hash) = SECRETS.iter().find(|secret| {
        setting.name.strip_suffix("_USER").is_some_and(|who| **secret == format!("{who}_PASS_HASH"))
    }) {
        help.push_str(&format!(" [with: {hash} or {hash}_FILE]"));
    }
    let argument = Arg::new(setting.name)
        .long(flag)
        .value_name(setting.value)
        .help(help)
        .help_heading(setting.group.heading())
        .hide(setting.hidden);
    // `--insecure-listen` alone says it aloud.
    if setting.value == "BOOL" {
        argument.num_args(0..=1).require_equals(true).default_missing_value("true")
    } else {
        argument
    }
}
