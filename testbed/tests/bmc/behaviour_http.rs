// SPDX-License-Identifier: AGPL-3.0-or-later
//! The protocol around the resources: methods, headers, entity tags, queries, bodies.

use http::Method;
use serde_json::json;
use shoal_testbed::bmc::profiles::{ALL, IDRAC9_6, ILO5, SMC_X13_SINGLE};

use crate::fixture::Fixture;
use crate::route::{accepted, boot_body, set_boot};

#[tokio::test]
async fn every_answer_carries_the_headers_of_the_protocol() {
    for profile in ALL {
        let fixture = Fixture::new(profile).await;
        let answer = fixture.client.get("/redfish/v1/Systems").await.expect(200);
        assert_eq!(answer.header("odata-version"), "4.0");
        assert!(answer.header("content-type").starts_with("application/json"));
        assert_eq!(answer.header("allow"), "GET, HEAD");
        assert_eq!(answer.header("cache-control"), "no-cache");
        assert!(answer.header("link").contains("ComputerSystemCollection.json>; rel=describedby"));
        let metadata = fixture.client.get("/redfish/v1/$metadata").await.expect(200);
        assert!(metadata.header("content-type").starts_with("application/xml"));
        assert!(metadata.body.contains("ServiceRoot"));
        assert_eq!(fixture.client.get("/redfish").await.json(), json!({"v1": "/redfish/v1/"}));
    }
}

#[tokio::test]
async fn head_is_get_without_a_body() {
    let fixture = Fixture::new(&ILO5).await;
    let path = "/redfish/v1/Systems/1";
    let get = fixture.client.get(path).await.expect(200);
    let head = fixture.client.send(fixture.client.request(Method::HEAD, path)).await.expect(200);
    assert!(head.body.is_empty());
    for header in ["etag", "content-length", "content-type", "allow"] {
        assert_eq!(head.header(header), get.header(header), "{header}");
    }
}

