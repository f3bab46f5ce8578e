use super::*;
use crate::plugin::bindings::cnsp::adapter::http::{Credential, Header};
use crate::store::Space;
use crate::store::memory::MemoryStore;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

struct Bench {
    store: Arc<dyn Store>,
    sealer: Arc<Sealer>,
}

fn bench() -> Bench {
    Bench { store: Arc::new(MemoryStore::default()), sealer: Arc::new(Sealer::new(&[7; 32])) }
}

fn of() -> CallOf {
    CallOf { endpoint: "e".to_owned(), operation: "op".to_owned(), began_ms: 5, call: 1 }
}

fn record() -> OpenRecord {
    OpenRecord {
        change: "account.create".to_owned(),
        body: String::new(),
        request_id: None,
        fingerprint: String::new(),
        caller: "c".to_owned(),
        plugin: String::new(),
        began_ms: 5,
        instance: None,
        runs: 0,
        stuck: None,
        since_ms: None,
        given_up: false,
        told: false,
    }
}

impl Bench {
    fn begin(&self) -> Steps {
        let opening = Opening { record: record(), body: Bytes::from_static(b"{}") };
        Steps::new(self.store.clone(), self.sealer.clone(), of(), Some(opening))
    }

    async fn again(&self) -> Steps {
        Steps::load(self.store.clone(), self.sealer.clone(), of()).await.unwrap()
    }

    async fn count(&self, space: Space) -> usize {
        let range = Range {
            space,
            partition: Partition::of("e"),
            prefix: Bytes::new(),
            after: None,
            limit: 100,
        };
        self.store.scan(&range).await.unwrap().entries.len()
    }
}

fn request(method: &str, path: &str) -> Request {
    Request {
        method: method.to_owned(),
        url: format!("https://api.example.com/{path}"),
        headers: vec![Header { name: "x".to_owned(), value: "1".to_owned() }],
        body: b"hunter2".to_vec(),
        credential: Credential::Basic("login".to_owned()),
        timeout_ms: None,
        effect: None,
    }
}

fn response(status: u16, body: &[u8]) -> Result<Response, HttpError> {
    Ok(Response { status, headers: Vec::new(), body: body.to_vec() })
}

/// What is told of an answer.
fn told(answer: &Result<Response, HttpError>) -> (u16, Vec<u8>, bool) {
    match answer {
        Ok(response) => (response.status, response.body.clone(), false),
        Err(error) => (error.code, Vec::new(), error.outcome_unknown),
    }
}

/// Asks as a call would, of a provider that answers this; and whether the provider was asked.
async fn ask(
    steps: &mut Steps,
    request: &Request,
    provider: Result<Response, HttpError>,
) -> (bool, (u16, Vec<u8>, bool)) {
    let effect = request.method != "GET";
    if let Some(answer) = steps.recorded(request, effect).await {
        return (false, told(&answer));
    }
    let answer = if effect {
        steps.intend(request).await.unwrap();
        steps.answered(provider).await
    } else {
        steps.read(request, effect, &provider);
        provider
    };
    (true, told(&answer))
}

#[tokio::test]
async fn a_second_run_gets_the_same_answers_and_asks_nobody() {
    let bench = bench();
    let long = vec![b'x'; 100_000];
    let asked = [
        ("GET", "a", response(200, &long)),
        ("POST", "b", response(201, b"made")),
        ("PUT", "c", response(200, &long)),
    ];
    let mut first = bench.begin();
    let mut random = [0; 16];
    first.random(&mut random);
    let mut clock = vec![first.now_ms()];
    for (method, path, answer) in asked.clone() {
        let (sent, told_now) = ask(&mut first, &request(method, path), answer.clone()).await;
        assert!(sent && told_now == told(&answer));
        clock.push(first.now_ms());
    }
    let mut second = bench.again().await;
    let mut again = [0; 16];
    second.random(&mut again);
    assert_eq!(random, again);
    for (number, (method, path, answer)) in asked.into_iter().enumerate() {
        assert!(second.now_ms().abs_diff(clock[number]) < 20, "{number}");
        assert_eq!(second.attempt(), 1);
        let other = response(500, b"not asked");
        assert_eq!(ask(&mut second, &request(method, path), other).await, (false, told(&answer)));
    }
    assert_eq!((second.attempt(), second.trail.diverged(true)), (2, None));
    // And what comes after it is asked for.
    assert!(ask(&mut second, &request("POST", "d"), response(201, b"")).await.0);
}

#[tokio::test]
async fn what_was_intended_and_not_answered_is_unknown_in_every_run() {
    let bench = bench();
    let mut first = bench.begin();
    assert_eq!(bench.count(Space::Open).await, 0, "what asks for nothing leaves nothing");
    first.intend(&request("POST", "a")).await.unwrap();
    assert!(first.trail.opened() && bench.count(Space::Open).await == 1);
    for _ in 0..2 {
        let mut again = bench.again().await;
        let told = ask(&mut again, &request("POST", "a"), response(201, b"")).await;
        assert_eq!(told, (false, (NOT_REACHED, Vec::new(), true)));
    }
}

#[tokio::test]
async fn what_only_reads_is_durable_with_the_next_that_does_not() {
    let bench = bench();
    let mut first = bench.begin();
    ask(&mut first, &request("GET", "a"), response(200, b"")).await;
    assert_eq!((bench.count(Space::Step).await, first.trail.opened()), (0, false));
    ask(&mut first, &request("POST", "b"), response(200, b"")).await;
    assert_eq!(bench.count(Space::Step).await, 2);
}

