// SPDX-License-Identifier: AGPL-3.0-or-later
//! `shoal backup`: from a controller that works, from a database at rest, and from whoever breaks off.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use shoal_store::export::{About, Importer, export};
use shoal_store::{Batch, MemoryStore, Opening, RedbStore, Store as _, Table, ledger};

use super::harness::Sandbox;
use super::repository::write_inventory;
use super::running::{Running, nobody_answers, write_iso};

/// A whole backup of a database with a job in it.
pub(crate) fn made(format: u64, fleet: &str) -> Vec<u8> {
    let store = MemoryStore::new();
    ledger::open_or_create(&store, [7; 16]).expect("a ledger");
    let mut batch = Batch::new();
    batch.put(Table::Observations, "web-01", vec![b' '; 100_000]);
    store.commit(batch).expect("it is kept");
    let snapshot = store.snapshot().expect("a view");
    let now = jiff::Timestamp::UNIX_EPOCH;
    let about = About::of(&*snapshot, format, now, "shoal 9.9.9", Some(fleet.to_owned())).expect("a ledger");
    let mut bytes = Vec::new();
    export(snapshot, about, &mut bytes).expect("it is written");
    bytes
}

/// Names below a directory of the sandbox.
pub(crate) fn names(sandbox: &Sandbox, dir: &str) -> Vec<String> {
    let entries = std::fs::read_dir(sandbox.path(dir)).expect("a directory");
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("text")).collect();
    names.sort();
    names
}

/// A controller that answers nothing but this, chunk by chunk, and then hangs up or stands still.
fn answers(sandbox: &Sandbox, body: Vec<u8>, then: Then) {
    let listener = UnixListener::bind(sandbox.path("s.sock")).expect("a socket");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(stream);
            let mut line = String::new();
            while reader.read_line(&mut line).unwrap_or(0) > 2 {
                line.clear();
            }
            let stream = reader.get_mut();
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
            for chunk in body.chunks(1000) {
                let _ = stream.write_all(format!("{:x}\r\n", chunk.len()).as_bytes());
                let _ = stream.write_all(chunk);
                let _ = stream.write_all(b"\r\n");
            }
            match then {
                Then::Ends => drop(stream.write_all(b"0\r\n\r\n")),
                Then::HangsUp => {}
                Then::StandsStill => std::thread::sleep(Duration::from_secs(600)),
            }
        }
    });
}

#[derive(Clone, Copy)]
enum Then {
    Ends,
    HangsUp,
    StandsStill,
}

/// Also where something fails before the end.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_controller_is_backed_up_while_it_works_and_every_backup_is_whole() {
    let sandbox = Sandbox::new();
    write_inventory(&sandbox, "fleet");
    nobody_answers(&sandbox);
    write_iso(&sandbox);
    let controller = Running::start(&sandbox, "fleet", &["--sweep-interval", "1s"]);
    controller.until("the inventory is in force", |controller| {
        controller.shoal(&["status"]).stdout.contains("web-01")
    });
    std::fs::create_dir(sandbox.path("vault")).expect("a directory");
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _over = Over(&over);
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                for switch in ["--all", "--off"] {
                    controller.shoal(&["pause", switch]).ends(0);
                }
            }
        });
        for number in 0..4 {
            let file = format!("vault/{number}.backup");
            let ran = controller.shoal(&["backup", &file]).ends(0);
            assert_eq!(ran.stdout, format!("{file}\n"));
            assert!(ran.stderr.contains("read back") && ran.stderr.contains("3 servers"), "{}", ran.stderr);
            controller.shoal(&["backup", "verify", &file]).ends(0).prints("fleet    fleet\n");
        }
    });
    // Nothing but backups, for their owner alone.
    assert_eq!(names(&sandbox, "vault"), ["0.backup", "1.backup", "2.backup", "3.backup"]);
    let mode = sandbox.path("vault/0.backup").metadata().expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    // Into a directory, under a name with fleet and date; over TLS; to standard output.
    let url = format!("https://{}", controller.addresses["apiTls"].as_str().expect("an address"));
    let pin = controller.addresses["pin"].as_str().expect("a pin");
    let ran = sandbox.run(&["backup", "vault", "--url", &url, "--pin", pin, "--json"]).ends(0).json();
    let file = ran["file"].as_str().expect("a path");
    assert!(file.starts_with("vault/shoal-fleet-2") && file.ends_with("Z.backup"), "{file}");
    assert_eq!((&ran["tables"]["records"], &ran["tables"]["meta"]), (&3.into(), &3.into()), "{ran}");
    let mut piped = sandbox.shoal(&["backup", "-", "--socket", "s.sock"]).command();
    let output = piped.output().expect("it runs");
    assert!(output.status.success());
    Importer::open(output.stdout.as_slice()).and_then(Importer::verify).expect("it is whole");

    // Who may only look may not have it.
    let log = sandbox.read("log");
    assert!(log.contains("a backup of the database was taken") && log.contains("\"by\":\"socket\""), "{log}");
    controller.shoal(&["backup", "vault/0.backup"]).ends(1).says("--force").prints_nothing();
    controller.shoal(&["backup", "vault/0.backup", "--force"]).ends(0);
    // The database is the controller's while it runs.
    let ran = sandbox.run(&["backup", "x", "--database", "state/db/shoal.redb"]).ends(5).prints_nothing();
    assert!(ran.stderr.contains("leave out --database"), "{}", ran.stderr);
    assert!(!sandbox.exists("x"));
    assert_eq!(controller.stop(), Some(0));

    // At rest.
    sandbox.run(&["backup", "--socket", "s.sock"]).ends(69).says("--config, --database");
    sandbox.write("shoal.env", "STORAGE_ROOT=state\n");
    sandbox.run(&["backup", "rest", "--config", "shoal.env"]).ends(0).prints("rest\n");
    sandbox.run(&["backup", "verify", "rest"]).ends(0).prints("database at rest").prints("records");
}

