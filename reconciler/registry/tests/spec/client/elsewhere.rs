// SPDX-License-Identifier: AGPL-3.0-or-later
//! Clients: other hosts than the registry's. Redirects, proxies, and whose credentials go where.

use http::Method;
use shoal_oci::{ImageReference, Reference};
use shoal_registry_client::{BlobPull, ClientError, Credentials, silent};
use shoal_schema::SecretString;

use super::{Pair, client_of, repository, tag};
use crate::between::{Between, answer};
use crate::content::{blob, config, small_image};
use crate::errors::ACCOUNTS;
use crate::support::{Served, Setup};

fn anna() -> Credentials {
    Credentials::Password { user: "anna".to_owned(), password: SecretString::new("right".to_owned()) }
}

// covers: api-02, api-03
#[tokio::test]
async fn a_blob_is_fetched_from_where_the_registry_sends_the_client_without_its_credentials() {
    let watch = Between::watching();
    let store = Served::start_with(Setup::default().between(&watch)).await;
    let blob = blob("elsewhere");
    store.push_blob("store", &blob).await;
    let there = format!("http://{}/v2/store/blobs/{}", store.address, blob.digest);
    // The registry wants a login, and sends whoever has one to the store.
    let between = Between::instead(move |seen| {
        let logged_in = seen.header("authorization").is_some();
        (logged_in && seen.is(&Method::GET, "/v2/a/blobs/")).then(|| answer(307, &[("location", &there)], ""))
    });
    let pair = Pair::with(between, Setup::default().accounts(ACCOUNTS), Some(anna())).await;
    let (a, mut bytes) = (repository("a"), Vec::new());
    let pull = BlobPull { repository: &a, digest: &blob.digest, size: None, limit: 1 << 20 };
    pair.client.pull_blob(&pull, &mut bytes, &silent()).await.unwrap();
    assert_eq!(bytes, blob.bytes);
    let fetched = watch.asked(&Method::GET, "/v2/store/blobs/");
    assert_eq!(fetched.len(), 1);
    assert_eq!(fetched[0].header("authorization"), None);
}

// covers: api-02
#[tokio::test]
async fn a_manifest_is_fetched_from_where_the_registry_sends_the_client() {
    let store = Served::start().await;
    let config = config("elsewhere");
    store.push_blob("store", &config).await;
    let image = small_image(&config);
    store.put_manifest("store", "latest", &image).await.expect(201);
    let address = store.address;
    let between = Between::instead(move |seen| {
        let reference = seen.target.strip_prefix("/v2/a/manifests/")?;
        let there = format!("http://{address}/v2/store/manifests/{reference}");
        Some(answer(307, &[("location", &there)], ""))
    });
    let pair = Pair::new(between).await;
    for reference in [tag("latest"), Reference::Digest(image.digest)] {
        let pulled = pair.client.pull_manifest(&repository("a"), &reference).await.unwrap();
        assert_eq!(pulled.bytes, image.bytes);
    }
}

// covers: proxy-07
#[tokio::test]
async fn credentials_are_not_given_to_a_host_that_they_are_not_for() {
    let watch = Between::watching();
    let other = Served::start_with(Setup::default().between(&watch)).await;
    // Another name of this machine is another host.
    let realm = format!("Bearer realm=\"http://localhost:{}/token\",service=\"s\"", other.address.port());
    let between = Between::instead(move |_| Some(answer(401, &[("www-authenticate", &realm)], "")));
    let pair = Pair::with(between, Setup::default(), Some(anna())).await;
    let error = pair.client.pull_manifest(&repository("a"), &tag("latest")).await.unwrap_err();
    assert!(matches!(error, ClientError::ForeignLogin { .. }), "{error:?}");
    assert!(watch.seen().is_empty(), "{:?}", watch.seen());
}

// covers: proxy-01, proxy-02, proxy-06
#[tokio::test]
async fn an_image_is_pulled_from_the_host_in_its_name_and_from_no_proxy_of_it() {
    let watch = Between::watching();
    let registry = Served::start_with(Setup::default().between(&watch)).await;
    let config = config("name");
    registry.push_blob("a/b", &config).await;
    let image = small_image(&config);
    registry.put_manifest("a/b", "v1", &image).await.expect(201);
    let before = watch.seen().len();

    let name = ImageReference::parse(&format!("{}/a/b:v1", registry.address)).unwrap();
    assert_eq!(name.registry, registry.address.to_string());
    let client = client_of(&registry, None);
    assert_eq!(client.registry(), name.registry);
    let reference = Reference::Tag(name.tag.clone().unwrap());
    let pulled = client.pull_manifest(&name.repository, &reference).await.unwrap();
    assert_eq!(pulled.bytes, image.bytes);
    for seen in &watch.seen()[before..] {
        assert_eq!(seen.header("host"), Some(name.registry.as_str()));
        assert!(!seen.target.contains("ns="), "{}", seen.target);
    }
}
