// SPDX-License-Identifier: AGPL-3.0-or-later
//! Clients that come at the same time, and clients that send slowly, too much, too little, or something else
//! than they said.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::sync::Barrier;

use crate::content::{blob_path, bytes, digest, manifest, manifest_path};
use crate::server::{Server, sandbox, until};

#[test]
fn clients_that_push_the_same_blob_at_once_all_succeed_and_it_is_kept_once() {
    let sandbox = sandbox("");
    let server = Server::start(&sandbox);
    let (http, content) = (server.http(), bytes(41, 6 << 20));
    let together = Barrier::new(4);
    std::thread::scope(|scope| {
        for repository in ["os/a", "os/a", "os/b", "os/b"] {
            let (http, content, together) = (&http, &content, &together);
            scope.spawn(move || {
                let location = http.begin_upload(repository);
                http.send("PATCH", &location, &[], content).is(202);
                together.wait();
                let target = format!("{location}?digest={}", digest(content));
                http.send("PUT", &target, &[], b"").is(201);
                http.has_blob(repository, content);
            });
        }
    });
    let usage = http.get("/api/v1/registry/usage").is(200).json();
    assert_eq!(
        (&usage["blobs"], &usage["bytes"], &usage["uploads"]),
        (&1.into(), &content.len().into(), &0.into())
    );
    server.kill();
    let _ = sandbox.run(&["image", "scrub", "--storage", "images"]).ends(0);
}

#[test]
fn a_tag_that_many_push_at_once_is_one_of_theirs_and_whole() {
    let sandbox = sandbox("");
    let server = Server::start(&sandbox);
    let (http, layer) = (server.http(), bytes(42, 1000));
    http.push_image("os/a", "seed", &layer);
    let manifests: Vec<_> = (0..8).map(|number| manifest(&layer, &format!("client {number}"))).collect();
    let together = Barrier::new(manifests.len());
    std::thread::scope(|scope| {
        for content in &manifests {
            let (http, together) = (&http, &together);
            scope.spawn(move || {
                together.wait();
                http.push_manifest("os/a", "latest", content).is(201);
            });
        }
    });
    let latest = http.get(&manifest_path("os/a", "latest")).is(200);
    assert!(manifests.contains(&latest.body), "{}", latest.text());
    assert_eq!(latest.the("docker-content-digest"), digest(&latest.body).to_string());
    for content in &manifests {
        http.has_manifest("os/a", &digest(content).to_string(), content);
    }
    assert_eq!(http.tags("os/a"), ["latest", "seed"]);
}

#[test]
fn sixty_four_clients_pull_one_blob_at_once_and_all_get_its_bytes() {
    let sandbox = sandbox("");
    let server = Server::start(&sandbox);
    let (http, content) = (server.http(), bytes(43, 64 << 20));
    http.push_blob("os/a", &content).is(201);
    let path = blob_path("os/a", &digest(&content));
    std::thread::scope(|scope| {
        for _ in 0..64 {
            let (http, content, path) = (&http, &content, &path);
            scope.spawn(move || {
                let mut coming =
                    http.begin("GET", path, &[]).expect("a connection").coming().expect("a head");
                assert_eq!(coming.status, 200);
                let (mut at, mut buffer) = (0, vec![0; 256 << 10]);
                loop {
                    let count = coming.read(&mut buffer).expect("all of it");
                    if count == 0 {
                        break;
                    }
                    // The same bytes have the same digest, and are sooner compared than hashed.
                    assert!(buffer[..count] == content[at..at + count], "wrong bytes after {at}");
                    at += count;
                }
                assert_eq!(at, content.len());
            });
        }
    });
}

#[test]
fn clients_that_stall_hold_nobody_up_and_can_go_on() {
    let sandbox = sandbox("");
    let server = Server::start(&sandbox);
    let (http, content) = (server.http(), bytes(44, 5000));
    // One less than upload at the same time.
    let mut stalled = Vec::new();
    for _ in 0..7 {
        let location = http.begin_upload("os/slow");
        let headers = [("Content-Length", "5000")];
        let mut sending = http.begin("PATCH", &location, &headers).expect("a connection");
        sending.stream.set_nodelay(true).expect("a socket");
        for byte in &content[..20] {
            sending.stream.write_all(&[*byte]).expect("it reads");
        }
        stalled.push((location, sending));
    }
    // And some who do not even say what they want.
    let half: Vec<_> = (0..20)
        .map(|_| {
            let mut stream = std::net::TcpStream::connect(server.address).expect("a connection");
            stream.write_all(b"GET /v2/ HT").expect("it reads");
            stream
        })
        .collect();
    for number in 0..3 {
        let layer = bytes(45 + number, 100_000);
        http.push_image("os/quick", &format!("v{number}"), &layer);
        http.has_blob("os/quick", &layer);
    }
    drop(half);
    // Two hang up: what they sent is there, and goes on. The others send the rest.
    let rest = stalled.split_off(2);
    for (location, sending) in stalled {
        drop(sending);
        until("the registry sees that nobody is there", || {
            let answer = http.send("PATCH", &location, &[("Content-Range", "20-4999")], &content[20..]);
            answer.status == 202
        });
        http.resume(&location, &content).is(201);
    }
    for (location, mut sending) in rest {
        sending.stream.write_all(&content[20..]).expect("it reads");
        assert_eq!(sending.answer().expect("an answer").is(202).the("range"), "0-4999");
        http.resume(&location, &content).is(201);
    }
    http.has_blob("os/slow", &content);
}

