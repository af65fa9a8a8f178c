// SPDX-License-Identifier: AGPL-3.0-or-later
//! A person's editor on a private file that is wiped afterwards.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use shoal_schema::SecretString;

use crate::error::CliError;
use crate::host::{Context, read_private, write_private_new};

/// Lets a person edit a text. Other programs' environment is the person's own.
pub(super) fn edit(context: &Context, name: &str, text: &SecretString) -> Result<SecretString, CliError> {
    let editor = editor(context)?;
    let scratch = context.interrupts().scratch(&memory_or_temp(context))?;
    let file = scratch.path().join(format!("{}.yaml", name.replace('/', "-")));
    write_private_new(&file, text)?;
    let status = context.interrupts().ignored(|| {
        // Through a shell, as git does: editors are set with arguments.
        Command::new("sh")
            .args(["-c", &format!("{editor} \"$1\""), "sh"])
            .arg(&file)
            .stdin(if context.terminals().input { Stdio::inherit() } else { Stdio::null() })
            .status()
    });
    match status {
        Err(error) => {
            return Err(CliError::user("secret.editor", format!("cannot start the editor '{editor}'"))
                .because(error)
                .hint("name another one in EDITOR"));
        }
        Ok(status) if !status.success() => {
            let message = format!("the editor '{editor}' ended with {status}; nothing was changed");
            return Err(CliError::user("secret.editor", message));
        }
        Ok(_) => {}
    }
    read_private(&file, "the edited secret")
}

fn editor(context: &Context) -> Result<String, CliError> {
    for name in ["VISUAL", "EDITOR"] {
        if let Some(editor) = context.env().get(name)? {
            return Ok(editor);
        }
    }
    if context.terminals().input {
        return Ok("vi".to_owned());
    }
    Err(CliError::user("secret.editor", "there is no editor: neither VISUAL nor EDITOR is set")
        .hint("set EDITOR, or give the values with --from"))
}

/// Memory where there is any: what never was on a disk need not be wiped from one.
fn memory_or_temp(context: &Context) -> PathBuf {
    let runtime = context.env().path("XDG_RUNTIME_DIR");
    let usable = |dir: &Path| fs::metadata(dir).is_ok_and(|metadata| metadata.is_dir());
    runtime
        .into_iter()
        .chain([PathBuf::from("/dev/shm")])
        .find(|dir| usable(dir))
        .unwrap_or_else(|| context.temp_dir())
}
