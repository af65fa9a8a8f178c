// SPDX-License-Identifier: AGPL-3.0-or-later
//! Logging in, and not telling the login to anybody else.

use shoal_oci::Reference;
use shoal_registry_client::{BlobSource, Client, ClientError, ClientOptions, Credentials, silent};
use shoal_schema::SecretString;

use crate::fake::{Door, Fake};
use crate::world::{bytes, options, password, repository, sha256};

fn with(fake: &Fake, credentials: Option<Credentials>) -> Client {
    Client::new(&fake.host(), ClientOptions { credentials, ..options() }).unwrap()
}

async fn push(client: &Client, name: &str) -> Result<(), ClientError> {
    let source = BlobSource::bytes(bytes(1500));
    let pushed = client.push_blob(&repository(name), &sha256(&bytes(1500)), &source, None, &silent()).await;
    pushed.map(drop)
}

#[tokio::test]
async fn a_password_is_sent_when_it_is_asked_for_and_then_every_time() {
    let fake = Fake::start().await;
    let client = with(&fake, Some(password("user", "secret")));
    client.ping().await.unwrap();
    fake.world().door = Door::Basic;
    push(&client, "a").await.unwrap();
    let sent: Vec<bool> =
        fake.world().seen.iter().map(|seen| seen.header("authorization").is_some()).collect();
    assert_eq!(sent[..3], [false, false, true]);
    assert!(sent[3..].iter().all(|sent| *sent));
}

#[tokio::test]
async fn a_wrong_password_is_tried_once() {
    let fake = Fake::start().await;
    fake.world().door = Door::Basic;
    let error = with(&fake, Some(password("user", "wrong"))).ping().await.unwrap_err();
    assert_eq!((error.status(), fake.lines().len()), (Some(401), 2));
    assert!(error.hint().unwrap().contains("log in"));
    assert_eq!(with(&fake, None).ping().await.unwrap_err().status(), Some(401));
}

#[tokio::test]
async fn a_token_is_got_for_what_is_to_be_done_and_used_again() {
    let fake = Fake::start().await;
    let realm = format!("http://{}/token", fake.host());
    fake.world().door = Door::Token { realm, oldest: 1 };
    let client = with(&fake, Some(password("user", "secret")));
    push(&client, "a").await.unwrap();
    let lines = fake.lines();
    let tokens: Vec<_> = lines.iter().filter(|line| line.contains("/token")).collect();
    assert_eq!(tokens.len(), 2, "one to look, one to write: {lines:?}");
    assert!(tokens[0].contains("service=fake") && tokens[0].contains("scope=repository%3Aa%3Apull"));
    assert!(tokens[1].contains("scope=repository%3Aa%3Apull%2Cpush"));
    let world = fake.world();
    let patches = world.seen.iter().filter(|seen| seen.line.starts_with("PATCH"));
    assert!(
        patches.clone().count() == 2
            && patches.clone().all(|seen| {
                seen.header("authorization").is_some_and(|text| text.starts_with("Bearer 2.user."))
            })
    );
}

#[tokio::test]
async fn a_token_that_is_not_taken_any_more_is_replaced_in_the_middle_of_an_upload() {
    let fake = Fake::start().await;
    let realm = format!("http://{}/token", fake.host());
    fake.world().door = Door::Token { realm: realm.clone(), oldest: 1 };
    let client = with(&fake, Some(password("user", "secret")));
    push(&client, "a").await.unwrap();
    fake.world().door = Door::Token { realm, oldest: 3 };
    fake.world().blobs.clear();
    push(&client, "a").await.unwrap();
    assert_eq!(fake.world().tokens, 4);
}

#[tokio::test]
async fn without_a_login_a_token_is_asked_for_without_one() {
    let (fake, server) = (Fake::start().await, Fake::start().await);
    let realm = format!("http://{}/token", server.host());
    fake.world().door = Door::Token { realm, oldest: 1 };
    let digest = fake.add_blob("a", b"x");
    assert_eq!(with(&fake, None).blob_size(&repository("a"), &digest).await.unwrap(), Some(1));
    assert_eq!(server.world().seen[0].header("authorization"), None);
}

#[tokio::test]
async fn a_login_is_not_told_to_a_token_server_on_another_host_unless_that_one_is_allowed() {
    let (fake, server) = (Fake::start().await, Fake::start().await);
    // The same machine by another name: another host as far as anybody can tell.
    let realm = format!("http://localhost:{}/token", server.address.port());
    fake.world().door = Door::Token { realm, oldest: 1 };
    let error = with(&fake, Some(password("user", "secret"))).ping().await.unwrap_err();
    assert!(matches!(&error, ClientError::ForeignLogin { host, .. } if host == "localhost"), "{error}");
    assert!(server.lines().is_empty());
    let options = ClientOptions {
        credentials: Some(password("user", "secret")),
        token_hosts: vec!["localhost".to_owned()],
        ..options()
    };
    Client::new(&fake.host(), options).unwrap().ping().await.unwrap();
    assert!(server.world().seen[0].header("authorization").is_some());
}

#[tokio::test]
async fn a_login_is_not_sent_over_plain_http_to_another_machine() {
    let fake = Fake::start().await;
    fake.world().door = Door::Basic;
    // An address that leads here and is not this machine's by its name.
    let host = format!("0.0.0.0:{}", fake.address.port());
    let options =
        ClientOptions { credentials: Some(password("user", "secret")), plain_http: Some(true), ..options() };
    let client = Client::new(&host, options).unwrap();
    let error = client.ping().await.unwrap_err();
    assert!(matches!(error, ClientError::PlainLogin { .. }), "{error}");
    assert!(error.hint().unwrap().contains("TLS"));
    let realm = format!("http://{host}/token");
    fake.world().door = Door::Token { realm, oldest: 1 };
    assert!(matches!(client.ping().await.unwrap_err(), ClientError::PlainLogin { .. }));
    assert!(fake.world().seen.iter().all(|seen| seen.header("authorization").is_none()));
}

#[tokio::test]
async fn a_token_that_was_given_is_sent_as_it_is() {
    let fake = Fake::start().await;
    fake.world().door = Door::Token { realm: format!("http://{}/token", fake.host()), oldest: 1 };
    let client = with(&fake, Some(Credentials::Bearer(SecretString::new("given".to_owned()))));
    client.ping().await.unwrap();
    assert_eq!(fake.world().seen[1].header("authorization"), Some("Bearer given"));
    let client = with(&fake, Some(Credentials::Bearer(SecretString::new("stale".to_owned()))));
    assert_eq!(client.ping().await.unwrap_err().status(), Some(401));
    assert_eq!(fake.world().tokens, 0);
}

#[tokio::test]
async fn an_error_never_shows_the_login() {
    let fake = Fake::start().await;
    fake.world().door = Door::Basic;
    let client = with(&fake, Some(password("user", "hunter2")));
    let error = client.pull_manifest(&repository("a"), &Reference::parse("x").unwrap()).await.unwrap_err();
    assert!(!format!("{error} {error:?} {:?}", password("user", "hunter2")).contains("hunter2"));
}
