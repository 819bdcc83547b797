//! Who is let in, and what they may do: headers, tokens, the Secret's principals, rights, open streams.

use crate::api_server::{ApiServer, eventually};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::IntoResponse;
use k8s_openapi::api::authentication::v1::{TokenReviewStatus, UserInfo};
use proffer_controller::auth::{
    Access, Action, Anonymous, Caller, Credentials, Denied, Object, ReadState, Reviewer, follow_secret,
};
use serde_json::{Value, json};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

const NOBODY: Anonymous = Anonymous { loopback: false, everybody: false };
const ELSEWHERE: &str = "10.1.2.3";

/// Access of a cluster whose Secret `principals` is followed.
async fn access(server: &ApiServer, anonymous: Anonymous) -> Access {
    let credentials = Credentials::new(ReadState::Waiting);
    let follow = follow_secret(server.client(), "proffer-system".into(), "principals".into(), credentials.clone());
    tokio::spawn(follow);
    eventually("the Secret is read", || matches!(credentials.state(), ReadState::Read(_)).then_some(())).await;
    Access::new(Arc::new(Reviewer::new(server.client())), credentials, anonymous, "default")
        .looking_again(Duration::from_millis(20))
}

fn secret(data: &[(&str, &str)]) -> Value {
    let encoded = |text: &str| {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(text)
    };
    let data: serde_json::Map<String, Value> =
        data.iter().map(|&(key, value)| (key.to_owned(), json!(encoded(value)))).collect();
    json!({
        "apiVersion": "v1", "kind": "Secret", "data": data,
        "metadata": {
            "name": "principals", "namespace": "proffer-system",
            "annotations": {"namespace.proffer.dev/chronos": "jobs"},
        },
    })
}

fn token(server: &ApiServer, token: &str, user: &str) {
    let user = UserInfo { username: Some(user.to_owned()), ..UserInfo::default() };
    server.token(
        token,
        TokenReviewStatus { authenticated: Some(true), user: Some(user), ..TokenReviewStatus::default() },
    );
}

async fn ask(access: &Access, authorization: &str, peer: &str) -> Result<Caller, Denied> {
    let mut headers = HeaderMap::new();
    if !authorization.is_empty() {
        headers.insert(header::AUTHORIZATION, HeaderValue::from_bytes(authorization.as_bytes()).unwrap());
    }
    access.authenticate(&headers, peer.parse::<IpAddr>().unwrap()).await
}

fn basic(pair: &str) -> String {
    use base64::Engine as _;
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
}

fn reviews(server: &ApiServer) -> usize {
    server.requests().iter().filter(|request| request.ends_with("reviews")).count()
}

