// SPDX-License-Identifier: AGPL-3.0-or-later
//! Commits that no work tree could hold, through `git fast-import`.

use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use shoal_git::CommitId;

use crate::common::{checked, git, git_command, id};

/// Writes a commit of the given stream of file commands (`M 100644 inline PATH` and so on) to a
/// branch. The stream may define marks before the commit with `blobs`.
pub(crate) fn import(repository: &Path, branch: &str, blobs: &[u8], commands: &[u8]) -> CommitId {
    let mut child = git_command(repository)
        .args(["fast-import", "--quiet", "--force"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("git runs");
    let mut stdin = child.stdin.take().expect("piped");
    let parent = git_command(repository)
        .args(["rev-parse", "--verify", "--quiet", branch])
        .output()
        .expect("git runs");
    let from = if parent.status.success() { format!("from refs/heads/{branch}^0\n") } else { String::new() };
    let header = format!(
        "commit refs/heads/{branch}\ncommitter Ada <ada@example.org> 1700000000 +0100\n\
         data 6\nimport\n{from}"
    );
    for part in [blobs, header.as_bytes(), commands, b"\ndone\n"] {
        stdin.write_all(part).expect("taken");
    }
    drop(stdin);
    let output = child.wait_with_output().expect("git ends");
    checked(&["fast-import"], &output);
    id(&git(repository, &["rev-parse", branch]))
}

/// A blob with mark `mark`.
pub(crate) fn blob(mark: usize, content: &str) -> String {
    format!("blob\nmark :{mark}\ndata {}\n{content}\n", content.len())
}

/// A fleet of `count` servers in racks of a hundred, each about a kilobyte, all different.
pub(crate) fn fleet(repository: &Path, branch: &str, count: usize) -> CommitId {
    let mut blobs = String::new();
    let mut commands = String::new();
    for n in 1..=count {
        blobs.push_str(&blob(n, &server(n, 0)));
        commands.push_str(&format!("M 100644 :{n} {}\n", server_path(n)));
    }
    import(repository, branch, blobs.as_bytes(), commands.as_bytes())
}

/// Where a server of [`fleet`] stands.
pub(crate) fn server_path(n: usize) -> String {
    format!("servers/rack-{:04}/server-{n:06}.yaml", n / 100)
}

/// A document of about a kilobyte.
pub(crate) fn server(n: usize, revision: usize) -> String {
    let mut text = format!(
        "apiVersion: shoal.dev/v1\nkind: Server\nmetadata:\n  name: server-{n:06}\n\
         spec:\n  serial: S{:08x}\n  revision: {revision}\n  labels:\n",
        n.wrapping_mul(2_654_435_761)
    );
    for label in 0..24 {
        text.push_str(&format!(
            "    label-{label}: value-{:08x}\n",
            (n * 31 + label).wrapping_mul(0x9e37_79b9)
        ));
    }
    text
}
