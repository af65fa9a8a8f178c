// SPDX-License-Identifier: AGPL-3.0-or-later
//! Taking a backup: from a running controller, or from a database that nobody has open.
//!
//! Guarantees: the file gets its name once it is whole, on the disk, and was read back; whatever fails or is
//! interrupted before leaves nothing. Nothing is overwritten unless told.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use shoal_store::export::{About, Contents, ExportError, Exporter, Importer};
use shoal_store::{Opening, RedbStore, Store as _};
use tempfile::NamedTempFile;

use super::contents::{Shown, short, unusable};
use super::database::{DatabaseArgs, not_opened};
use super::tee::{NotCopied, copy};
use crate::VERSION;
use crate::client::ConnectArgs;
use crate::error::{CliError, Outcome};
use crate::host::Context;

/// What moves at once.
const BUFFER: usize = 256 << 10;

#[derive(clap::Args)]
pub(super) struct TakeArgs {
    /// File to write, or a directory for a file named by fleet and date; - for standard output
    #[arg(value_name = "FILE", default_value = ".", hide_default_value = true)]
    file: PathBuf,
    /// Overwrite a file that is there
    #[arg(long)]
    force: bool,
    /// Print what was written as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    connect: ConnectArgs,
}

impl TakeArgs {
    pub(super) fn perform(&self, context: &Context) -> Outcome {
        if self.file == Path::new("-") {
            return self.to_output(context);
        }
        let directory = self.place()?;
        let source = self.source(context)?;
        let (file, contents) = self.to_file(context, &directory, source)?;
        if self.json {
            context.json(&Shown::new(&file, &contents))?;
        } else {
            context.data(&format!("{}\n", file.display()))?;
            context.say(&format!("backed up and read back: {}", short(&contents)));
        }
        Ok(0)
    }

    /// The directory of the file that is to be written, once it is clear that it can be.
    fn place(&self) -> Result<PathBuf, CliError> {
        let file = &self.file;
        if file.is_dir() {
            return Ok(file.clone());
        }
        if let Ok(metadata) = file.metadata() {
            if !metadata.is_file() {
                return Err(CliError::user("backup.file", format!("{} is no regular file", file.display()))
                    .hint("name a file or a directory, or - for standard output"));
            }
            if !self.force {
                return Err(taken(file));
            }
        }
        let directory = match file.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        if !directory.is_dir() {
            let message = format!("there is no directory {}", directory.display());
            return Err(CliError::user("backup.directory", message)
                .hint("make it, readable by nobody else: install -d -m 0700"));
        }
        Ok(directory)
    }