#[test]
fn a_backup_needs_the_right_to_act() {
    let sandbox = Sandbox::new();
    write_inventory(&sandbox, "fleet");
    nobody_answers(&sandbox);
    write_iso(&sandbox);
    let hash = |password: &str| bcrypt::hash(password, 4).expect("a hash");
    sandbox.write(
        "shoal.env",
        &format!(
            "BASIC_USER=ada\nBASIC_PASS_HASH='{}'\nREADER_USER=eve\nREADER_PASS_HASH='{}'\n",
            hash("c4n4ry"),
            hash("c4n4ry")
        ),
    );
    sandbox.mode("shoal.env", 0o640);
    let controller = Running::start(&sandbox, "fleet", &["--config", "shoal.env"]);
    let url = format!("http://{}", controller.addresses["api"].as_str().expect("an address"));
    let ask = |who: &str| sandbox.shoal(&["backup", "x", "--url", &url]).env("SHOAL_TOKEN", who).run();
    ask("eve:c4n4ry").ends(1).says("may only look").prints_nothing();
    ask("ada:wrong").ends(1).says("unauthorized").prints_nothing();
    assert!(!sandbox.exists("x"));
    ask("ada:c4n4ry").ends(0);
    let bytes = std::fs::read(sandbox.path("x")).expect("a file");
    assert!(!bytes.windows(6).any(|part| part == b"c4n4ry"));
    assert_eq!(controller.stop(), Some(0));
}

#[test]
fn what_breaks_off_leaves_nothing_and_is_said() {
    let whole = made(1, "fleet");
    let half = whole[..50_000].to_vec();
    let mut flipped = whole.clone();
    flipped[40_000] ^= 1;
    for (body, then, words) in [
        (half.clone(), Then::HangsUp, "cannot read the backup"),
        (half, Then::Ends, "it ends too early"),
        (flipped, Then::Ends, "its digest is not the one it states"),
        (b"<html>".to_vec(), Then::Ends, "no backup of Shoal's"),
        (Vec::new(), Then::Ends, "it is empty"),
    ] {
        let sandbox = Sandbox::new();
        answers(&sandbox, body, then);
        let ran = sandbox.run(&["backup", "vault.backup", "--socket", "s.sock"]).ends(69).prints_nothing();
        assert!(ran.stderr.contains(words) && ran.stderr.contains("nothing was kept"), "{}", ran.stderr);
        assert_eq!(names(&sandbox, ""), ["s.sock"]);
    }
    let sandbox = Sandbox::new();
    answers(&sandbox, whole, Then::Ends);
    sandbox.run(&["backup", "--socket", "s.sock"]).ends(0).prints("shoal-fleet-19700101T000000Z.backup\n");
}

#[test]
fn a_backup_that_is_interrupted_leaves_nothing() {
    for (signal, code) in [("-INT", 130), ("-TERM", 143)] {
        let sandbox = Sandbox::new();
        answers(&sandbox, made(1, "fleet")[..90_000].to_vec(), Then::StandsStill);
        let mut child = sandbox
            .shoal(&["backup", "vault.backup", "--socket", "s.sock"])
            .command()
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        let begin = Instant::now();
        while !names(&sandbox, "").iter().any(|name| name.starts_with(".shoal-")) {
            assert!(begin.elapsed() < Duration::from_secs(60), "nothing was begun");
            std::thread::sleep(Duration::from_millis(5));
        }
        let killed = Command::new("kill").args([signal, &child.id().to_string()]).status().expect("kill");
        assert!(killed.success());
        assert_eq!(child.wait().expect("it ends").code(), Some(code));
        assert_eq!(names(&sandbox, ""), ["s.sock"], "{signal}");
    }
}

#[test]
fn where_a_backup_cannot_be_written_nothing_is_left() {
    let sandbox = Sandbox::new();
    answers(&sandbox, made(1, "fleet"), Then::Ends);
    sandbox.write("there", "mine");
    for (file, words) in [
        ("there", "--force"),
        ("nowhere/x", "there is no directory nowhere"),
        ("s.sock", "no regular file"),
        ("there/x", "there is no directory there"),
    ] {
        let ran = sandbox.run(&["backup", file, "--socket", "s.sock"]).ends(1).prints_nothing();
        assert!(ran.stderr.contains(words), "{}", ran.stderr);
    }
    assert_eq!(sandbox.read("there"), "mine");
    assert_eq!(names(&sandbox, ""), ["s.sock", "there"]);
    sandbox.run(&["backup", "-", "--json", "--socket", "s.sock"]).ends(1).says("--json").prints_nothing();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("a full device");
    let child = sandbox.shoal(&["backup", "-", "--socket", "s.sock"]).command().stdout(full).spawn();
    let output = child.expect("it starts").wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("cannot write to standard output") && said.contains("No space left"), "{said}");
}

