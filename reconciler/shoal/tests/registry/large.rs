// SPDX-License-Identifier: AGPL-3.0-or-later
//! A blob that is far larger than the memory that the registry may have. It is 2 GiB of zeros, because
//! hashing takes its time; `SHOAL_LARGE=10` makes it 10 GiB.

use std::io::{Read as _, Write as _};

use crate::server::{Server, sandbox};

/// The most memory that the process may ever have, in KiB. Both sizes stay below it: what it needs does not
/// grow with the blob.
const MEMORY: u64 = 64 << 10;

#[test]
fn a_blob_of_gigabytes_is_pushed_and_pulled_in_constant_memory() {
    let (length, digest): (u64, _) = match std::env::var("SHOAL_LARGE").as_deref() {
        Ok("10") => (10 << 30, "732377e7f4a2abdc13ddfa1eb4c9c497fd2a2b294674d056cf51581b47dd586d"),
        _ => (2 << 30, "a7c744c13cc101ed66c29f672f92455547889cc586ce6d44fe76ae824958ea51"),
    };
    let sandbox = sandbox("");
    let server = Server::start(&sandbox);
    let http = server.http();
    let mut hole = tempfile::tempfile().expect("a file");
    hole.set_len(length).expect("a sparse file");

    let location = http.begin_upload("os/large");
    let target = format!("{location}?digest=sha256:{digest}");
    let mut sending =
        http.begin("PUT", &target, &[("Content-Length", &length.to_string())]).expect("a connection");
    assert_eq!(std::io::copy(&mut hole, &mut sending.stream).expect("it reads"), length);
    sending.stream.flush().expect("it reads");
    sending.answer().expect("an answer").is(201);

    let path = format!("/v2/os/large/blobs/sha256:{digest}");
    let mut coming = http.begin("GET", &path, &[]).expect("a connection").coming().expect("a head");
    assert_eq!(coming.status, 200);
    let (mut buffer, zeros) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    let mut pulled = 0;
    loop {
        let count = coming.read(&mut buffer).expect("all of it");
        if count == 0 {
            break;
        }
        assert!(buffer[..count] == zeros[..count], "wrong bytes after {pulled}");
        pulled += count as u64;
    }
    assert_eq!(pulled, length);
    let peak = server.peak_kib();
    assert!(peak < MEMORY, "it had {peak} KiB");
}
