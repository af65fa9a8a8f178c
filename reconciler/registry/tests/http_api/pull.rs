// SPDX-License-Identifier: AGPL-3.0-or-later
//! Pulling blobs (distribution-spec, Pulling blobs; RFC 9110 §13, §14).

use std::os::unix::fs::FileExt as _;

use reqwest::Method;

use crate::support::{Server, header, noise, refusal, sha256};

/// Content has a checksum for every piece of so many bytes.
const PIECE: usize = shoal_registry_storage::PIECE;

#[tokio::test]
async fn a_blob_comes_with_its_digest_length_and_tag() {
    let server = Server::start().await;
    let bytes = noise(2 * PIECE + 77);
    let digest = server.push_blob("a/b", &bytes).await;
    let path = format!("/v2/a/b/blobs/{digest}");
    for method in [Method::GET, Method::HEAD] {
        let response = server.request(method.clone(), &path).send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(header(&response, "content-length"), bytes.len().to_string());
        assert_eq!(header(&response, "content-type"), "application/octet-stream");
        assert_eq!(header(&response, "docker-content-digest"), digest.as_str());
        assert_eq!(header(&response, "etag"), format!("\"{digest}\""));
        assert_eq!(header(&response, "accept-ranges"), "bytes");
        assert_eq!(header(&response, "x-content-type-options"), "nosniff");
        let body = response.bytes().await.unwrap();
        let expected: &[u8] = if method == Method::GET { &bytes } else { &[] };
        assert!(body == expected, "{method}");
    }
}

#[tokio::test]
async fn any_range_comes_alone_with_its_bytes() {
    let server = Server::start().await;
    let bytes = noise(3 * PIECE + 5);
    let len = bytes.len();
    let digest = server.push_blob("a", &bytes).await;
    let path = format!("/v2/a/blobs/{digest}");
    for (range, first, last) in [
        ("bytes=0-0".to_owned(), 0, 0),
        ("bytes=500-1499".to_owned(), 500, 1499),
        (format!("bytes={}-{}", PIECE - 1, PIECE), PIECE - 1, PIECE),
        (format!("bytes={}-", 2 * PIECE + 1), 2 * PIECE + 1, len - 1),
        ("bytes=-7".to_owned(), len - 7, len - 1),
        (format!("bytes={}-{}", len - 1, 2 * len), len - 1, len - 1),
        ("bytes=0-".to_owned(), 0, len - 1),
    ] {
        let response = server.request(Method::GET, &path).header("range", &range).send().await.unwrap();
        assert_eq!(response.status(), 206, "{range}");
        assert_eq!(header(&response, "content-range"), format!("bytes {first}-{last}/{len}"));
        assert_eq!(header(&response, "content-length"), (last - first + 1).to_string());
        assert!(response.bytes().await.unwrap() == bytes[first..=last], "{range}");
        // A range is for GET alone (RFC 9110 §14.2).
        let head = server.request(Method::HEAD, &path).header("range", &range).send().await.unwrap();
        assert_eq!((head.status().as_u16(), header(&head, "content-length")), (200, len.to_string()));
    }
}

#[tokio::test]
async fn a_range_outside_or_backwards_is_refused_with_the_length() {
    let server = Server::start().await;
    let digest = server.push_blob("a", &noise(100)).await;
    let path = format!("/v2/a/blobs/{digest}");
    for range in ["bytes=100-", "bytes=100-200", "bytes=-0", "bytes=50-0"] {
        let response = server.request(Method::GET, &path).header("range", range).send().await.unwrap();
        assert_eq!(header(&response, "content-range"), "bytes */100", "{range}");
        assert_eq!(refusal(response).await.0, 416, "{range}");
    }
    for range in ["bytes=0-1,3-4", "lines=1-2", "bytes=a-b"] {
        let response = server.request(Method::GET, &path).header("range", range).send().await.unwrap();
        assert_eq!(response.status(), 200, "{range}");
        assert_eq!(response.bytes().await.unwrap(), noise(100));
    }
}

#[tokio::test]
async fn what_a_client_has_is_not_sent_again() {
    let server = Server::start().await;
    let digest = server.push_blob("a", b"content").await;
    let path = format!("/v2/a/blobs/{digest}");
    let tag = format!("\"{digest}\"");
    let known = server.request(Method::GET, &path).header("if-none-match", &tag).send().await.unwrap();
    assert_eq!((known.status().as_u16(), header(&known, "etag")), (304, tag.clone()));
    assert_eq!(known.bytes().await.unwrap(), "");
    let other = server.request(Method::GET, &path).header("if-none-match", "\"x\"").send().await.unwrap();
    assert_eq!(other.status(), 200);
    for (if_range, status) in [(tag.as_str(), 206), ("\"x\"", 200)] {
        let request = server.request(Method::GET, &path).header("range", "bytes=0-2");
        assert_eq!(request.header("if-range", if_range).send().await.unwrap().status(), status);
    }
}

#[tokio::test]
async fn a_blob_that_is_not_there_or_elsewhere_is_unknown() {
    let server = Server::start().await;
    let digest = server.push_blob("a", b"content").await;
    let missing = sha256(b"missing");
    for path in [
        format!("/v2/a/blobs/{missing}"),
        format!("/v2/b/blobs/{digest}"),
        "/v2/a/blobs/sha256:abc".to_owned(),
        "/v2/a/blobs/md5:d41d8cd98f00b204e9800998ecf8427e".to_owned(),
        "/v2/a/blobs/..%2e".to_owned(),
    ] {
        assert_eq!(refusal(server.get(&path).await).await, (404, "BLOB_UNKNOWN".to_owned()), "{path}");
        assert_eq!(server.head(&path).await.status(), 404, "{path}");
        assert_eq!(refusal(server.delete(&path).await).await, (404, "BLOB_UNKNOWN".to_owned()), "{path}");
    }
}