#[test]
fn more_and_less_than_was_said_is_refused_and_the_upload_goes_on() {
    let sandbox = sandbox("");
    let server = Server::start(&sandbox);
    let (http, content) = (server.http(), bytes(46, 300_000));

    // A range that is not the body's length: nothing is taken.
    let location = http.begin_upload("os/a");
    let answer = http.send("PATCH", &location, &[("Content-Range", "0-9")], &content[..20]).is(400);
    assert_eq!(answer.code(), "SIZE_INVALID");
    assert_eq!(http.received(&location), Some(0));

    // A body that says no length, and is longer or shorter than its range: what fits is kept.
    for (range, sent, kept) in [("0-99999", 150_000, 100_000), ("100000-299999", 100_000, 200_000)] {
        let headers = [("Content-Range", range), ("Transfer-Encoding", "chunked")];
        let mut sending = http.begin("PATCH", &location, &headers).expect("a connection");
        let from =
            range.split_once('-').and_then(|(first, _)| first.parse::<usize>().ok()).expect("a number");
        let part = &content[from..from + sent];
        write!(sending.stream, "{sent:x}\r\n").expect("it reads");
        sending.stream.write_all(part).expect("it reads");
        sending.stream.write_all(b"\r\n0\r\n\r\n").expect("it reads");
        assert_eq!(sending.answer().expect("an answer").is(400).code(), "SIZE_INVALID");
        assert_eq!(http.received(&location), Some(kept));
    }

    // A body that ends before its length.
    let mut sending = http.begin("PATCH", &location, &[("Content-Length", "100000")]).expect("a connection");
    sending.stream.write_all(&content[200_000..250_000]).expect("it reads");
    sending.stream.shutdown(Shutdown::Write).expect("a socket");
    if let Ok(answer) = sending.answer() {
        assert!(answer.status >= 400, "{}", answer.status);
    }
    let mut received = 0;
    until("the registry sees that nothing comes", || {
        received = http.received(&location).expect("the upload");
        let range = format!("{received}-{}", content.len() - 1);
        let from = usize::try_from(received).expect("a length");
        http.send("PATCH", &location, &[("Content-Range", &range)], &content[from..]).status == 202
    });
    assert!((200_000..=250_000).contains(&received), "{received}");
    http.resume(&location, &content).is(201);
    http.has_blob("os/a", &content);

    // A manifest that ends before its length is no manifest.
    let headers = [("Content-Type", shoal_oci::media_type::IMAGE_MANIFEST), ("Content-Length", "5000")];
    let mut sending = http.begin("PUT", &manifest_path("os/a", "cut"), &headers).expect("a connection");
    sending.stream.write_all(&manifest(&content, "cut")).expect("it reads");
    sending.stream.shutdown(Shutdown::Write).expect("a socket");
    if let Ok(answer) = sending.answer() {
        assert!(answer.status >= 400, "{}", answer.status);
    }
    assert_eq!(http.tags("os/a"), Vec::<String>::new());
}

#[test]
fn content_with_another_digest_than_was_said_is_refused_and_gone() {
    let sandbox = sandbox("");
    let server = Server::start(&sandbox);
    let (http, content) = (server.http(), bytes(47, 400_000));
    let wrong = digest(b"something else");
    let location = http.begin_upload("os/a");
    http.send("PATCH", &location, &[], &content).is(202);
    let answer = http.send("PUT", &format!("{location}?digest={wrong}"), &[], b"").is(400);
    assert_eq!(answer.code(), "DIGEST_INVALID");
    assert_eq!(http.received(&location), None, "an upload with a wrong digest is gone");
    let once = format!("/v2/os/a/blobs/uploads/?digest={wrong}");
    assert_eq!(http.send("POST", &once, &[], &content).is(400).code(), "DIGEST_INVALID");
    let headers = [("Content-Type", shoal_oci::media_type::IMAGE_MANIFEST)];
    http.push_blob("os/a", &content).is(201);
    http.push_blob("os/a", b"{}").is(201);
    let named = manifest_path("os/a", &wrong.to_string());
    assert_eq!(http.send("PUT", &named, &headers, &manifest(&content, "x")).is(400).code(), "DIGEST_INVALID");
    assert_eq!(http.head(&blob_path("os/a", &wrong)).status, 404);
    assert_eq!(http.head(&named).status, 404);
}
