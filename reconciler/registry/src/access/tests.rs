// SPDX-License-Identifier: AGPL-3.0-or-later

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use prometheus::Registry;
use serde_json::{Value, json};

use super::*;
use crate::audit::tests::Capture;

/// `htpasswd -nbB ada secret`
const ADA: &str = "ada:$2y$05$vuOw.FzPLCeV4Slu7jPoGOlPDeOS4up/4TiwbD8O3PFD6j6V4Lueu";
const TOKEN: &str = "j-17.right-token";

struct Tokens;

impl JobTokens for Tokens {
    fn access(&self, token: &str) -> Option<JobAccess> {
        (token == TOKEN).then(|| JobAccess { repository: name("os-images/debian"), job: "j-17".to_owned() })
    }
}

fn name(text: &str) -> RepositoryName {
    RepositoryName::parse(text).unwrap()
}

fn users() -> RegistryAuth {
    let bob = ADA.replace("ada:", "bob:");
    RegistryAuth::Basic(Users::parse(&format!("{ADA}\n{bob}\n")).unwrap())
}

fn access_with(auth: RegistryAuth, policy: Value) -> Access {
    let metrics = RegistryMetrics::register(&Registry::new()).unwrap();
    Access::new(auth, Policy::from_value(policy).unwrap(), Some(Arc::new(Tokens)), metrics)
}

fn access() -> Access {
    access_with(
        users(),
        json!({"access": [
            {"users": ["ada"], "repositories": ["*"], "allow": ["push", "delete", "admin"]},
            {"users": ["*"], "repositories": ["tools/*"], "allow": ["pull"]},
        ]}),
    )
}

