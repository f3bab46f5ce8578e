use super::*;
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

fn auth() -> Auth {
    Auth {
        cache_ttl_s: 300,
        verify_concurrency_max: 2,
        verify_queue_max: 64,
        argon2_memory_kib: 8,
        argon2_passes: 1,
        argon2_lanes: 1,
    }
}

fn records(
    callers: &Callers,
    list: &[(&str, &str, u64)],
) -> BTreeMap<String, Stored<CallerRecord>> {
    let stored = |(name, password, version): &(&str, &str, u64)| {
        let record = CallerRecord {
            name: (*name).to_owned(),
            role: Role::Marketplace,
            vendor: None,
            endpoints: EndpointAccess::All,
            password_hash: callers.passwords.hash(password).unwrap(),
        };
        ((*name).to_owned(), Stored { version: *version, record })
    };
    list.iter().map(stored).collect()
}

fn with(auth: &Auth, list: &[(&str, &str, u64)]) -> Arc<Callers> {
    let callers = Callers::new(auth).unwrap();
    callers.replace(&records(&callers, list));
    Arc::new(callers)
}

fn basic(credentials: &str) -> Vec<u8> {
    format!("Basic {}", STANDARD.encode(credentials)).into_bytes()
}

async fn login(callers: &Callers, credentials: &str) -> Result<Arc<Caller>, Error> {
    callers.authenticate(Some(&basic(credentials))).await
}

fn verified(callers: &Callers) -> usize {
    callers.passwords.verified.load(Ordering::Relaxed)
}

#[tokio::test]
async fn the_right_password_gets_in_and_is_remembered() {
    let callers = with(&auth(), &[("shop", "correct:horse", 1)]);
    for _ in 0..3 {
        assert_eq!(login(&callers, "shop:correct:horse").await.unwrap().name, "shop");
    }
    assert_eq!(verified(&callers), 1);
}

#[tokio::test]
async fn every_wrong_credential_gets_the_same_answer() {
    let callers = with(&auth(), &[("shop", "correct horse", 1)]);
    let right = STANDARD.encode("shop:correct horse");
    let headers: Vec<Option<Vec<u8>>> = vec![
        None,
        Some(Vec::new()),
        Some(b"Basic".to_vec()),
        Some(b"Basic ".to_vec()),
        Some(b"Basic ???".to_vec()),
        Some(format!("Bearer {right}").into_bytes()),
        Some(format!("Basic{right}").into_bytes()),
        Some(format!("Basic {right} {right}").into_bytes()),
        Some([b"Basic ".as_slice(), STANDARD.encode(b"shop:\xff").as_bytes()].concat()),
        Some(vec![0xff; 20]),
        Some(basic("shop")),
        Some(basic(":correct horse")),
        Some(basic("shop:")),
        Some(basic("shop:wrong horse")),
        Some(basic("shop:correct horse\0")),
        Some(basic("SHOP:correct horse")),
        Some(basic("nobody:correct horse")),
        Some(basic(&format!("shop:{}", "x".repeat(PASSWORD_BYTES_MAX + 1)))),
        Some(basic(&"x".repeat(1 << 20))),
    ];
    for header in headers {
        let error = callers.authenticate(header.as_deref()).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::InvalidCredentials);
        assert_eq!(error.message, "Invalid credentials provided.");
        assert_eq!(error.retry_after, None);
        let cause = format!("{:#}", error.cause.unwrap());
        assert!(!cause.contains("horse"), "{cause}");
    }
    login(&callers, "shop:correct horse").await.unwrap();
    callers.authenticate(Some(format!("bASIC  {right}").as_bytes())).await.unwrap();
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_name_both_run_argon2_every_time() {
    let callers = with(&auth(), &[("shop", "correct horse", 1)]);
    for (round, credentials) in
        ["shop:wrong", "nobody:wrong", "shop:wrong", "nobody:wrong"].iter().enumerate()
    {
        login(&callers, credentials).await.unwrap_err();
        assert_eq!(verified(&callers), round + 1, "{credentials}");
    }
    // Also once the right one is remembered.
    login(&callers, "shop:correct horse").await.unwrap();
    login(&callers, "shop:wrong").await.unwrap_err();
    assert_eq!(verified(&callers), 6);
}

#[tokio::test]
async fn an_overlong_password_costs_no_argon2() {
    let callers = with(&auth(), &[("shop", "correct horse", 1)]);
    login(&callers, &format!("shop:{}", "x".repeat(PASSWORD_BYTES_MAX + 1))).await.unwrap_err();
    assert_eq!(verified(&callers), 0);
}

