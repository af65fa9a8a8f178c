// SPDX-License-Identifier: AGPL-3.0-or-later
//! systemd and udev, through their own tools.

use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use crate::why::{END_PROPERTIES, UnitEnd};

/// Longest wait for systemd to take an order, or for the journal to be read.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Lines of a unit's log that are looked at.
const LINES: &str = "200";

/// The targets in a list: one a line, `#` begins a comment.
pub(super) fn targets(list: &Path) -> io::Result<Vec<String>> {
    let text = std::fs::read_to_string(list)?;
    let names = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    Ok(names.filter(|name| !name.is_empty()).map(str::to_owned).collect())
}

/// Queues a target. It is not waited for: the target may be ordered behind this very service.
pub(super) async fn start(systemctl: &Path, target: &str) -> io::Result<()> {
    run(Command::new(systemctl).args(["start", "--no-block", "--", target])).await.map(|_| ())
}

/// The end of a unit's log in this boot.
pub(super) async fn log_of(journalctl: &Path, unit: &str) -> io::Result<String> {
    let unit = format!("--unit={unit}");
    let mut command = Command::new(journalctl);
    command.args(["--boot", "--no-pager", "--output=cat", "--lines", LINES, &unit]);
    run(&mut command).await
}

/// How a unit ended.
pub(super) async fn end_of(systemctl: &Path, unit: &str) -> io::Result<UnitEnd> {
    let properties = format!("--property={}", END_PROPERTIES.join(","));
    let said = run(Command::new(systemctl).args(["show", &properties, "--", unit])).await?;
    Ok(UnitEnd::parse(&said))
}

/// Waits, at most as long as [`TIMEOUT`], until udev has named every device that is known to the kernel. Where it
/// cannot be waited for, what is there counts.
pub(super) async fn settle(udevadm: &Path) {
    let _ = run(Command::new(udevadm).arg("settle")).await;
}

async fn run(command: &mut Command) -> io::Result<String> {
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let output = tokio::time::timeout(TIMEOUT, output)
        .await
        .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "no answer within 30 s"))??;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("{}: {}", output.status, said.trim())))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_list_of_targets_may_have_comments() {
        let root = tempfile::tempdir().expect("a directory");
        let list = root.path().join("targets");
        std::fs::write(&list, "# shipped\ninstall-linux.target\n\n  install-windows.target # wim\n")
            .expect("written");
        assert_eq!(targets(&list).expect("read"), ["install-linux.target", "install-windows.target"]);
    }

    /// A program of that text, in a directory of its own.
    fn program(text: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        let root = tempfile::tempdir().expect("a directory");
        let program = root.path().join("systemctl");
        std::fs::write(&program, text).expect("written");
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("executable");
        (root, program)
    }

    #[tokio::test]
    async fn how_a_unit_ended_is_asked_and_understood() {
        let wanted =
            "show --property=Result,ExecMainCode,ExecMainStatus,TimeoutStartUSec -- partition.service";
        let (_root, program) = program(&format!(
            "#!/bin/sh\n[ \"$*\" = '{wanted}' ] || exit 1\n\
             printf 'TimeoutStartUSec=45min\\nResult=timeout\\nExecMainCode=2\\nExecMainStatus=15\\n'\n"
        ));
        let end = end_of(&program, "partition.service").await.expect("it says");
        assert_eq!(end.why("partition.service").message, "partition.service timed out after 45min");
    }

    #[tokio::test]
    async fn udev_is_waited_for_and_where_it_cannot_be_nothing_stops() {
        let (root, program) =
            program("#!/bin/sh\n[ \"$*\" = settle ] && sleep 0.2 && touch \"${0%/*}/settled\"\n");
        settle(&program).await;
        assert!(root.path().join("settled").exists());
        settle(&root.path().join("no-such-program")).await;
    }

    #[tokio::test]
    async fn what_systemd_says_is_in_the_error() {
        let (_root, program) = program("#!/bin/sh\necho \"Unit $4 not found.\" >&2\nexit 5\n");
        let error = start(&program, "install-linux.target").await.expect_err("refused");
        assert!(error.to_string().contains("Unit install-linux.target not found."), "{error}");
    }
}