#[tokio::test]
async fn a_method_that_is_not_known_is_405_with_what_is() {
    let fixture = Fixture::new(&IDRAC9_6).await;
    for (method, path, allow) in [
        (Method::DELETE, "/redfish/v1/Systems/System.Embedded.1", "GET, HEAD, PATCH"),
        (Method::PUT, "/redfish/v1", "GET, HEAD"),
        (Method::POST, "/redfish/v1/Systems", "GET, HEAD"),
        (Method::GET, "/redfish/v1/Systems/System.Embedded.1/Actions/ComputerSystem.Reset", "POST"),
        (Method::PATCH, "/redfish/v1/Systems/System.Embedded.1/VirtualMedia/1", "GET, HEAD"),
    ] {
        let request = fixture.client.request(method.clone(), path).json(&json!({}));
        let answer = fixture.client.send(request).await.expect(405);
        assert_eq!(answer.header("allow"), allow, "{method} {path}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_404_in_redfish_words() {
    for profile in ALL {
        let fixture = Fixture::new(profile).await;
        let answer = fixture.client.get("/redfish/v1/Systems/NoSuchSystem").await.expect(404);
        assert!(answer.message_id().ends_with(".ResourceMissingAtURI"), "{}", answer.body);
        assert!(answer.json()["error"]["code"].is_string());
    }
}

#[tokio::test]
async fn an_entity_tag_saves_a_body_until_something_changes() {
    for profile in ALL {
        let fixture = Fixture::new(profile).await;
        let path = profile.boot_path();
        let tag = fixture.client.get(&path).await.header("etag").to_owned();
        let again = || fixture.client.request(Method::GET, &path).header("if-none-match", &tag);
        let same = fixture.client.send(again()).await.expect(304);
        assert!(same.body.is_empty());
        accepted(&set_boot(&fixture, "Once", "Pxe").await);
        let changed = fixture.client.send(again()).await.expect(200);
        assert_ne!(changed.header("etag"), tag);
        if let Some(tag) = changed.json().get("@odata.etag") {
            assert_eq!(tag, changed.header("etag"));
        }
    }
}

#[tokio::test]
async fn a_change_with_an_old_tag_is_412_and_changes_nothing() {
    for profile in ALL {
        let fixture = Fixture::new(profile).await;
        let path = profile.boot_path();
        let boot = |target: &str| boot_body(profile, "Once", target);
        let patch = |tag: &str, target: &str| {
            fixture.client.request(Method::PATCH, &path).header("if-match", tag).json(&boot(target))
        };
        let other = profile.boot.targets.iter().find(|target| !matches!(**target, "None" | "Pxe"));
        let other = other.expect("more than one target");
        let tag = fixture.client.get(&path).await.header("etag").to_owned();
        accepted(&fixture.client.send(patch(&tag, "Pxe")).await);
        let late = fixture.client.send(patch(&tag, other)).await.expect(412);
        assert!(late.message_id().ends_with("PreconditionFailed"));
        assert_eq!(fixture.bmc().state().boot_override.target, "Pxe");
        accepted(&fixture.client.send(patch("*", other)).await);
    }
}

#[tokio::test]
async fn another_odata_version_is_412() {
    let fixture = Fixture::new(&SMC_X13_SINGLE).await;
    for (version, status) in [("4.0", 200), ("4.1", 412), ("nonsense", 412)] {
        let request =
            fixture.client.request(Method::GET, "/redfish/v1/Systems").header("odata-version", version);
        fixture.client.send(request).await.expect(status);
    }
}

#[tokio::test]
async fn query_options_are_followed_or_refused_but_never_misread() {
    let fixture = Fixture::new(&ILO5).await;
    let get = async |path: &str| fixture.client.get(path).await;
    let only = get("/redfish/v1/Systems?only").await.expect(200);
    assert_eq!(only.json()["Id"], "1");
    get("/redfish/v1/Managers/1/VirtualMedia?only").await.expect(200);
    get("/redfish/v1/Systems/1?only").await.expect(400);
    get("/redfish/v1/Systems/1?excerpt").await.expect(400);
    for unsupported in ["$expand=.", "$select=Id", "$filter=a", "$nonsense=1", "%24expand=."] {
        get(&format!("/redfish/v1/Systems?{unsupported}")).await.expect(501);
    }
    get("/redfish/v1/Systems?vendorthing=1").await.expect(200);
}

#[tokio::test]
async fn bodies_that_are_no_json_objects_are_refused() {
    let fixture = Fixture::new(&IDRAC9_6).await;
    let path = "/redfish/v1/Systems/System.Embedded.1";
    let raw = |kind: &str, body: &'static str| {
        fixture.client.request(Method::PATCH, path).header("content-type", kind).body(body)
    };
    for body in ["{", "[]", "7", "null", ""] {
        let answer = fixture.client.send(raw("application/json", body)).await.expect(400);
        assert!(answer.message_id().ends_with("MalformedJSON"), "{body}: {}", answer.body);
    }
    fixture.client.send(raw("text/plain", "{}")).await.expect(415);
    let huge = fixture.client.request(Method::PATCH, path).header("content-type", "application/json");
    fixture.client.send(huge.body(vec![b' '; 2 << 20])).await.expect(413);
}

#[tokio::test]
async fn properties_that_cannot_be_written_are_told_from_unknown_ones() {
    let fixture = Fixture::new(&IDRAC9_6).await;
    let path = "/redfish/v1/Systems/System.Embedded.1";
    for (body, message) in [
        (json!({"PowerState": "On"}), "PropertyNotWritable"),
        (json!({"Bogus": 1}), "PropertyUnknown"),
        (json!({"Boot": 1}), "PropertyValueTypeError"),
        (json!({"Boot": {"Bogus": 1}}), "PropertyUnknown"),
        (json!({"Boot": {"BootOrder": []}}), "PropertyNotWritable"),
        (json!({}), "PropertyMissing"),
    ] {
        let answer = fixture.client.patch(path, body.clone()).await.expect(400);
        assert!(answer.message_id().ends_with(message), "{body}: {}", answer.body);
    }
}