#[tokio::test]
async fn a_changed_password_and_a_removed_caller_are_out_at_once() {
    let callers = with(&auth(), &[("shop", "old password", 1), ("other", "other password", 1)]);
    login(&callers, "shop:old password").await.unwrap();
    login(&callers, "other:other password").await.unwrap();
    let mut changed = records(&callers, &[("shop", "new password", 2)]);
    changed.extend(records(&callers, &[("other", "not looked at", 1)]));
    callers.replace(&changed);
    login(&callers, "shop:old password").await.unwrap_err();
    login(&callers, "shop:new password").await.unwrap();
    let before = verified(&callers);
    login(&callers, "other:other password").await.unwrap();
    assert_eq!(verified(&callers), before, "an unchanged caller stays remembered");
    callers.replace(&BTreeMap::new());
    login(&callers, "shop:new password").await.unwrap_err();
}

#[tokio::test]
async fn a_password_that_changes_while_it_is_verified_does_not_get_in() {
    let callers = with(&auth(), &[("shop", "old password", 1)]);
    let everything = callers.permits.acquire_many(2).await.unwrap();
    let waiting = tokio::spawn({
        let callers = callers.clone();
        async move { login(&callers, "shop:old password").await.is_ok() }
    });
    while callers.flights.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    callers.replace(&records(&callers, &[("shop", "new password", 2)]));
    drop(everything);
    assert!(!waiting.await.unwrap());
}

#[tokio::test]
async fn what_is_remembered_is_forgotten_after_its_time() {
    let callers = with(&Auth { cache_ttl_s: 0, ..auth() }, &[("shop", "correct horse", 1)]);
    for round in 1..=2 {
        login(&callers, "shop:correct horse").await.unwrap();
        assert_eq!(verified(&callers), round);
    }
}

#[tokio::test]
async fn identical_verifications_at_the_same_time_are_one() {
    let callers = with(&auth(), &[("shop", "correct horse", 1)]);
    let everything = callers.permits.acquire_many(2).await.unwrap();
    let clients: Vec<_> = (0..100)
        .map(|_| {
            let callers = callers.clone();
            tokio::spawn(async move { login(&callers, "shop:correct horse").await.is_ok() })
        })
        .collect();
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    drop(everything);
    for client in clients {
        assert!(client.await.unwrap());
    }
    assert_eq!(verified(&callers), 1);
}

#[tokio::test]
async fn a_full_queue_is_refused_and_a_client_that_hangs_up_keeps_its_place() {
    let auth = Auth { verify_concurrency_max: 1, verify_queue_max: 1, ..auth() };
    let callers = with(&auth, &[("shop", "correct horse", 1)]);
    let running = callers.permits.acquire().await.unwrap();
    let waiting: Vec<_> = (0..2)
        .map(|n| {
            let callers = callers.clone();
            tokio::spawn(async move { login(&callers, &format!("nobody:{n}")).await.is_ok() })
        })
        .collect();
    while callers.places.available_permits() > 0 {
        tokio::task::yield_now().await;
    }
    waiting.iter().for_each(|client| client.abort());
    let error = login(&callers, "shop:correct horse").await.unwrap_err();
    assert_eq!((error.code, error.retry_after), (ErrorCode::Overloaded, Some(BUSY_RETRY_AFTER)));
    drop(running);
    while callers.places.available_permits() < 2 {
        tokio::task::yield_now().await;
    }
    login(&callers, "shop:correct horse").await.unwrap();
}

#[tokio::test]
async fn a_caller_whose_stored_hash_is_unusable_gets_the_same_answer() {
    let callers = with(&auth(), &[]);
    let mut broken = records(&callers, &[("shop", "correct horse", 1)]);
    broken.get_mut("shop").unwrap().record.password_hash = "nonsense".into();
    callers.replace(&broken);
    let error = login(&callers, "shop:correct horse").await.unwrap_err();
    assert_eq!(error.message, "Invalid credentials provided.");
    assert_eq!(verified(&callers), 1);
}

#[test]
fn roles_and_lists_limit_what_a_caller_may() {
    let caller = |role, vendor: Option<&str>, endpoints: Option<&[&str]>| Caller {
        name: "x".into(),
        role,
        vendor: vendor.map(str::to_owned),
        endpoints: endpoints.map_or(EndpointAccess::All, |ids| {
            EndpointAccess::List(ids.iter().map(|id| (*id).to_owned()).collect::<BTreeSet<_>>())
        }),
    };
    let acme = caller(Role::Vendor, Some("acme"), None);
    assert!(acme.may_use("a", "acme") && !acme.may_use("b", "umbrella") && acme.may_change());
    let narrow = caller(Role::Vendor, Some("acme"), Some(&["a", "b"]));
    assert!(narrow.may_use("a", "acme") && !narrow.may_use("c", "acme"));
    assert!(!narrow.may_use("b", "umbrella"));
    let lost = caller(Role::Vendor, None, None);
    assert!(!lost.may_use("a", "acme"));
    let shop = caller(Role::Marketplace, None, Some(&["a"]));
    assert!(shop.may_use("a", "acme") && !shop.may_use("b", "acme") && shop.may_change());
    let auditor = caller(Role::Auditor, None, None);
    assert!(auditor.may_use("a", "acme") && !auditor.may_change());
}