    /// The database as a stream.
    fn source<'a>(&self, context: &'a Context) -> Result<Box<dyn Read + 'a>, CliError> {
        if !self.database.is_given() {
            let client = self.connect.client(context)?;
            let download = client.download(context, "/api/v1/backup").map_err(|error| {
                let away = error.code() == "controller.unreachable";
                error.maybe_hint(away.then_some(
                    "where no controller runs, name its settings or its database: --config, --database",
                ))
            })?;
            return Ok(Box::new(download));
        }
        if self.connect.is_given() {
            return Err(CliError::user(
                "backup.source",
                "a running controller and a database at rest are both named",
            )
            .hint("leave out --socket and --url, or --database and --config"));
        }
        let path = self.database.path(context)?;
        let made_by = format!("shoal {VERSION}");
        let running = "a running controller takes the backup itself: leave out --database and --config";
        let (store, format) = RedbStore::open_kept(&path, &Opening::new(&made_by, context.now()))
            .map_err(|error| not_opened(error, running))?;
        let begin = || {
            let snapshot = store.snapshot()?;
            let about = About::of(&*snapshot, format, context.now(), &made_by, None)?;
            Ok::<_, ExportError>(Exporter::new(snapshot, about))
        };
        let exporter = begin().map_err(unreadable)?;
        Ok(Box::new(Resting { _store: store, exporter, piece: io::Cursor::default() }))
    }

    fn to_output(&self, context: &Context) -> Outcome {
        if self.json {
            return Err(CliError::user(
                "backup.json",
                "--json and the backup cannot both go to standard output",
            )
            .hint("write it to a file, or leave out --json"));
        }
        if context.terminals().output {
            return Err(CliError::user("backup.terminal", "a backup is not written to a terminal")
                .hint("name a file, or send it somewhere: shoal backup - | ssh vault 'cat > shoal.backup'"));
        }
        let source = self.source(context)?;
        let moved = Arc::default();
        let progress = context.transfer("backing up", &moved);
        let copied = copy(source, BufWriter::with_capacity(BUFFER, Output(context)), moved);
        drop(progress);
        let (contents, _) = copied.map_err(|error| match error {
            NotCopied::Read(error) => broken_off(error),
            NotCopied::Write(error) => CliError::closed_output(error),
        })?;
        context.say(&format!("backed up: {}", short(&contents)));
        Ok(0)
    }

    fn to_file(
        &self,
        context: &Context,
        directory: &Path,
        source: Box<dyn Read + '_>,
    ) -> Result<(PathBuf, Contents), CliError> {
        let unwritten = |error: io::Error| {
            let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
            CliError::user("backup.write", format!("cannot write a backup in {}", directory.display()))
                .because(error)
                .maybe_hint(full.then_some("make room, or name another place; nothing was left there"))
        };
        // For its owner alone, from its first byte.
        let part = tempfile::Builder::new()
            .prefix(".shoal-")
            .suffix(".part")
            .tempfile_in(directory)
            .map_err(unwritten)?;
        let _half = context.interrupts().half(part.path());
        let moved = Arc::default();
        let progress = context.transfer("backing up", &moved);
        let copied = copy(source, BufWriter::with_capacity(BUFFER, part), moved);
        let (contents, out) = copied.map_err(|error| match error {
            NotCopied::Read(error) => broken_off(error),
            NotCopied::Write(error) => unwritten(error),
        })?;
        let part = out.into_inner().map_err(|error| unwritten(error.into_error()))?;
        part.as_file().sync_all().map_err(unwritten)?;
        let back = File::open(part.path()).map_err(|error| ExportError::Io("read back", error));
        let back = back.and_then(|file| Importer::open(BufReader::with_capacity(BUFFER, file))?.verify());
        drop(progress);
        if back.map_err(|error| unusable(part.path(), error))? != contents {
            return Err(CliError::user("backup.differs", "what was written is not what is read back")
                .hint("this disk cannot be trusted: name another place"));
        }
        let file =
            if self.file.is_dir() { self.file.join(contents.about.file_name()) } else { self.file.clone() };
        self.rename(part, &file).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => taken(&file),
            _ => unwritten(error),
        })?;
        File::open(directory).and_then(|directory| directory.sync_all()).map_err(unwritten)?;
        Ok((file, contents))
    }

    fn rename(&self, part: NamedTempFile, file: &Path) -> io::Result<()> {
        let named = if self.force { part.persist(file) } else { part.persist_noclobber(file) };
        named.map(drop).map_err(|error| error.error)
    }
}

fn taken(file: &Path) -> CliError {
    CliError::user("backup.exists", format!("{} is there already", file.display()))
        .hint("name another file, or a directory for a new name; --force overwrites it")
}

/// The stream broke off, or was not what it should be.
fn broken_off(error: ExportError) -> CliError {
    CliError::hardware("backup.broken", "the backup broke off; nothing was kept of it")
        .because(error)
        .hint("try again; the controller's log says more")
}

fn unreadable(error: ExportError) -> CliError {
    CliError::user("database.unreadable", "the database cannot be read").because(error)
}

/// A database that nobody else has open, as a stream.
struct Resting {
    // The exporter has a view of it.
    exporter: Exporter,
    _store: RedbStore,
    piece: io::Cursor<Vec<u8>>,
}

impl Read for Resting {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            let length = self.piece.read(out)?;
            if length > 0 || out.is_empty() {
                return Ok(length);
            }
            match self.exporter.next() {
                Some(piece) => self.piece = io::Cursor::new(piece.map_err(io::Error::other)?),
                None => return Ok(0),
            }
        }
    }
}

/// Standard output.
struct Output<'a>(&'a Context);

impl Write for Output<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.raw(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
