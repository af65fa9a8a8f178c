// SPDX-License-Identifier: AGPL-3.0-or-later
//! The console of the maintenance OS: standard error, each line behind the prefix of its program.

use std::io::{self, Stderr, Write};

use tracing_subscriber::fmt::MakeWriter;

/// Lines with a prefix, as every program of the maintenance OS has one; the journal adds the time.
pub fn log_to_stderr(prefix: &'static str, level: tracing::Level) {
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_ansi(false)
        .without_time()
        .with_target(false)
        .with_writer(Prefix(prefix))
        .init();
}

#[derive(Clone, Copy)]
struct Prefix(&'static str);

/// Writes one event: the prefix, then whatever comes.
struct Prefixed {
    prefix: Option<&'static str>,
    to: Stderr,
}

impl<'a> MakeWriter<'a> for Prefix {
    type Writer = Prefixed;

    fn make_writer(&'a self) -> Prefixed {
        Prefixed { prefix: Some(self.0), to: io::stderr() }
    }
}

impl Write for Prefixed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(prefix) = self.prefix.take() {
            self.to.write_all(prefix.as_bytes())?;
        }
        self.to.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}
