// SPDX-License-Identifier: AGPL-3.0-or-later
//! Registries behind TLS: who is believed, and that nobody leads us out of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use shoal_oci::Reference;
use shoal_registry_client::{BlobSource, Client, ClientError, ClientOptions, Credentials, Retries, silent};
use shoal_tls::{OwnCertificate, Pin, Trust};
use tokio::net::{TcpListener, TcpStream};

use crate::fake::{Door, Fake, What};
use crate::world::{bytes, client, options, password, repository, sha256};

struct Site {
    _dir: tempfile::TempDir,
    fake: Fake,
    pin: Pin,
}

impl Site {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let own = OwnCertificate::kept(dir.path()).unwrap();
        Self { fake: Fake::start_tls(&own).await, pin: own.pin(), _dir: dir }
    }

    fn client(&self, pin: Pin, credentials: Option<Credentials>) -> Client {
        let trust = Trust::Pins(vec![pin]);
        Client::new(&self.fake.host(), ClientOptions { trust, credentials, ..options() }).unwrap()
    }
}

#[tokio::test]
async fn a_registry_with_the_pinned_key_is_believed_and_gets_the_login() {
    let site = Site::new().await;
    site.fake.world().door = Door::Basic;
    let client = site.client(site.pin, Some(password("user", "secret")));
    let source = BlobSource::bytes(bytes(3500));
    client.push_blob(&repository("a"), &sha256(&bytes(3500)), &source, None, &silent()).await.unwrap();
    assert_eq!(site.fake.world().blobs.len(), 1);
}

#[tokio::test]
async fn a_registry_with_another_key_is_not_believed_and_gets_nothing() {
    let (site, other) = (Site::new().await, Site::new().await);
    let error = site.client(other.pin, Some(password("user", "secret"))).ping().await.unwrap_err();
    assert!(matches!(error, ClientError::Untrusted { .. }), "{error}");
    assert!(error.hint().unwrap().contains("pin"));
    assert!(site.fake.lines().is_empty(), "it is not tried again, either");
}

#[tokio::test]
async fn a_registry_that_does_not_run_yet_is_waited_for_as_often_as_one_is_told() {
    /// Connections that are closed at once, as a relay does whose registry is being started again.
    const TOO_EARLY: u32 = 4;
    let site = Site::new().await;
    let door = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, behind) = (door.local_addr().unwrap(), site.fake.address);
    let came = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&came);
    tokio::spawn(async move {
        while let Ok((mut from, _)) = door.accept().await {
            if counted.fetch_add(1, Ordering::Relaxed) >= TOO_EARLY {
                let mut to = TcpStream::connect(behind).await.unwrap();
                tokio::spawn(async move { tokio::io::copy_bidirectional(&mut from, &mut to).await });
            }
        }
    });
    let ping = async |unanswered| {
        let trust = Trust::Pins(vec![site.pin]);
        let retries = Retries { attempts: 9, unanswered, ..options().retries };
        Client::new(&address.to_string(), ClientOptions { trust, retries, ..options() }).unwrap().ping().await
    };
    let error = ping(1).await.unwrap_err();
    assert!(matches!(error, ClientError::Broken { .. }), "{error}");
    assert_eq!(came.swap(0, Ordering::Relaxed), 2, "a wrong address is told soon");
    ping(9).await.unwrap();
    assert_eq!(came.load(Ordering::Relaxed), TOO_EARLY + 1);
}

#[tokio::test]
async fn a_redirect_or_an_upload_location_without_tls_is_refused() {
    let (site, plain) = (Site::new().await, Fake::start().await);
    let digest = plain.add_blob("a", &bytes(700));
    let target: &'static str = format!("http://{}/v2/a/blobs/{digest}", plain.host()).leak();
    let client = site.client(site.pin, None);
    for method in ["HEAD", "GET"] {
        site.fake.fault(method, "/blobs/", What::Status(307, vec![("location", target)], ""));
    }
    let error = client.blob_size(&repository("a"), &digest).await.unwrap_err();
    assert!(matches!(error, ClientError::Downgrade { .. }), "{error}");
    site.fake.fault("POST", "/uploads/", What::Header("location", target));
    let source = BlobSource::bytes(bytes(700));
    let pushed = client.push_blob(&repository("a"), &digest, &source, None, &silent()).await;
    let error = pushed.unwrap_err();
    assert!(error.hint().unwrap().contains("X-Forwarded-Proto"), "{error}");
    assert!(plain.lines().is_empty());
}

#[tokio::test]
async fn speaking_tls_to_a_registry_without_it_is_an_error_and_not_a_fall_back() {
    let fake = Fake::start().await;
    let options = ClientOptions { plain_http: Some(false), ..options() };
    let error = Client::new(&fake.host(), options).unwrap().ping().await.unwrap_err();
    assert!(matches!(error, ClientError::Broken { .. }), "{error}");
    assert!(error.hint().unwrap().contains("plain HTTP"));
    assert!(fake.lines().is_empty());
}

#[tokio::test]
async fn what_answers_and_is_no_registry_is_said_so() {
    let fake = Fake::start().await;
    fake.fault("GET", "/v2/", What::Status(404, vec![("content-type", "text/html")], "<html>"));
    let error = client(&fake).ping().await.unwrap_err();
    assert_eq!(error.to_string(), format!("cannot reach {}: the registry answered 404", fake.host()));
    assert!(error.hint().unwrap().contains("no registry"));
    let reference = Reference::parse("1").unwrap();
    let error = client(&fake).pull_manifest(&repository("a"), &reference).await.unwrap_err();
    assert!(error.hint().unwrap().contains("the tag or digest"), "{error}");
}