#[test]
fn a_disk_that_fills_up_is_named_and_nothing_is_left_on_it() {
    let sandbox = Sandbox::new();
    answers(&sandbox, made(1, "fleet"), Then::Ends);
    std::fs::create_dir(sandbox.path("vault")).expect("a directory");
    let command = sandbox.shoal(&["backup", "vault", "--socket", "s.sock"]).command();
    let inner = "mount -t tmpfs -o size=64k tmpfs vault && \"$0\" \"$@\"; code=$?; ls -A vault; exit $code";
    let mut wrapped = Command::new("unshare");
    wrapped.args(["--mount", "sh", "-c", inner]).arg(command.get_program()).args(command.get_args());
    wrapped.current_dir(sandbox.path("")).env_clear();
    wrapped.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = wrapped.output().expect("unshare runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if said.contains("unshare:") || said.contains("mount:") {
        writeln!(std::io::stderr(), "SKIPPED: no file system can be mounted here: {said}").expect("stderr");
        return;
    }
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("cannot write a backup in vault") && said.contains("make room"), "{said}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "something is left");
}

#[test]
fn a_file_that_is_no_whole_backup_is_named_for_what_it_is() {
    let sandbox = Sandbox::new();
    let whole = made(1, "fleet");
    let file = |name: &str, bytes: &[u8]| std::fs::write(sandbox.path(name), bytes).expect("a file");
    let mut flipped = whole.clone();
    flipped[70_000] ^= 0x10;
    file("whole", &whole);
    file("flipped", &flipped);
    file("cut", &whole[..whole.len() - 1]);
    file("longer", &[whole.as_slice(), b"\n"].concat());
    file("empty", b"");
    file("text", b"some text");
    file("newer-stream", b"shoal-export 2\nwhatever");
    file("newer", &made(7, "fleet"));
    std::fs::create_dir(sandbox.path("dir")).expect("a directory");
    sandbox.run(&["backup", "verify", "whole"]).ends(0).prints("by shoal 9.9.9").prints("07070707");
    for command in [["backup", "verify"].as_slice(), &["restore", "--database", "db.redb"]] {
        for (name, words) in [
            ("flipped", "its digest is not the one it states"),
            ("cut", "it ends too early"),
            ("longer", "something follows its end"),
            ("empty", "it is empty"),
            ("text", "it is no backup of Shoal's"),
            ("newer-stream", "newer Shoal"),
            ("dir", "is a directory"),
            ("nowhere", "cannot read nowhere"),
        ] {
            let ran = sandbox.run(&[command, &[name]].concat()).ends(1).prints_nothing();
            assert!(ran.stderr.contains(words) && ran.stderr.contains(name), "{command:?}: {}", ran.stderr);
        }
        let ran = sandbox.run(&[command, &["newer"]].concat()).ends(1);
        assert!(ran.stderr.contains("format 7") && ran.stderr.contains("9.9.9"), "{}", ran.stderr);
    }
    assert!(!sandbox.exists("db.redb"));
    let piped = String::from_utf8(whole[..120].to_vec()).expect("text");
    sandbox.shoal(&["backup", "verify", "-"]).stdin(&piped).run().ends(1).says("standard input");
}

#[test]
fn a_large_database_is_backed_up_in_little_memory() {
    let sandbox = Sandbox::new();
    {
        let now = jiff::Timestamp::UNIX_EPOCH;
        let store =
            RedbStore::open(&sandbox.path("large.redb"), &Opening::new("test", now)).expect("a database");
        ledger::open_or_create(&store, [7; 16]).expect("a ledger");
        for part in 0..16_u32 {
            let mut batch = Batch::new();
            for n in 0..100_u32 {
                batch.put(Table::JobEvents, (part * 100 + n).to_be_bytes(), vec![part as u8; 128 << 10]);
            }
            store.commit(batch).expect("it is kept");
        }
    }
    // 205 MB of values; the page cache of the database alone may have 64 MiB.
    let command = sandbox.shoal(&["backup", "large.backup", "--database", "large.redb"]).command();
    let mut child = { command }.stdout(Stdio::null()).spawn().expect("it starts");
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0_u64;
    while child.try_wait().expect("a process").is_none() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).map(str::trim);
        let kib = line.and_then(|line| line.split(' ').next()).and_then(|kib| kib.parse().ok());
        peak = peak.max(kib.unwrap_or(0));
        std::thread::sleep(Duration::from_millis(2));
    }
    assert!(child.wait().expect("it ends").success());
    assert!(sandbox.path("large.backup").metadata().expect("a file").len() > 200 << 20);
    assert!(peak > 0 && peak < 150 << 10, "{peak} KiB");
}
