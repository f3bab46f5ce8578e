//! Lists in pages, when the caller asks. (Contract A7.)

use cnsp_tests::client::Client;
use cnsp_tests::host::Host;
use serde_json::Value;

/// Everything of a list, by following the links from its first page. Also how many pages there were.
fn follow(client: &Client, path: &str, list: &str, limit: usize) -> (Vec<Value>, usize) {
    let mut items = Vec::new();
    let mut pages = 0;
    let mut next = format!("{path}?limit={limit}");
    loop {
        let answer = client.get(&next).succeeded();
        let page = answer.body()[list].as_array().unwrap();
        assert!((1..=limit).contains(&page.len()), "{next}: {} items", page.len());
        // The envelope is as without pages.
        assert!(answer.body().get("next").is_none() && answer.body().get("after").is_none());
        items.extend(page.iter().cloned());
        pages += 1;
        let Some(link) = answer.header("link") else { return (items, pages) };
        let link = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\""));
        let link = link.unwrap_or_else(|| panic!("{:?}", answer.headers));
        // A client may follow it as it is.
        assert_eq!(
            client.below("").get(link).json,
            client.get(&link.replace("/endpoints/sandbox/apiv1", "")).json
        );
        next = link.strip_prefix("/endpoints/sandbox/apiv1").unwrap().to_owned();
    }
}

#[test]
fn following_the_links_gives_the_whole_list() {
    let host = Host::start();
    let client = host.marketplace().at("sandbox");
    let account = client.new_account();
    for _ in 0..4 {
        client.new_account();
        client.new_user(&account);
        client.new_resource(&account, "SANDBOX-CRM-PRO", 5);
    }
    let lists = [
        ("/account".to_owned(), "accounts", 5),
        (format!("/account/user/{}", account.id), "users", 5),
        (format!("/resource/{}", account.id), "resources", 4),
        ("/catalog".to_owned(), "resources", 10),
        (format!("/billing/{}", account.id), "usagefeed", 8),
    ];
    for (path, list, count) in lists {
        let whole = client.get(&path).succeeded();
        assert_eq!(whole.header("link"), None, "{path}: all, by default");
        let whole = whole.body()[list].as_array().unwrap().clone();
        assert_eq!(whole.len(), count, "{path}");
        for limit in [1, 2, 3, count, 1000] {
            let (items, pages) = follow(&client, &path, list, limit);
            assert_eq!(items, whole, "{path}, {limit} at a time");
            assert_eq!(pages, count.div_ceil(limit), "{path}, {limit} at a time");
        }
        for wrong in ["0", "-1", "1001", "x", "", "1.5", "99999999999999999999"] {
            let refused =
                client.get(&format!("{path}?limit={wrong}")).refused(400, "INVALID_REQUEST");
            assert!(refused.error().contains("limit"), "{}", refused.error());
        }
        let refused = client.get(&format!("{path}?limit=1&after={}", "x".repeat(300)));
        assert_eq!(refused.status, 400, "{path}: {}", refused.text);
    }
    // What else was asked stays in the link.
    let answer = client.get(&format!("/billing/{}?kind=account&limit=1", account.id)).succeeded();
    assert!(answer.header("link").unwrap().contains("kind=account"));
}

#[test]
fn pages_are_of_one_endpoint() {
    let host = Host::start();
    host.marketplace().get("/account?limit=1").refused(400, "INVALID_REQUEST");
    host.marketplace().with("cnsp-endpoint", "sandbox").get("/account?limit=1").succeeded();
}
