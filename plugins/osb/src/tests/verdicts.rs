//! OSB's table of orphan mitigation, and the answers beside it.

use super::{Answer, answer, lost, with_header};
use crate::progress::{Progress, progress};
use crate::verdict::{Kind, Verdict, judge};
use cnsp_sdk::http::{HttpError, Response};
use serde_json::json;
use std::time::Duration;

const ALL: [Kind; 5] = [Kind::Provision, Kind::Update, Kind::Deprovision, Kind::Bind, Kind::Unbind];
const CREATING: [Kind; 2] = [Kind::Provision, Kind::Bind];
const BUT_UPDATE: [Kind; 4] = [Kind::Provision, Kind::Deprovision, Kind::Bind, Kind::Unbind];
const INTERVAL: Duration = Duration::from_secs(10);

fn of(kind: Kind, answer: Answer) -> Verdict {
    judge(kind, answer, INTERVAL)
}

fn malformed(status: u16) -> Answer {
    Ok(Response { status, headers: Vec::new(), body: b"{\"operation\":".to_vec() })
}

/// For which kinds something may be left.
#[track_caller]
fn leaves_orphans(answer: impl Fn() -> Answer, kinds: &[Kind]) {
    for kind in ALL {
        match of(kind, answer()) {
            Verdict::Not(trouble) => assert_eq!(trouble.orphan, kinds.contains(&kind), "{kind:?}"),
            other => panic!("{kind:?}: {other:?}"),
        }
    }
}

#[test]
fn orphans_are_those_of_the_table() {
    leaves_orphans(|| malformed(200), &[]);
    leaves_orphans(|| malformed(201), &CREATING);
    leaves_orphans(|| malformed(202), &CREATING);
    for status in [203, 204, 206, 226, 299] {
        leaves_orphans(|| answer(status, &json!({})), &BUT_UPDATE);
    }
    for status in [500, 502, 503, 504, 599] {
        leaves_orphans(|| answer(status, &json!({})), &BUT_UPDATE);
    }
    for status in [301, 304, 400, 401, 403, 404, 408, 409, 412, 422, 429] {
        leaves_orphans(|| answer(status, &json!({})), &[]);
    }
    leaves_orphans(lost, &CREATING);
    // Never sent.
    for code in [1, 2, 5, 7, 8] {
        let error = || HttpError { code, message: "no".to_owned(), outcome_unknown: false };
        leaves_orphans(|| Err(error()), &[]);
    }
}

#[test]
fn a_success_is_a_json_object_of_the_right_shape() {
    for kind in ALL {
        for status in [200, 201] {
            let body = json!({ "dashboard_url": null, "unknown": { "to": "us" } });
            assert!(matches!(of(kind, answer(status, &body)), Verdict::Done(_)));
        }
        for body in
            [json!([]), json!("x"), json!({ "operation": 7 }), json!({ "dashboard_url": {} })]
        {
            assert!(matches!(of(kind, answer(200, &body)), Verdict::Not(_)), "{body}");
        }
        let body = json!({ "operation": "x".repeat(10_000) });
        assert!(matches!(of(kind, answer(202, &body)), Verdict::Accepted { .. }));
        // More than OSB allows, and more than a value of the store holds once it is written.
        for operation in ["x".repeat(10_001), "\u{1}".repeat(9_000)] {
            let body = json!({ "operation": operation });
            assert!(matches!(of(kind, answer(202, &body)), Verdict::Not(_)));
        }
    }
}

#[test]
fn only_a_web_address_is_a_dashboard() {
    for (url, kept) in [
        ("https://a.example/b?c=d", true),
        ("http://a.example", true),
        ("javascript:alert(1)", false),
        ("https://a.example/\nb", false),
        ("", false),
    ] {
        let Verdict::Done(body) =
            of(Kind::Provision, answer(201, &json!({ "dashboard_url": url })))
        else {
            panic!("{url}")
        };
        assert_eq!(body.dashboard_url.is_some(), kept, "{url}");
    }
}

#[test]
fn being_busy_is_no_failure() {
    let busy = json!({ "error": "ConcurrencyError" });
    for kind in ALL {
        let verdict = of(kind, with_header(answer(422, &busy), "Retry-After", "3"));
        assert!(matches!(verdict, Verdict::Busy(wait) if wait == Duration::from_secs(3)));
        let other = of(kind, answer(422, &json!({ "error": "RequiresApp" })));
        assert!(matches!(other, Verdict::Not(_)));
    }
}

#[test]
fn gone_is_what_a_deletion_wants() {
    for kind in ALL {
        let deletes = matches!(kind, Kind::Deprovision | Kind::Unbind);
        let verdict = of(kind, answer(410, &json!(null)));
        assert_eq!(matches!(verdict, Verdict::Gone), deletes, "{kind:?}");
    }
}

#[test]
fn our_own_credentials_are_not_the_customers() {
    for status in [401, 403] {
        let Verdict::Not(trouble) = of(Kind::Provision, answer(status, &json!({}))) else {
            panic!("{status}")
        };
        assert_eq!((trouble.failure.respcode, trouble.failure.retryable), (502, false));
    }
}

#[test]
fn a_failure_says_what_is_left_of_the_instance() {
    let body = json!({ "instance_usable": false, "update_repeatable": false, "error": "a b" });
    for (kind, unusable) in [(Kind::Update, true), (Kind::Deprovision, true), (Kind::Bind, false)] {
        let Verdict::Not(trouble) = of(kind, answer(500, &body)) else { panic!("{kind:?}") };
        assert_eq!(trouble.unusable, unusable, "{kind:?}");
        assert!(!trouble.failure.retryable);
        assert_eq!(trouble.failure.errorcode, None, "no word that can be passed on");
    }
    let Verdict::Not(trouble) = of(Kind::Update, answer(500, &json!({}))) else { panic!() };
    assert!(trouble.failure.retryable && !trouble.unusable);
}

#[test]
fn a_poll_goes_on_until_the_broker_says_how_it_ended() {
    let poll = |answer| progress(answer, INTERVAL);
    for odd in
        [lost(), malformed(200), answer(200, &json!({})), answer(200, &json!({ "state": "?" }))]
    {
        assert!(matches!(poll(odd), Progress::Waiting(INTERVAL)));
    }
    for status in [201, 400, 401, 404, 429, 500] {
        let verdict = poll(answer(status, &json!({ "state": "succeeded" })));
        assert!(matches!(verdict, Progress::Waiting(_)), "{status}");
    }
    assert!(matches!(poll(answer(200, &json!({ "state": "succeeded" }))), Progress::Succeeded));
    assert!(matches!(poll(answer(410, &json!({}))), Progress::Gone));
    let failed = json!({ "state": "failed", "description": 7, "instance_usable": false });
    assert!(matches!(poll(answer(200, &failed)), Progress::Failed(trouble) if trouble.unusable));
}
