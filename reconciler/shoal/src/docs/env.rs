// SPDX-License-Identifier: AGPL-3.0-or-later
//! `docs/reference/environment.md`.

use std::fmt::Write as _;

use crate::settings::table::{Group, SECRETS, SETTINGS};

/// The reference of the controller's settings.
pub fn env_markdown() -> String {
    let mut out = String::from(
        "<!-- made from the table of settings by `just gen`; do not edit -->\n\n# Settings of `shoal run`\n\n\
         A flag outweighs the environment, the environment outweighs the file that `--config` names, and that \
         outweighs the default. The file has `NAME=value` lines, as systemd's environment files do. A value that is \
         wrong, and a name that is not known, stop the start with exit code 78; all of them are said at once.\n\n\
         Durations are whole numbers with a unit: `500ms`, `30s`, `10m`, `4h`, `7d`. A secret has no flag; it may \
         stand in a file that only its owner can read, named by the variable with `_FILE` behind its name.\n",
    );
    for group in Group::ALL {
        let _ = write!(
            out,
            "\n## {}\n\n| variable | flag | default | what it is |\n|---|---|---|---|\n",
            group.heading()
        );
        for setting in SETTINGS.iter().filter(|setting| setting.group == group && !setting.hidden) {
            let file = if SECRETS.contains(&setting.name) {
                format!("<br>`{}_FILE`", setting.name)
            } else {
                String::new()
            };
            let flag = setting.flag.map(|flag| format!("`--{flag}`")).unwrap_or_default();
            let about = setting.about.replace('|', "\\|");
            let _ = writeln!(out, "| `{}`{file} | {flag} | {} | {about} |", setting.name, setting.default);
        }
    }
    out.push_str(
        "\n## Of the other commands\n\n| variable | what it is |\n|---|---|\n\
         | `SHOAL_SOCKET` | Unix socket of the controller on this machine |\n\
         | `SHOAL_URL` | address of a controller elsewhere |\n\
         | `SHOAL_TOKEN`<br>`SHOAL_TOKEN_FILE` | the account there, `USER:PASSWORD` |\n\
         | `SHOAL_CA` | file with the CAs that may have signed its certificate |\n\
         | `SHOAL_PIN` | SHA-256 of its public key, 64 hex digits |\n\
         | `SHOAL_GIT_TOKEN_FILE`<br>`SHOAL_GIT_USER` | token and user name for an https:// repository |\n\
         | `SHOAL_AGE_KEY_FILE`<br>`SHOAL_AGE_KEY` | file with age private keys, or the keys themselves |\n\
         | `VISUAL`<br>`EDITOR` | the editor of `shoal secret` |\n\
         | `NO_COLOR` | no colour |\n",
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_that_is_not_hidden_is_in_the_reference() {
        let text = env_markdown();
        for setting in SETTINGS {
            assert_eq!(text.contains(&format!("| `{}`", setting.name)), !setting.hidden, "{}", setting.name);
        }
    }
}