#[tokio::test]
async fn a_deleted_blob_is_gone_from_its_repository_alone() {
    let server = Server::start().await;
    let digest = server.push_blob("a", b"content").await;
    server.push_blob("b", b"content").await;
    assert_eq!(server.delete(&format!("/v2/a/blobs/{digest}")).await.status(), 202);
    assert_eq!(server.get(&format!("/v2/a/blobs/{digest}")).await.status(), 404);
    assert_eq!(server.get(&format!("/v2/b/blobs/{digest}")).await.status(), 200);
}

#[tokio::test]
async fn content_that_is_damaged_at_its_beginning_is_an_error_and_gone_until_it_is_pushed_again() {
    let server = Server::start().await;
    for bytes in [noise(1000), noise(3 * PIECE)] {
        let digest = server.push_blob("a", &bytes).await;
        let path = format!("/v2/a/blobs/{digest}");
        server.damage(&digest, 10);
        assert_eq!(refusal(server.get(&path).await).await, (500, "BLOB_UNKNOWN".to_owned()));
        assert_eq!(refusal(server.get(&path).await).await, (404, "BLOB_UNKNOWN".to_owned()));
        server.push_blob("a", &bytes).await;
        assert!(server.get(&path).await.bytes().await.unwrap() == bytes);
    }
}

#[tokio::test]
async fn content_that_is_damaged_later_on_ends_the_answer_before_its_length_and_no_wrong_byte_is_sent() {
    let server = Server::start().await;
    let bytes = noise(8 * PIECE);
    let digest = server.push_blob("a", &bytes).await;
    server.damage(&digest, 5 * PIECE + 10);
    let mut raw = server.raw().await;
    raw.send(&format!("GET /v2/a/blobs/{digest} HTTP/1.1\r\nhost: x\r\n\r\n")).await;
    let head = raw.head().await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let body = raw.rest().await;
    assert!(body.len() <= 5 * PIECE, "{} bytes", body.len());
    assert!(bytes.starts_with(&body));
    let corrupt = server.metrics.gather().into_iter().find(|f| f.name().ends_with("corrupt_blobs_total"));
    assert!((corrupt.unwrap().get_metric()[0].get_counter().get_value() - 1.0).abs() < f64::EPSILON);
    assert_eq!(server.get(&format!("/v2/a/blobs/{digest}")).await.status(), 404);
}

#[tokio::test]
async fn content_whose_file_is_cut_or_written_to_during_a_pull_ends_the_answer_and_no_wrong_byte_is_sent() {
    /// More than sockets take by themselves.
    const PIECES: usize = 128;
    for cut in [true, false] {
        let server = Server::start().await;
        let bytes = noise(PIECES * PIECE);
        let digest = server.push_blob("a", &bytes).await;
        let mut raw = server.raw().await;
        raw.send(&format!("GET /v2/a/blobs/{digest} HTTP/1.1\r\nhost: x\r\n\r\n")).await;
        let head = raw.head().await;
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        let file = std::fs::File::options().write(true).open(server.blob_file(&digest)).unwrap();
        if cut {
            file.set_len(((PIECES - 1) * PIECE + 10) as u64).unwrap();
        } else {
            let last = bytes.len() - 1;
            file.write_all_at(&[bytes[last] ^ 1], last as u64).unwrap();
        }
        let body = raw.rest().await;
        assert!(body.len() <= (PIECES - 1) * PIECE, "{} bytes", body.len());
        assert!(bytes.starts_with(&body));
        assert_eq!(server.get(&format!("/v2/a/blobs/{digest}")).await.status(), 404, "it is put away");
    }
}

#[tokio::test]
async fn requests_that_come_at_once_on_one_connection_are_answered_in_turn() {
    let server = Server::start().await;
    let blobs = [noise(3 * PIECE + 7), noise(100), noise(PIECE)];
    let mut requests = String::new();
    let mut expected = Vec::new();
    for (n, bytes) in blobs.iter().cycle().take(12).enumerate() {
        let digest = server.push_blob("a", bytes).await;
        let close = if n == 11 { "connection: close\r\n" } else { "" };
        requests +=
            &format!("GET /v2/a/blobs/{digest} HTTP/1.1\r\nhost: x\r\nrange: bytes={n}-\r\n{close}\r\n");
        expected.push(&bytes[n..]);
    }
    let mut raw = server.raw().await;
    raw.send(&requests).await;
    let answers = raw.rest().await;
    let mut rest = &answers[..];
    for body in expected {
        let end = rest.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
        assert!(rest.starts_with(b"HTTP/1.1 206 "));
        assert!(rest[end..].starts_with(body), "{} bytes", body.len());
        rest = &rest[end + body.len()..];
    }
    assert!(rest.is_empty());
}

#[tokio::test]
async fn sixty_four_clients_pull_the_same_blob_at_once() {
    let server = Server::start().await;
    let bytes = noise(2 * PIECE + 1);
    let digest = server.push_blob("a", &bytes).await;
    let path = format!("/v2/a/blobs/{digest}");
    let pulls = (0..64).map(|_| async { server.get(&path).await.bytes().await.unwrap() });
    let pulled = futures_util::future::join_all(pulls).await;
    assert!(pulled.iter().all(|body| *body == bytes));
}
