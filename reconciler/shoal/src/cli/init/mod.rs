// SPDX-License-Identifier: AGPL-3.0-or-later
//! `shoal init`: an inventory that a person can start from.

use std::path::{Path, PathBuf};

use crate::error::{CliError, Outcome};
use crate::host::{Context, write_whole};

/// What is written, by path.
const FILES: [(&str, &str); 6] = [
    ("shoal.yaml", include_str!("files/shoal.yaml")),
    ("servers/rack-a/web-01.yaml", include_str!("files/server.yaml")),
    ("recipes/debian.yaml", include_str!("files/recipe.yaml")),
    ("images/debian.yaml", include_str!("files/image.yaml")),
    ("README.md", include_str!("files/README.md")),
    (".gitignore", include_str!("files/gitignore")),
];

/// Where the schemas go that the files' first lines name.
const SCHEMAS: &str = ".shoal/schemas";

/// Write an inventory to start from
///
/// One Fleet, one server, one recipe, one image, and a README that says what to change. The
/// schemas stand beside them, so that an editor with a YAML language server completes and checks.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  shoal init fleet
  shoal init --force .                    into a directory that holds other files already")]
pub(crate) struct Args {
    /// The directory; made where it is not there
    #[arg(value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    /// Write beside files that are there; none of them is overwritten
    #[arg(long)]
    force: bool,
}

impl Args {
    pub(super) fn perform(&self, context: &Context) -> Outcome {
        let dir = &self.dir;
        let others = others(dir)?;
        if !others.is_empty() && !self.force {
            return Err(CliError::user("init.not-empty", format!("{} is not empty", dir.display()))
                .detail(format!("it has {}", others.join(", ")))
                .hint("name another directory, or write beside what is there with --force"));
        }
        let taken: Vec<&str> =
            FILES.iter().map(|(path, _)| *path).filter(|path| dir.join(path).exists()).collect();
        if !taken.is_empty() {
            let message = format!("{} is there already; nothing was written", taken.join(", "));
            return Err(CliError::user("init.exists", message));
        }
        for (path, text) in FILES {
            let path = dir.join(path);
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent).map_err(|error| {
                    CliError::user("file.write", format!("cannot make the directory {}", parent.display()))
                        .because(error)
                })?;
            }
            write_whole(&path, text.as_bytes())?;
        }
        super::schema::write_all(&dir.join(SCHEMAS))?;
        for (path, _) in FILES {
            context.data(&format!("{}\n", dir.join(path).display()))?;
        }
        let place = if dir == Path::new(".") { String::new() } else { format!("  cd {}\n", dir.display()) };
        context.say(&format!(
            "\nnext:\n{place}  shoal validate\n  shoal secret keygen --out ~/.config/shoal/age.key\n  \
             git init && git add . && git commit -m 'inventory'"
        ));
        Ok(0)
    }
}

/// What is in a directory, a few names of it; a repository that is still empty counts as empty.
fn others(dir: &Path) -> Result<Vec<String>, CliError> {
    let mut names = Vec::new();
    match std::fs::read_dir(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(names),
        Err(error) => {
            return Err(CliError::user("file.read", format!("cannot list {}", dir.display())).because(error));
        }
        Ok(entries) => {
            names.extend(entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()));
        }
    }
    names.retain(|name| name != ".git");
    names.sort();
    if names.len() > 5 {
        let more = names.len() - 5;
        names.truncate(5);
        names.push(format!("and {more} more"));
    }
    Ok(names)
}