fn login(user: &str, password: &str) -> HeaderMap {
    headers("authorization", &format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
}

fn bearer(token: &str) -> HeaderMap {
    headers("authorization", &format!("Bearer {token}"))
}

fn headers(name: &'static str, value: &str) -> HeaderMap {
    HeaderMap::from_iter([(http::HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())])
}

fn from(address: &str) -> Option<SocketAddr> {
    address.parse().ok()
}

fn account(user: &str) -> Caller {
    Caller::Account(user.to_owned())
}

#[tokio::test]
async fn an_account_is_known_by_its_password_and_nobody_else_is() {
    let access = access();
    assert_eq!(access.identify(&login("ada", "secret"), None).await, Ok(account("ada")));
    assert_eq!(access.identify(&HeaderMap::new(), None).await, Ok(Caller::Anonymous));
    assert_eq!(access.identify(&login("", ""), None).await, Ok(Caller::Anonymous), "as podman sends it");
    for headers in [
        login("ada", "wrong"),
        login("eve", "secret"),
        login("ada", ""),
        headers("authorization", "Digest x"),
        headers("authorization", "Basic %%%"),
        bearer("ada:secret"),
    ] {
        assert_eq!(access.identify(&headers, None).await, Err(Refusal::WrongLogin), "{headers:?}");
    }
}

#[tokio::test]
async fn without_accounts_everybody_is_let_in_whatever_they_send() {
    let access = access_with(RegistryAuth::None, json!({}));
    for headers in [HeaderMap::new(), login("ada", "x"), login("", ""), headers("authorization", "Digest x")]
    {
        let caller = access.identify(&headers, None).await.unwrap();
        assert_eq!(caller, Caller::Open);
        assert_eq!(access.check(&caller, None, Right::Delete, &name("a/b")), Ok(()));
        assert_eq!(access.ping(&caller), Ok(()));
        assert_eq!(access.challenge(&caller), None);
    }
}

#[tokio::test(start_paused = true)]
async fn who_guesses_passwords_is_told_to_wait() {
    let access = access();
    let here = from("192.0.2.1:4000");
    for _ in 0..5 {
        assert_eq!(access.identify(&login("ada", "guess"), here).await, Err(Refusal::WrongLogin));
    }
    let refused = access.identify(&login("ada", "secret"), here).await.unwrap_err();
    assert_eq!(refused, Refusal::Wait { seconds: 60 });
    assert_eq!(access.identify(&login("ada", "secret"), from("192.0.2.2:4000")).await, Ok(account("ada")));
    assert_eq!(access.metrics.auth_failures(), 6);
}

#[tokio::test(start_paused = true)]
async fn wrong_tokens_count_like_wrong_passwords_and_right_ones_are_always_heard() {
    let access = access();
    let here = from("192.0.2.1:4000");
    for wrong in [bearer("j-17.x"), login("job", "j-17.y"), bearer(""), bearer("j-18.x"), login("job", "")] {
        assert_eq!(access.identify(&wrong, here).await, Err(Refusal::WrongLogin));
    }
    assert_eq!(access.identify(&bearer("j-17.z"), here).await, Err(Refusal::Wait { seconds: 60 }));
    for right in [bearer(TOKEN), login("job", TOKEN)] {
        assert!(matches!(access.identify(&right, here).await, Ok(Caller::Job(_))));
    }
}

#[tokio::test]
async fn a_job_sees_its_own_repository_and_nothing_else() {
    let open = access_with(RegistryAuth::None, json!({}));
    for access in [access(), open] {
        let job = access.identify(&bearer(TOKEN), None).await.unwrap();
        assert_eq!(access.check(&job, None, Right::Pull, &name("os-images/debian")), Ok(()));
        assert_eq!(access.ping(&job), Ok(()));
        for (right, repository) in [
            (Right::Push, "os-images/debian"),
            (Right::Delete, "os-images/debian"),
            (Right::Pull, "os-images/debian/x"),
            (Right::Pull, "tools/oras"),
        ] {
            let refused = access.check(&job, None, right, &name(repository)).unwrap_err();
            assert_eq!(refused.status(), 403, "{right:?} {repository}");
            assert!(!access.may(&job, right, &name(repository)));
        }
        let refused = access.administer(&bearer(TOKEN), from("127.0.0.1:1")).await.unwrap_err();
        assert_eq!(refused.status(), 403);
    }
}

#[tokio::test]
async fn who_may_not_is_refused_by_name_alone_and_callers_without_an_account_are_asked_for_one() {
    let access = access();
    let denied = |right, repository| access.check(&account("bob"), None, right, &name(repository));
    assert_eq!(denied(Right::Pull, "tools/oras"), Ok(()));
    assert_eq!(denied(Right::Push, "tools/oras").unwrap_err().status(), 403);
    assert_eq!(denied(Right::Pull, "os-images/debian").unwrap_err().code(), shoal_oci::ErrorCode::Denied);
    let nobody = access.check(&Caller::Anonymous, None, Right::Pull, &name("tools/oras"));
    assert_eq!(nobody, Err(Refusal::Unauthorized), "* is every account, not everybody");
}

#[tokio::test]
async fn a_ping_is_refused_unless_there_is_something_for_everybody() {
    let closed = access();
    assert_eq!(closed.ping(&Caller::Anonymous), Err(Refusal::Unauthorized));
    let open = access_with(
        users(),
        json!({"access": [
            {"users": ["anonymous"], "repositories": ["public/*"], "allow": ["pull"]},
            {"users": ["ada"], "repositories": ["*"], "allow": ["push"]},
        ]}),
    );
    assert_eq!(open.ping(&Caller::Anonymous), Ok(()));
    assert_eq!(open.challenge(&Caller::Anonymous).unwrap(), CHALLENGE, "how to log in all the same");
    assert_eq!(open.check(&Caller::Anonymous, None, Right::Pull, &name("public/x")), Ok(()));
    let pushed = open.check(&Caller::Anonymous, None, Right::Push, &name("public/x"));
    assert_eq!(pushed, Err(Refusal::Unauthorized));
    let hidden = open.check(&Caller::Anonymous, None, Right::Pull, &name("private/x"));
    assert_eq!(hidden, Err(Refusal::Unauthorized));
}

#[tokio::test]
async fn a_page_of_another_site_is_refused_even_with_an_account() {
    let mut headers = login("ada", "secret");
    headers.insert("host", HeaderValue::from_static("registry.lan"));
    headers.insert("origin", HeaderValue::from_static("https://evil.example"));
    assert_eq!(access().identify(&headers, None).await, Err(Refusal::ForeignPage));
}

#[tokio::test]
async fn accounts_and_policy_are_exchanged_as_one_and_remembered_logins_end() {
    let access = access();
    assert_eq!(access.identify(&login("ada", "secret"), None).await, Ok(account("ada")));
    let carol = ADA.replace("ada:", "carol:");
    let policy = Policy::from_value(json!({"uploads": 3})).unwrap();
    access.replace(RegistryAuth::Basic(Users::parse(&carol).unwrap()), policy.clone());
    assert_eq!(access.identify(&login("ada", "secret"), None).await, Err(Refusal::WrongLogin));
    assert_eq!(access.identify(&login("carol", "secret"), None).await, Ok(account("carol")));
    assert_eq!(*access.policy(), policy);
}

#[tokio::test]
async fn maintenance_is_for_admins_and_without_accounts_for_this_machine() {
    let with_accounts = access();
    let local = |mut headers: HeaderMap| {
        headers.insert("host", HeaderValue::from_static("127.0.0.1:5000"));
        headers
    };
    let (near, far) = (from("127.0.0.1:4000"), from("192.0.2.1:4000"));
    assert_eq!(with_accounts.administer(&login("ada", "secret"), far).await, Ok(account("ada")));
    assert_eq!(with_accounts.administer(&login("bob", "secret"), near).await.unwrap_err().status(), 403);
    let nobody = with_accounts.administer(&local(HeaderMap::new()), near).await;
    assert_eq!(nobody, Err(Refusal::Unauthorized), "being near is no account");
    let everybody_admin = json!({"access": [{"users": ["*"], "repositories": ["*"], "allow": ["admin"]}]});
    for policy in [json!({}), everybody_admin] {
        let open = access_with(RegistryAuth::None, policy);
        assert_eq!(open.administer(&local(HeaderMap::new()), near).await, Ok(Caller::Open));
        assert_eq!(open.administer(&local(HeaderMap::new()), far).await.unwrap_err().status(), 403);
        assert_eq!(open.administer(&HeaderMap::new(), None).await.unwrap_err().status(), 403);
    }
}

#[tokio::test]
async fn no_password_token_or_mistyped_name_gets_into_an_event_or_an_answer() {
    let capture = Capture::default();
    let guard = tracing::subscriber::set_default(capture.clone());
    let access = access();
    let here = from("192.0.2.1:4000");
    for headers in
        [login("ada", "hunter2"), login("hunter2", "hunter2"), login("job", "hunter2"), bearer("hunter2")]
    {
        let refused = access.identify(&headers, here).await.unwrap_err();
        assert!(!format!("{refused} {refused:?}").contains("hunter2"));
    }
    let job = access.identify(&bearer(TOKEN), here).await.unwrap();
    access.check(&job, here, Right::Push, &name("tools/oras")).unwrap_err();
    access.check(&account("bob"), here, Right::Push, &name("tools/oras")).unwrap_err();
    drop(guard);
    let events: Vec<_> = capture.events().into_iter().filter(|event| event["target"] == "audit").collect();
    let users: Vec<&str> = events.iter().map(|e| e.get("user").map_or("", String::as_str)).collect();
    assert_eq!(users, ["ada", "", "job", "job", "job:j-17", "bob"]);
    let outcomes: Vec<&str> = events.iter().map(|event| event["outcome"].as_str()).collect();
    assert_eq!(outcomes, ["wrong", "wrong", "wrong", "wrong", "denied", "denied"]);
    let text = format!("{events:?}");
    assert!(!text.contains("hunter2") && !text.contains("right-token"), "{text}");
}

#[test]
fn refusals_are_answered_as_the_specification_says() {
    use axum::response::IntoResponse as _;
    let denied = Refusal::Denied { who: account("bob"), right: Right::Push, repository: Some(name("a/b")) };
    for (refusal, status, header) in [
        (Refusal::Unauthorized, 401, Some(("www-authenticate", CHALLENGE))),
        (Refusal::WrongLogin, 401, Some(("www-authenticate", CHALLENGE))),
        (Refusal::Wait { seconds: 7 }, 429, Some(("retry-after", "7"))),
        (denied, 403, None),
        (Refusal::ForeignPage, 403, None),
    ] {
        let response = refusal.into_response();
        assert_eq!(response.status(), status);
        assert_eq!(response.headers()["content-type"], "application/json");
        for name in ["www-authenticate", "retry-after"] {
            let expected = header.filter(|(given, _)| *given == name).map(|(_, value)| value);
            assert_eq!(response.headers().get(name).map(|v| v.to_str().unwrap()), expected);
        }
    }
}

#[tokio::test]
async fn a_refusal_says_what_to_do_and_by_whom() {
    let access = access();
    let refused = access.check(&account("bob"), None, Right::Push, &name("tools/oras")).unwrap_err();
    assert_eq!(refused.to_string(), "bob may not push to tools/oras: see access in the registry's policy");
}