#[tokio::test]
async fn a_run_that_asks_for_something_else_is_found_out() {
    let bench = bench();
    let mut first = bench.begin();
    for path in ["a", "b"] {
        ask(&mut first, &request("POST", path), response(200, b"")).await;
    }
    let mut other = bench.again().await;
    let (sent, (_, _, unknown)) = ask(&mut other, &request("POST", "c"), response(200, b"")).await;
    assert!(!sent && unknown, "nothing is asked for");
    let why = other.trail.diverged(false).unwrap();
    assert_eq!(
        why,
        "step 1 was `POST https://api.example.com/a` and is `POST https://api.example.com/c` now"
    );
    let mut body = bench.again().await;
    let changed = Request { body: b"other".to_vec(), ..request("POST", "a") };
    ask(&mut body, &changed, response(200, b"")).await;
    assert!(body.trail.diverged(false).unwrap().ends_with("with another body or other headers"));
    let mut shorter = bench.again().await;
    ask(&mut shorter, &request("POST", "a"), response(200, b"")).await;
    assert_eq!(shorter.trail.diverged(false), None, "it may still come");
    assert!(
        shorter.trail.diverged(true).unwrap().contains("without `POST https://api.example.com/b`")
    );
}

#[tokio::test]
async fn only_what_failed_is_asked_for_once_more_and_what_was_read_for_it() {
    let unknown = Err(HttpError { code: 3, message: String::new(), outcome_unknown: true });
    let refused = Err(HttpError { code: 8, message: String::new(), outcome_unknown: false });
    for (last, again) in
        [(response(503, b""), true), (refused, true), (unknown, true), (response(200, b""), false)]
    {
        let bench = bench();
        let mut first = bench.begin();
        ask(&mut first, &request("POST", "a"), response(201, b"")).await;
        ask(&mut first, &request("GET", "look"), response(404, b"")).await;
        ask(&mut first, &request("POST", "b"), last.clone()).await;
        ask(&mut first, &request("GET", "c"), response(200, b"")).await;
        first.take_back().await.unwrap();
        let mut second = bench.again().await;
        assert!(!ask(&mut second, &request("POST", "a"), response(500, b"")).await.0);
        for asked in [request("GET", "look"), request("POST", "b")] {
            let (sent, _) = ask(&mut second, &asked, response(201, b"")).await;
            assert_eq!(sent, again, "{:?}", told(&last));
        }
        let (sent, _) = ask(&mut second, &request("GET", "c"), response(200, b"")).await;
        assert!(sent, "a read is made anew");
    }
}

#[tokio::test]
async fn what_has_left_nothing_at_the_provider_is_not_gone_on_with() {
    let bench = bench();
    let mut first = bench.begin();
    ask(&mut first, &request("GET", "look"), response(404, &[b'x'; 100_000])).await;
    ask(&mut first, &request("POST", "a"), response(503, b"")).await;
    assert_eq!(bench.count(Space::Open).await, 1);
    first.take_back().await.unwrap();
    assert_eq!((bench.count(Space::Open).await, bench.count(Space::Step).await), (0, 0));
    assert!(!first.trail.opened());
}

#[tokio::test]
async fn what_may_have_been_done_is_gone_on_with_and_the_run_is_remembered() {
    let unknown = Err(HttpError { code: 3, message: String::new(), outcome_unknown: true });
    for last in [unknown, response(500, b"")] {
        let bench = bench();
        let mut first = bench.begin();
        ask(&mut first, &request("POST", "a"), last).await;
        first.take_back().await.unwrap();
        assert_eq!((bench.count(Space::Open).await, bench.count(Space::Step).await), (1, 0));
        assert!(first.trail.opened());
        let open = open_key("e", "op");
        let (record, _) = read::<OpenRecord>(&*bench.store, &open).await.unwrap().unwrap();
        assert_eq!(record.runs, 1);
    }
}

#[tokio::test]
async fn the_clock_says_the_same_in_every_run_however_long_it_takes() {
    let bench = bench();
    let mut first = bench.begin();
    let slowly = |steps: &mut Steps| {
        let began = std::time::Instant::now();
        let looked = steps.now_ms();
        while began.elapsed().as_millis() < 5 {
            std::hint::spin_loop();
        }
        (looked, steps.now_ms())
    };
    let (looked, again) = slowly(&mut first);
    ask(&mut first, &request("POST", "a"), response(201, b"")).await;
    assert!(slowly(&mut first).0 > again, "what passes in a step counts");
    let mut second = bench.again().await;
    assert_eq!((second.now_ms(), second.now_ms()), (looked, again));
}

#[tokio::test]
async fn a_plugin_may_wait_for_the_clock() {
    let bench = bench();
    let mut steps = bench.begin();
    let begin = steps.now_ms();
    while steps.now_ms() < begin + 20 {
        std::hint::spin_loop();
    }
}

#[tokio::test]
async fn nothing_that_was_sent_or_answered_can_be_read_in_the_store() {
    let bench = bench();
    let mut first = bench.begin();
    ask(&mut first, &request("POST", "secret-path"), response(200, b"secret-answer")).await;
    for space in [Space::Open, Space::Step] {
        let range = Range {
            space,
            partition: Partition::of("e"),
            prefix: Bytes::new(),
            after: None,
            limit: 10,
        };
        for (_, found) in bench.store.scan(&range).await.unwrap().entries {
            let text = String::from_utf8_lossy(&found.value).into_owned();
            for clear in [
                "hunter2",
                "secret-path",
                "secret-answer",
                &BASE64_STANDARD.encode("secret-answer"),
            ] {
                assert!(!text.contains(clear), "{text}");
            }
        }
    }
}
