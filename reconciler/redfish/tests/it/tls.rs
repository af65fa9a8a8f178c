// SPDX-License-Identifier: AGPL-3.0-or-later
//! Whose certificate is believed.

use shoal_redfish::{About, Bmc as _, BmcEndpoint, Error, ErrorKind, Fingerprint, RedfishBmc, TlsTrust};

use crate::support::client::{endpoint, wiring};
use crate::support::fake::Fake;
use crate::support::server::Server;
use crate::support::trees::two_cd;

async fn connect(server: &Server, tls: TlsTrust) -> Result<RedfishBmc, Error> {
    let endpoint = BmcEndpoint { tls, ..endpoint(server) };
    RedfishBmc::connect(&endpoint, wiring()).await
}

#[tokio::test]
async fn a_pinned_certificate_is_believed_and_any_other_is_an_alarm() {
    let fake = Fake::new(two_cd());
    let server = Server::https(fake.clone()).await;
    let bmc = connect(&server, TlsTrust::Pinned(server.fingerprint)).await.unwrap();
    assert_eq!(bmc.certificate(), Some(server.fingerprint));

    let other = Fingerprint::of_der(b"another certificate");
    let asked = fake.log().len();
    let error = connect(&server, TlsTrust::Pinned(other)).await.err().unwrap();
    match error.kind() {
        ErrorKind::CertificateChanged { expected, seen } => {
            assert_eq!((*expected, *seen), (other, server.fingerprint));
        }
        kind => panic!("{kind}"),
    }
    assert!(!error.retryable());
    assert_eq!(fake.log().len(), asked, "nothing may be asked before trust");
}

#[tokio::test]
async fn a_ca_that_signed_is_believed_and_one_that_did_not_is_not() {
    let server = Server::https(Fake::new(two_cd())).await;
    let other = Server::https(Fake::new(two_cd())).await;
    connect(&server, TlsTrust::CaPem(server.certificate_pem.clone())).await.unwrap();
    for trust in [TlsTrust::CaPem(other.certificate_pem.clone()), TlsTrust::SystemRoots] {
        let error = connect(&server, trust).await.err().unwrap();
        match error.kind() {
            ErrorKind::CertificateUntrusted { seen, .. } => assert_eq!(*seen, server.fingerprint),
            // A machine without any CA bundle.
            ErrorKind::BadEndpoint { why } => assert!(why.contains("ca bundle"), "{why}"),
            kind => panic!("{kind}"),
        }
    }
}

#[tokio::test]
async fn the_first_certificate_is_told_and_a_later_change_is_an_alarm() {
    let fake = Fake::new(two_cd());
    let server = Server::https(fake.clone()).await;
    let bmc = connect(&server, TlsTrust::FirstUse { known: None }).await.unwrap();
    let known = bmc.certificate();
    assert_eq!(known, Some(server.fingerprint));
    let address = server.address();
    server.stop().await;

    let server = Server::https_on(address, fake).await;
    let error = connect(&server, TlsTrust::FirstUse { known }).await.err().unwrap();
    assert!(matches!(error.kind(), ErrorKind::CertificateChanged { .. }), "{error}");
    // Also within the life of one client.
    let error = shoal_redfish::Bmc::read_state(&bmc).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::CertificateChanged { .. }), "{error}");
}

#[tokio::test]
async fn an_endpoint_that_cannot_be_used_is_told_apart_from_one_that_is_down() {
    let server = Server::https(Fake::new(two_cd())).await;
    let error = connect(&server, TlsTrust::CaPem("no pem".to_owned())).await.err().unwrap();
    assert!(matches!(error.kind(), ErrorKind::BadEndpoint { .. }), "{error}");
    let mut endpoint = endpoint(&server);
    endpoint.url = "ftp://127.0.0.1".parse().unwrap();
    let error = RedfishBmc::connect(&endpoint, wiring()).await.err().unwrap();
    assert!(matches!(error.kind(), ErrorKind::BadEndpoint { .. }), "{error}");
}

#[tokio::test]
async fn an_unchecked_certificate_and_plain_http_are_warned_about() {
    let fake = Fake::new(two_cd());
    let server = Server::https(fake.clone()).await;
    let bmc = connect(&server, TlsTrust::Insecure).await.unwrap();
    assert_eq!(bmc.discovered().warnings[0].about, About::UncheckedCertificate);
    let server = Server::http(fake).await;
    let bmc = connect(&server, TlsTrust::SystemRoots).await.unwrap();
    assert_eq!(bmc.certificate(), None);
    assert_eq!(bmc.discovered().warnings[0].about, About::NoTls);
}