#[tokio::test]
async fn nobody_is_let_in_without_credentials_unless_it_was_said() {
    let server = ApiServer::default();
    let closed = access(&server, Anonymous::default()).await;
    let denied = ask(&closed, "", "127.0.0.1").await.unwrap_err().into_response();
    assert_eq!(denied.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(
        denied.headers()[header::WWW_AUTHENTICATE],
        "Basic realm=\"proffer\", Bearer realm=\"proffer\"",
        "in one header, as Mesos has it"
    );

    let loopback = access(&server, Anonymous { loopback: true, everybody: false }).await;
    for (peer, admitted) in [("127.0.0.1", true), ("::1", true), ("::ffff:127.0.0.1", true), (ELSEWHERE, false)] {
        assert_eq!(ask(&loopback, "", peer).await.is_ok(), admitted, "{peer}");
    }
    let anybody = access(&server, Anonymous { loopback: false, everybody: true }).await;
    let caller = ask(&anybody, "", ELSEWHERE).await.unwrap();
    assert!(caller.is_anonymous());
    assert_eq!((caller.principal(), caller.namespace()), (None, "default"));
    anybody.authorize(&caller, Action::UpdateQuotas, Object::CLUSTER).await.unwrap();
    assert!(ask(&anybody, "Bearer nonsense", ELSEWHERE).await.is_err(), "wrong credentials are worth a word");
}

#[tokio::test]
async fn credentials_that_are_none_are_refused() {
    let server = ApiServer::default();
    server.put(secret(&[("marathon", "s3cret")]));
    let access = access(&server, NOBODY).await;
    let none = format!("eyJhbGciOiJub25lIn0.{}.", "e30");
    for header in [
        "",
        " ",
        "Basic",
        "Basic ",
        "Basic !!!",
        "Basic bWFyYXRob24=",
        &basic("marathon"),
        &basic("marathon:"),
        &basic(":s3cret"),
        &basic(":"),
        &basic("marathon:s3cre"),
        &basic("marathon:s3cret "),
        &basic("marathon:s3cret\0"),
        &basic("Marathon:s3cret"),
        &basic("marathon:s3cret:"),
        &format!("{} x", basic("marathon:s3cret")),
        "Basic /////w==",
        "Digest username=\"marathon\"",
        "Bearer",
        "Bearer ",
        "Bearer \u{fe0f}",
        &format!("Bearer {none}"),
        &format!("Bearer {}", "x".repeat(20_000)),
        &"x".repeat(10_000),
    ] {
        let denied = ask(&access, header, ELSEWHERE).await.unwrap_err();
        assert!(matches!(denied, Denied::Unauthenticated { .. }), "{header:?}: {denied}");
        let text = denied.to_string();
        assert!(!text.contains("s3cre") && !text.contains(&none), "nothing of it is told: {text}");
    }
    let mut two = HeaderMap::new();
    two.append(header::AUTHORIZATION, HeaderValue::from_str(&basic("marathon:s3cret")).unwrap());
    two.append(header::AUTHORIZATION, HeaderValue::from_static("Bearer x"));
    assert!(access.authenticate(&two, ELSEWHERE.parse().unwrap()).await.is_err(), "two are none");
    assert!(ask(&access, &basic("marathon:s3cret"), ELSEWHERE).await.is_ok());
}

#[tokio::test]
async fn a_principal_is_a_user_with_a_namespace() {
    let server = ApiServer::default();
    server.put(secret(&[("marathon", "s3cret\n"), ("chronos", "x:y")]));
    let access = access(&server, NOBODY).await;
    let marathon = ask(&access, &basic("marathon:s3cret"), ELSEWHERE).await.unwrap();
    assert_eq!(marathon.user().name(), "proffer:principal:marathon");
    assert_eq!((marathon.principal(), marathon.namespace()), (Some("marathon"), "default"));
    let chronos = ask(&access, &basic("chronos:x:y"), ELSEWHERE).await.unwrap();
    assert_eq!((chronos.principal(), chronos.namespace()), (Some("chronos"), "jobs"));
    assert!(!format!("{chronos:?}").contains("x:y"));

    assert!(!access.allows(&chronos, Action::RunTasks, Object::namespace("jobs")).await.unwrap(), "least, not most");
    server.grant("proffer:principal:chronos", "create frameworks", "jobs");
    access.authorize(&chronos, Action::RegisterFrameworks, Object::namespace("jobs")).await.unwrap();
    for namespace in ["", "job", "jobs-a", "default"] {
        let object = Object::namespace(namespace);
        let denied = access.authorize(&chronos, Action::RegisterFrameworks, object).await.unwrap_err();
        let text = denied.to_string();
        assert!(text.contains("proffer:principal:chronos may not create frameworks of group proffer.dev"), "{text}");
    }
}

#[tokio::test]
async fn a_service_account_lives_in_its_namespace() {
    let server = ApiServer::default();
    let access = access(&server, NOBODY).await;
    token(&server, "t1", "system:serviceaccount:team-a:scheduler");
    token(&server, "t2", "alice@example.com");
    token(&server, "t3", "system:serviceaccount:");
    for (token, user, namespace) in [
        ("t1", "system:serviceaccount:team-a:scheduler", "team-a"),
        ("t2", "alice@example.com", "default"),
        ("t3", "system:serviceaccount:", "default"),
    ] {
        let caller = ask(&access, &format!("bearer {token}"), ELSEWHERE).await.unwrap();
        assert_eq!((caller.user().name(), caller.principal()), (user, Some(user)));
        assert_eq!(caller.namespace(), namespace);
    }
}

#[tokio::test]
async fn answers_are_believed_for_a_moment() {
    let server = ApiServer::default();
    let access = access(&server, NOBODY).await;
    token(&server, "good", "alice");
    server.grant("alice", "get tasks/sandbox", "ns");
    server.grant("alice", "get /metrics/snapshot", "");
    reviews(&server);
    let mut alice = ask(&access, "Bearer good", ELSEWHERE).await.unwrap();
    for _ in 0..50 {
        alice = ask(&access, "Bearer good", ELSEWHERE).await.unwrap();
        access.authorize(&alice, Action::AccessSandboxes, Object::named("ns", "t")).await.unwrap();
        access.authorize(&alice, Action::GetEndpoints, Object::cluster("/metrics/snapshot")).await.unwrap();
    }
    assert_eq!(reviews(&server), 3, "one of the token and one of each right");
    for _ in 0..50 {
        ask(&access, "Bearer bad", ELSEWHERE).await.unwrap_err();
        access.authorize(&alice, Action::ViewFlags, Object::CLUSTER).await.unwrap_err();
    }
    let asked = reviews(&server);
    assert!(asked <= 6, "bad answers are remembered too, for a second: {asked}");
}

#[tokio::test]
async fn a_changed_secret_counts_at_once() {
    let server = ApiServer::default();
    server.put(secret(&[("marathon", "old")]));
    let access = access(&server, NOBODY).await;
    ask(&access, &basic("marathon:old"), ELSEWHERE).await.unwrap();
    let accepted = async |pair: &str| ask(&access, &basic(pair), ELSEWHERE).await.is_ok();

    server.put(secret(&[("marathon", "new"), ("other", "x")]));
    while !accepted("marathon:new").await {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(!accepted("marathon:old").await && accepted("other:x").await);

    server.put(secret(&[("credentials", "{nonsense"), ("third", "y")]));
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(accepted("marathon:new").await && !accepted("third:y").await, "what cannot be read changes nothing");

    server.compact();
    server.put(secret(&[("marathon", "newest")]));
    while !accepted("marathon:newest").await {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    server.delete("secrets", "proffer-system", "principals");
    while accepted("marathon:newest").await {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn before_the_secret_is_read_nobody_is_refused_for_it() {
    let server = ApiServer::default();
    let reviewer = Arc::new(Reviewer::new(server.client()));
    let access = Access::new(reviewer, Credentials::new(ReadState::Waiting), NOBODY, "default");
    let denied = ask(&access, &basic("marathon:s3cret"), ELSEWHERE).await.unwrap_err();
    assert_eq!(denied.into_response().status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_stream_ends_when_its_caller_has_lost_what_it_was_opened_with() {
    let server = ApiServer::default();
    server.put(secret(&[("marathon", "s3cret")]));
    let access = access(&server, NOBODY).await;
    let marathon = ask(&access, &basic("marathon:s3cret"), ELSEWHERE).await.unwrap();
    let user = "proffer:principal:marathon";
    server.grant(user, "create frameworks", "default");
    let rights = [(Action::RegisterFrameworks, Object::namespace("default"))];
    let short = Duration::from_millis(200);
    assert!(tokio::time::timeout(short, access.until_lost(&marathon, &rights)).await.is_err(), "all is well");

    server.put(secret(&[("marathon", "changed")]));
    let lost = tokio::time::timeout(Duration::from_secs(10), access.until_lost(&marathon, &rights)).await.unwrap();
    assert!(matches!(lost, Denied::Unauthenticated { .. }), "{lost}");

    let marathon = ask(&access, &basic("marathon:changed"), ELSEWHERE).await.unwrap();
    token(&server, "t1", "alice");
    let alice = ask(&access, "Bearer t1", ELSEWHERE).await.unwrap();
    server.revoke_all();
    let (principal, token) = tokio::time::timeout(Duration::from_secs(30), async {
        tokio::join!(access.until_lost(&marathon, &rights), access.until_lost(&alice, &[]))
    })
    .await
    .unwrap();
    assert!(matches!(principal, Denied::Forbidden(_)), "{principal}");
    assert!(matches!(token, Denied::Unauthenticated { .. }), "{token}");
}
