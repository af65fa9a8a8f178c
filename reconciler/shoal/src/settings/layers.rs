// SPDX-License-Identifier: AGPL-3.0-or-later
//! Which value of a setting counts: a flag's, the environment's, the configuration file's.

use std::collections::BTreeMap;
use std::fmt;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::table::{OF_OTHER_COMMANDS, SECRETS, SETTINGS, WATCHER, is_known};
use crate::error::CliError;
use crate::host::{Env, read_text};

/// A configuration file is a few lines.
const MAX_FILE: u64 = 1 << 20;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// `--flag`.
    Flag(&'static str),
    /// The environment.
    Env,
    /// `file:line`.
    File(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => write!(f, "--{flag}"),
            Self::Env => f.write_str("the environment"),
            Self::File(place) => f.write_str(place),
        }
    }
}

/// A value that somebody gave.
#[derive(Clone)]
pub(crate) struct Given {
    pub(crate) text: String,
    pub(crate) origin: Origin,
}

/// The values that count, by name.
#[derive(Clone, Default)]
pub(crate) struct Layers(BTreeMap<String, Given>);

/// Everything that is wrong with the settings.
#[derive(Default)]
pub(crate) struct Faults(Vec<String>);

impl Faults {
    /// One more.
    pub(crate) fn add(&mut self, line: impl Into<String>) {
        self.0.push(line.into());
    }

    /// An error with all of them, if there is any.
    pub(crate) fn check(self) -> Result<(), CliError> {
        self.check_for("shoal run")
    }

    /// As [`Faults::check()`], of another command.
    pub(crate) fn check_for(self, command: &str) -> Result<(), CliError> {
        if self.0.is_empty() {
            return Ok(());
        }
        let message = match self.0.len() {
            1 => "a setting is wrong".to_owned(),
            many => format!("{many} settings are wrong"),
        };
        let failed = CliError::config("settings", message);
        Err(self
            .0
            .into_iter()
            .fold(failed, CliError::detail)
            .hint(format!("'{command} --help' lists every setting")))
    }
}

impl Layers {
    /// Puts flags, environment and file together. An empty value counts as none.
    pub(crate) fn read(
        flags: &BTreeMap<&'static str, String>,
        env: &Env,
        file: Option<&Path>,
        faults: &mut Faults,
    ) -> Result<Self, CliError> {
        let mut values = BTreeMap::new();
        if let Some(path) = file {
            read_file(path, &mut values, faults)?;
        }
        for name in SETTINGS
            .iter()
            .map(|setting| setting.name.to_owned())
            .chain(SECRETS.iter().map(|secret| format!("{secret}_FILE")))
        {
            if let Some(text) = env.get(&name).map_err(CliError::into_config)? {
                values.insert(name, Given { text, origin: Origin::Env });
            }
        }
        for setting in SETTINGS {
            if let Some(flag) = setting.flag
                && let Some(text) = flags.get(setting.name)
            {
                let given = Given { text: text.clone(), origin: Origin::Flag(flag) };
                values.insert(setting.name.to_owned(), given);
            }
        }
        for name in env.names().filter(|name| name.starts_with("SHOAL_") && env.is_set(name)) {
            let of_tests = cfg!(debug_assertions) && name == WATCHER;
            if !is_known(name) && !OF_OTHER_COMMANDS.contains(&name) && !of_tests {
                faults.add(unknown(name, &Origin::Env));
            }
        }
        Ok(Self(values))
    }

    /// The value that counts.
    pub(crate) fn get(&self, name: &str) -> Option<&Given> {
        self.0.get(name).filter(|given| !given.text.trim().is_empty())
    }

    /// Names in the environment that look like ours and are not.
    pub(crate) fn lookalikes(env: &Env) -> Vec<String> {
        env.names()
            .filter(|name| !name.starts_with("SHOAL_") && !is_known(name) && name.len() >= 6)
            .filter_map(|name| {
                let near = nearest(name)?;
                Some(format!("{name} is set in the environment and means nothing; did you mean {near}?"))
            })
            .collect()
    }
}

fn read_file(path: &Path, values: &mut BTreeMap<String, Given>, faults: &mut Faults) -> Result<(), CliError> {
    let text = read_text(path, MAX_FILE).map_err(CliError::into_config)?;
    for (index, line) in text.lines().enumerate() {
        let place = format!("{}:{}", path.display(), index + 1);
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        let Some((name, value)) = line.split_once('=') else {
            faults.add(format!("{place}: expected NAME=value"));
            continue;
        };
        let name = name.trim();
        let origin = Origin::File(place.clone());
        if !is_known(name) {
            faults.add(unknown(name, &origin));
            continue;
        }
        let Some(value) = unquoted(value.trim()) else {
            faults.add(format!("{place}: {name}: the quote is not closed, or something stands behind it"));
            continue;
        };
        if values.contains_key(name) {
            faults.add(format!("{place}: {name} stands there twice"));
            continue;
        }
        values.insert(name.to_owned(), Given { text: value.to_owned(), origin });
    }
    let secrets: Vec<&str> = SECRETS.into_iter().filter(|secret| values.contains_key(*secret)).collect();
    if !secrets.is_empty() && everybody_reads(path) {
        let shown = path.display();
        let secrets = secrets.join(" and ");
        faults.add(format!("{shown} holds {secrets} and everybody can read it (chmod 640 {shown})"));
    }
    Ok(())
}

