use super::*;
use std::time::Duration;

const DAY: u64 = 24 * 60 * 60;

/// January 2025, in which the fake's clock begins.
fn january() -> Window {
    Window { start: "2025-01-01T00:00:00Z".to_owned(), end: "2025-02-01T00:00:00Z".to_owned() }
}

fn feed(scope: BillingScope, page: Page) -> UsageFeed {
    Sandbox::usage(scope, january(), page).unwrap()
}

#[test]
fn a_feed_says_whose_it_is_and_what_was_used() {
    let account = account("a-1");
    let id = instance(&account, "SANDBOX-BACKUP", 4);
    testing::advance_clock(Duration::from_secs(2 * DAY));
    let subscription = id.replace("ins-", "sub-");
    let by_subscription = feed(BillingScope::Subscription(subscription.clone()), Page::default());
    assert_eq!(by_subscription.accountid.as_deref(), Some("a-1"));
    assert_eq!(by_subscription.usage_start_time, january().start);
    assert!(by_subscription.partial, "January is not over");
    let lines: Vec<_> = by_subscription
        .usagefeed
        .iter()
        .map(|record| (record.chargeid.as_str(), record.unit.as_str(), record.quantity.as_str()))
        .collect();
    assert_eq!(
        lines,
        [
            ("backup-setup", "/once", "1"),
            ("backup-machines", "/mo", "4"),
            ("backup-storage", "/GB-day", "10"),
            ("backup-storage", "/GB-day", "10"),
        ]
    );
    let record = &by_subscription.usagefeed[1];
    assert_eq!(record.subscriptionid.as_deref(), Some(subscription.as_str()));
    assert_eq!(record.instanceid, id);
    assert_eq!(record.object_type, "UsageRecord");
    assert_eq!(record.usage_end_time, "2025-02-01T00:00:00+00:00");
    assert_eq!(record.info_fields.integer("licences"), Some(4));

    let by_instance = feed(BillingScope::Instance(id), Page::default());
    assert_eq!(by_instance.usagefeed.len(), 4);
    assert!(by_instance.usagefeed.iter().all(|record| record.subscriptionid.is_none()));
}

#[test]
fn an_accounts_feed_is_read_page_by_page_and_outlives_the_account() {
    let id = account("a-1");
    let instances: Vec<_> = (0..3).map(|_| instance(&id, "SANDBOX-BACKUP", 1)).collect();
    testing::advance_clock(Duration::from_secs(3 * DAY));
    let all = feed(BillingScope::Account(id.clone()), Page::default()).usagefeed;
    assert_eq!(all.len(), 3 * 5);
    let in_pages = |limit| {
        let mut page = Page { limit: Some(limit), after: None };
        let mut records = Vec::new();
        loop {
            let found = feed(BillingScope::Account(id.clone()), page.clone());
            assert!(found.usagefeed.len() <= limit as usize);
            records.extend(found.usagefeed);
            match found.next {
                Some(next) => page.after = Some(next),
                None => return records,
            }
        }
    };
    for limit in [1, 2, 5, 7, 100] {
        assert_eq!(in_pages(limit), all, "{limit} a page");
    }
    for instance in &instances {
        cancel(instance).unwrap();
    }
    let delete = DeleteAccount { requestor: of_account(&id), ..DeleteAccount::default() };
    change(|| Sandbox::delete_account(delete.clone())).unwrap();
    assert_eq!(feed(BillingScope::Account(id.clone()), Page::default()).usagefeed, all);
}

#[test]
fn what_is_not_there_has_no_usage() {
    let usage =
        |scope, window| Sandbox::usage(scope, window, Page::default()).unwrap_err().respcode;
    assert_eq!(usage(BillingScope::Account("acc-gone".to_owned()), january()), 404);
    assert_eq!(usage(BillingScope::Subscription("sub-gone".to_owned()), january()), 404);
    assert_eq!(usage(BillingScope::Instance("ins-gone".to_owned()), january()), 404);
    let id = account("a-1");
    let backwards = Window { start: january().end, end: january().start };
    assert_eq!(usage(BillingScope::Account(id.clone()), backwards), 400);
    let wrong = Window { start: "soon".to_owned(), end: january().end };
    assert_eq!(usage(BillingScope::Account(id), wrong), 400);
}
