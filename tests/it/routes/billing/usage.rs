use crate::check;
use cnsp_tests::host::Host;
use serde_json::Value;

#[test]
fn usage_of_each_scope_answers_as_cnsp_samples_it() {
    let host = Host::start();
    let client = host.marketplace();
    let account = client.new_account();
    let resource = client.new_resource(&account, "SANDBOX-CRM-PRO", 5);
    let of_account = client.get(&format!("/billing/{}", account.id));
    assert_eq!(of_account.message(), "Usage data retrieved successfully");
    assert_eq!(of_account.text_of("accountid"), account.accountid);
    check("get_billing_id.ok.account", &of_account);
    check(
        "get_billing_id.ok.subscription",
        &client.get(&format!("/billing/{}", resource.subscription)),
    );
    let of_instance = client.get(&format!("/billing/{}", resource.id));
    check("get_billing_id.ok.instance", &of_instance);
    let feed = of_instance.body()["usagefeed"].as_array().unwrap();
    assert!(feed.iter().all(|record| record.get("subscriptionid").is_none()), "{feed:?}");
    let feed = of_account.body()["usagefeed"].as_array().unwrap();
    assert!(feed.iter().all(|record| record["subscriptionid"] == resource.subscription.as_str()));
    assert_eq!(feed.len(), 2, "one set-up and one licence charge");
    let by = |charge: &str| feed.iter().find(|record| record["chargeid"] == charge).unwrap();
    assert_eq!(by("crm-pro-setup")["quantity"], 1);
    // Five licences for what is left of the month.
    let users = by("crm-pro-users");
    let quantity = users["quantity"].as_f64().unwrap();
    let expected = 5.0 * rest_of_month(users);
    assert!((quantity - expected).abs() < 0.000_001, "{quantity}, not {expected}: {users}");
}

/// The part of its month that a record covers, by its two times. The record ends with the month.
fn rest_of_month(record: &Value) -> f64 {
    let parts = |key: &str| -> (u32, [f64; 4]) {
        let text = record[key].as_str().unwrap();
        assert!(text.ends_with("+00:00"), "{text}");
        let number = |range: std::ops::Range<usize>| text[range].parse::<u32>().unwrap();
        let rest = [number(8..10), number(11..13), number(14..16), number(17..19)].map(f64::from);
        (number(5..7), rest)
    };
    let (month, [day, hours, minutes, seconds]) = parts("usage_start_time");
    assert_eq!(parts("usage_end_time"), (month % 12 + 1, [1.0, 0.0, 0.0, 0.0]));
    let year: u32 = record["usage_start_time"].as_str().unwrap()[..4].parse().unwrap();
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        2 if leap => 29.0,
        2 => 28.0,
        4 | 6 | 9 | 11 => 30.0,
        _ => 31.0,
    };
    let gone = (day - 1.0) + (hours + (minutes + seconds / 60.0) / 60.0) / 24.0;
    (days - gone) / days
}

/// (Contract A4.)
#[test]
fn the_window_is_half_open_and_the_current_month_by_default() {
    let host = Host::start();
    let client = host.marketplace();
    let account = client.new_account();
    client.new_resource(&account, "SANDBOX-MAIL", 5);
    let path = format!("/billing/{}", account.id);
    let month = client.get(&path).succeeded();
    let (start, end) = (month.text_of("usage_start_time"), month.text_of("usage_end_time"));
    assert!(start.ends_with("-01T00:00:00+00:00") && end.ends_with("-01T00:00:00+00:00"));
    let record = month.body()["usagefeed"][0].clone();
    assert_eq!(record["usage_end_time"], end.as_str());
    let begin = record["usage_start_time"].as_str().unwrap().to_owned();

    let window = |start: &str, end: &str| {
        let encode = |text: &str| text.replace('+', "%2B");
        client.get(&format!(
            "{path}?usage_start_time={}&usage_end_time={}",
            encode(start),
            encode(end)
        ))
    };
    let count = |start: &str, end: &str| {
        let feed = window(start, end).succeeded();
        feed.body()["usagefeed"].as_array().unwrap().len()
    };
    assert_eq!(count(&start, &end), 1);
    assert_eq!(count(&begin, &end), 1, "the start belongs to the window");
    assert_eq!(count(&start, &begin), 0, "the end does not");
    assert_eq!(count("2016-08-01T00:00:00+00:00", "2016-09-01T00:00:00Z"), 0);
    let shifted = window("2016-08-01T02:00:00+02:00", "2016-09-01T00:00:00Z").succeeded();
    assert_eq!(shifted.text_of("usage_start_time"), "2016-08-01T00:00:00+00:00", "in UTC");
    // A plus sign that was not encoded is a space to HTTP, and still meant.
    let plain = format!(
        "{path}?usage_start_time=2016-08-01T00:00:00+00:00&usage_end_time=2016-09-01T00:00:00Z"
    );
    client.get(&plain).succeeded();

    window("2016-09-01T00:00:00Z", "2016-08-01T00:00:00Z").refused(400, "INVALID_REQUEST");
    window("2016-09-01T00:00:00Z", "2016-09-01T00:00:00Z").refused(400, "INVALID_REQUEST");
    for wrong in ["yesterday", "2016-09-01", "2016-13-01T00:00:00Z", "2016-08-01T00:00:00"] {
        let refused = window(wrong, "2026-09-01T00:00:00Z").refused(400, "INVALID_REQUEST");
        assert!(refused.error().contains("usage_start_time"), "{}", refused.error());
    }
    let half = client.get(&format!("{path}?usage_start_time=2016-08-01T00:00:00Z"));
    half.refused(400, "INVALID_REQUEST");
}

#[test]
fn usage_is_refused_as_cnsp_samples_it() {
    let host = Host::start();
    let client = host.marketplace();
    let account = client.new_account();
    let resource = client.new_resource(&account, "SANDBOX-MAIL", 5);
    client.lock(&account);
    let refuse = |id: &str, code: &str, name: &str| {
        let refused = client.get(&format!("/billing/{id}"));
        let text = "The user is not authorized.";
        assert_eq!((refused.status, refused.error(), refused.code()), (403, text, code));
        check(name, &refused);
    };
    refuse(&account.id, "", "get_billing_id.error.account_unauthorized");
    refuse(&resource.subscription, "BZSSS1452E", "get_billing_id.error.subscription_unauthorized");
    refuse(&resource.id, "", "get_billing_id.error.instance_unauthorized");
    check("get_billing_id.error.missing", &client.get("/billing/nothing"));
}