fn everybody_reads(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o004 != 0)
}

/// The value between quotes, or as it is. Nothing is expanded, as in systemd's environment files.
fn unquoted(text: &str) -> Option<&str> {
    for quote in ['"', '\''] {
        if let Some(rest) = text.strip_prefix(quote) {
            let inner = rest.strip_suffix(quote)?;
            return (!inner.contains(quote)).then_some(inner);
        }
    }
    Some(text)
}

fn unknown(name: &str, origin: &Origin) -> String {
    let shown: String = name.chars().take(60).filter(|c| !c.is_control()).collect();
    match nearest(name) {
        Some(near) => format!("{shown} ({origin}) is not a setting; did you mean {near}?"),
        None => format!("{shown} ({origin}) is not a setting"),
    }
}

fn nearest(name: &str) -> Option<&'static str> {
    SETTINGS
        .iter()
        .map(|setting| (strsim::damerau_levenshtein(setting.name, name), setting.name))
        .filter(|(distance, _)| (1..=2).contains(distance))
        .min()
        .map(|(_, near)| near)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &[(&str, &str)]) -> Env {
        Env::new(pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect())
    }

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    fn shown(layers: &Layers, name: &str) -> Option<(String, String)> {
        layers.get(name).map(|given| (given.text.clone(), given.origin.to_string()))
    }

    #[test]
    fn a_flag_outweighs_the_environment_and_that_outweighs_the_file() {
        let file = file("LOG_LEVEL=debug\nexport DB_PATH = '/a b'\n\n# note\nBASIC_USER=\"ada\"\n");
        let flags = BTreeMap::from([("LOG_LEVEL", "error".to_owned())]);
        let mut faults = Faults::default();
        let env = env(&[("LOG_LEVEL", "warn"), ("BASIC_USER", "bob"), ("SHOAL_URL", "x"), ("DB_PATH", "")]);
        let layers = Layers::read(&flags, &env, Some(file.path()), &mut faults).unwrap();
        faults.check().unwrap();
        assert_eq!(shown(&layers, "LOG_LEVEL").unwrap(), ("error".into(), "--log-level".into()));
        assert_eq!(shown(&layers, "BASIC_USER").unwrap(), ("bob".into(), "the environment".into()));
        let place = format!("{}:2", file.path().display());
        assert_eq!(shown(&layers, "DB_PATH").unwrap(), ("/a b".into(), place));
        assert!(layers.get("STATIC_DIR").is_none());
    }

    #[test]
    fn names_that_are_not_known_are_all_said_with_their_place() {
        let file = file("LOG_LEVLE=debug\nnonsense\nDB_PATH='a\nLOG_LEVEL=info\nLOG_LEVEL=warn\n");
        let mut faults = Faults::default();
        let env = env(&[("SHOAL_REPOS", "x"), ("HOME", "/root")]);
        Layers::read(&BTreeMap::new(), &env, Some(file.path()), &mut faults).unwrap();
        let text = faults.check().unwrap_err().render(false).replace(&file.path().display().to_string(), "f");
        for line in [
            "5 settings are wrong",
            "LOG_LEVLE (f:1) is not a setting; did you mean LOG_LEVEL?",
            "f:2: expected NAME=value",
            "f:3: DB_PATH: the quote is not closed",
            "f:5: LOG_LEVEL stands there twice",
            "SHOAL_REPOS (the environment) is not a setting; did you mean SHOAL_REPO?",
        ] {
            assert!(text.contains(line), "{line} is not in {text}");
        }
    }

    #[test]
    fn a_lookalike_in_the_environment_is_told_and_stops_nothing() {
        let env = env(&[("WORKER_CONCURENCY", "1"), ("PATH", "x"), ("EDITOR", "vi")]);
        let mut faults = Faults::default();
        Layers::read(&BTreeMap::new(), &env, None, &mut faults).unwrap();
        faults.check().unwrap();
        let told = Layers::lookalikes(&env);
        assert_eq!(told.len(), 1);
        assert!(told[0].contains("did you mean WORKER_CONCURRENCY?"), "{told:?}");
    }
}
