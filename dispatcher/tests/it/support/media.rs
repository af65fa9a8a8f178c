// SPDX-License-Identifier: AGPL-3.0-or-later
//! Task media as a controller would build them.

use serde_json::{Value, json};
use shoal_schema::wire::recipe::recipe_schema;
use shoal_taskiso::{DEFAULT_LIMIT, Iso, TaskFiles, TaskMedium, build};

/// The job of every test.
pub(crate) const JOB: &str = "0123456789abcdef0123456789abcdef";
/// The token of every test.
pub(crate) const TOKEN: &str = "canary-token-5d41402abc4b2a76";
/// The ledger of every test.
pub(crate) const LEDGER: &str = "fedcba9876543210fedcba9876543210";

/// A digest, by its last digit.
pub(crate) fn digest(last: char) -> String {
    format!("sha256:{}{last}", "0".repeat(63))
}

/// A task for the machine `SERIAL1`, without a disk of its own.
pub(crate) fn task(url: &str, pins: &[String]) -> Value {
    json!({
        "format": 1,
        "job_id": JOB,
        "attempt": 1,
        "epoch": 3,
        "ledger": LEDGER,
        "server": "web-01",
        "entry_digest": digest('1'),
        "identity": {"serial": "SERIAL1"},
        "require_blank": false,
        "callback": {"url": url, "pins": pins},
        "token": TOKEN,
        "on_failure": "off",
    })
}

/// A recipe that installs on the disk with serial `DISK1`.
pub(crate) fn recipe() -> Value {
    json!({
        "task_target": "install-linux.target",
        "target_disk": {"serial": "DISK1"},
        "oci_url": format!("registry.example/os/debian@{}", digest('2')),
        "partition_layout": [
            {"size": "16M", "type_guid": "ef00", "format": "vfat", "label": "esp"},
            {"size": "100%", "type_guid": "8300", "format": "ext4", "label": "root"},
        ],
    })
}

/// A permit that fits the task above.
pub(crate) fn granted(user_data: &str) -> Value {
    json!({
        "decision": "granted",
        "stamp": stamp(),
        "time": "2026-03-01T12:00:00Z",
        "user_data": user_data,
        "registry_token": "canary-registry-token",
        "network_config": {"version": 2},
    })
}

/// The stamp of the task above.
pub(crate) fn stamp() -> Value {
    json!({
        "job_id": JOB,
        "entry_digest": digest('1'),
        "desired_digest": digest('3'),
        "ledger": LEDGER,
        "record": 4,
        "server": "web-01",
        "granted_at": "2026-03-01T12:00:00Z",
    })
}

/// The files of a good medium.
pub(crate) fn files(task: &Value, recipe: &Value) -> Vec<(&'static str, String)> {
    vec![
        ("task.json", task.to_string()),
        ("recipe.json", recipe.to_string()),
        ("recipe.schema.json", recipe_schema().to_string()),
    ]
}

/// A medium with these files.
pub(crate) fn iso(files: &[(&str, String)]) -> Iso {
    let mut set = TaskFiles::new();
    for (name, content) in files {
        set.insert(name, content.clone()).expect("a legal name");
    }
    build(&TaskMedium {
        job_id: JOB.to_owned(),
        files: set,
        epoch: 1_700_000_000,
        pad: 0,
        limit: DEFAULT_LIMIT,
    })
    .expect("a small medium")
}
